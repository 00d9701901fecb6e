"""Base64, numbers and JSON in the one way there is to write each; canonical JSON is that of RFC 8785."""

import json
import math
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from creditsvc.verifier.wrong import Wrong

INTEGER_MAX = 2**53 - 1  # beyond, numbers in JSON are not exact
SIZE_MAX = 2**63 - 1
NUMBER = "(0|[1-9][0-9]{0,18})"
BASE64 = "([0-9A-Za-z+/]+={0,2})"

Found = Mapping[str, Any]  # a JSON object from who knows where


def canonical(value: object) -> bytes:
    """Write a JSON value as RFC 8785 has it; ``Wrong`` when it cannot be written so."""
    try:
        return _written(value).encode()
    except (UnicodeEncodeError, RecursionError):  # a lone surrogate; too deep
        raise Wrong("this has no canonical JSON") from None


def _written(value: object) -> str:
    if value is None or isinstance(value, str | bool):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int) and abs(value) <= INTEGER_MAX:
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        return _number(value)
    if isinstance(value, list):
        return "[" + ",".join(map(_written, value)) + "]"
    if isinstance(value, dict) and all(isinstance(name, str) for name in value):
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return "{" + ",".join(f"{_written(name)}:{_written(value[name])}" for name in names) + "}"
    raise Wrong("this has no canonical JSON")


def _number(value: float) -> str:
    """Write a number as ECMAScript does: the fewest digits that are read as the same number."""
    if value == 0:
        return "0"
    sign, figures, exponent = Decimal(repr(value)).as_tuple()
    digits = "".join(map(str, figures)).rstrip("0")
    point = len(figures) + int(exponent)  # where the decimal point stands, counted from the first digit
    if len(digits) <= point <= 21:
        text = digits.ljust(point, "0")
    elif 0 < point <= 21:
        text = f"{digits[:point]}.{digits[point:]}"
    elif -6 < point <= 0:
        text = "0." + "0" * -point + digits
    else:
        text = f"{digits[0]}.{digits[1:]}".rstrip(".") + f"e{point - 1:+d}"
    return "-" * sign + text


def decoded(text: str, length: int | None = None) -> bytes:
    """Read base64 (RFC 4648 section 4) in the one way there is to write it."""
    try:
        found = b64decode(text, validate=True)
    except ValueError:
        found = None
    if found is None or b64encode(found).decode() != text or length not in (None, len(found)):
        raise Wrong("this is not base64, or not as long as it must be, or not in the one way of writing it")
    return found


def json_of(text: str | bytes) -> Any:
    """Read JSON that says everything once, and of finite numbers; ``Wrong`` when it is none."""
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=number)
    except (ValueError, RecursionError) as error:
        raise Wrong(str(error) if isinstance(error, Wrong) else "this is not JSON") from None


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(members)) != len(members):
        raise Wrong("an object has two members of one name")
    return found


def number(text: str) -> int:
    """Read a decimal without leading zeroes, at most 2^63 - 1."""
    if not re.fullmatch(NUMBER, text) or int(text) > SIZE_MAX:
        raise Wrong("a number is not written as it must be")
    return int(text)


def matched(layout: str, text: str) -> re.Match[str]:
    if (found := re.fullmatch(layout, text, re.DOTALL)) is None:
        raise Wrong("the lines are not those of such a document, or there are too many")
    return found
