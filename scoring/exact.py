"""Numbers that come out the same everywhere: exact decimals, exact fractions, and one rounding at the end."""

import re
from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

ZERO = Decimal(0)
ONE = Decimal(1)

# A product or sum of what models and catalogues may hold never needs as many digits, and one that did would
# be refused instead of rounded.
EXACT = Context(prec=100, traps=[Inexact, InvalidOperation, Overflow, DivisionByZero])

_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,11})(\.[0-9]{1,6})?")

Rounding = Literal["half-even", "half-up", "down"]


def _read(written: Any) -> Any:
    if isinstance(written, Decimal):
        return written
    if not isinstance(written, str) or not _DECIMAL.fullmatch(written):
        raise PydanticCustomError(
            "decimal", 'A decimal number as text, such as "-12.5": up to 12 digits and up to 6 decimals'
        )
    return Decimal(written)


Exact = Annotated[Decimal, BeforeValidator(_read)]
"""A number in a model's file; text, because a JSON number would be a float to many readers."""


def rounded(number: Fraction, decimals: int, rule: Rounding) -> Decimal:
    """Round an exact number once; ``half-up`` takes ties away from zero, ``down`` goes towards zero."""
    scaled = number * 10**decimals
    if rule == "half-even":
        whole = round(scaled)
    else:
        more = Fraction(1, 2) if rule == "half-up" else 0
        whole = int(abs(scaled) + more) * (1 if scaled >= 0 else -1)
    return Decimal(whole).scaleb(-decimals, EXACT)


def written(number: Fraction | Decimal) -> str:
    """Write a number exactly: as a decimal where it has an end, else as a fraction such as ``100/3``."""
    fraction = Fraction(number)
    rest, places = fraction.denominator, 0
    for prime in (2, 5):
        count = 0
        while rest % prime == 0:
            rest, count = rest // prime, count + 1
        places = max(places, count)
    if rest != 1:
        return f"{fraction.numerator}/{fraction.denominator}"
    text = format(Decimal(int(fraction * 10**places)).scaleb(-places, EXACT), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
