"""What pydantic finds wrong, said as violations: where, which rule, what to do; never the value itself."""

import re
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from creditsvc.domain import patterns
from creditsvc.errors import Violation

MAX_VIOLATIONS = 20  # enough to mend an event by; a flood of unknown fields says nothing more

# A name that may be repeated in a pointer: it has the look of a field's name, and no room for a number.
_FIELD_NAME = re.compile(r"[A-Za-z_]{1,40}[0-9]{0,2}")

# pydantic's own rules by their name here, with what to do. Those with limits are filled from their context.
_RULES: dict[str, tuple[str, str]] = {
    "missing": ("required", "This field is required"),
    "string_type": ("text", "Text is expected here; leave the field out when there is nothing to say"),
    "string_unicode": ("text", "This text is not valid Unicode"),
    "string_too_long": ("too-long", "At most {max_length} characters"),
    "string_too_short": ("too-short", "At least {min_length} characters"),
    "literal_error": ("code", "One of {expected}"),
    "model_type": ("object", "An object is expected here; leave the field out when there is nothing to say"),
    "dict_type": ("object", "An object is expected here"),
    "list_type": ("list", "A list is expected here; leave the field out when there is nothing to say"),
    "too_long": ("too-long", "At most {max_length} items"),
    "too_short": ("too-short", "At least {min_length} items"),
    "int_type": ("integer", "A whole number is expected here, without decimals"),
    "greater_than_equal": ("range", "At least {ge}"),
    "less_than_equal": ("range", "At most {le}"),
}

# Rules of our own types, which say themselves what is wrong.
_OURS = frozenset({"required", "date", "identifier", "natural-person", "time", "future", "type"})


def pointer(parts: Sequence[str | int]) -> str:
    """Write a place in a document as a JSON pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def violations(error: ValidationError, document: Any) -> tuple[Violation, ...]:
    """Say what is wrong with a document; ``document`` serves only to count members by."""
    found = error.errors(include_url=False, include_input=False)
    return tuple(_violation(dict(one), document) for one in found[:MAX_VIOLATIONS])


def _violation(one: dict[str, Any], document: Any) -> Violation:
    kind, place, context = one["type"], one["loc"], one.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_field(place, document)
    if kind == "string_pattern_mismatch":
        return Violation(pointer(place), "format", patterns.DETAILS[context["pattern"]])
    if kind in _RULES:
        code, detail = _RULES[kind]
        return Violation(pointer(place), code, detail.format_map(context))
    if kind in _OURS:
        return Violation(pointer(place), kind, one["msg"])
    return Violation(pointer(place), "invalid", "This value does not fit here")


def _unknown_field(place: Sequence[str | int], document: Any) -> Violation:
    """Point at a field nobody knows: by its name when that is plainly a name, else by its position."""
    name = str(place[-1])
    if _FIELD_NAME.fullmatch(name):
        return Violation(
            pointer(place), "unknown-field", "The catalogue has no such field here; leave it out"
        )
    for part in place[:-1]:
        document = document[part]
    position = list(document).index(place[-1]) + 1
    detail = f"Member {position} of this object is no field of the catalogue; leave it out"
    return Violation(pointer(place[:-1]), "unknown-field", detail)
