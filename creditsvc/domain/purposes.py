"""What a query is for: one word that the client declares, and that the organisation is shown."""

import re

from creditsvc.domain import persons
from creditsvc.errors import Malformed, NaturalPerson, Violation

# A token (RFC 9110, section 5.6.2), bounded: there is no room in it for a sentence, nor for a name.
PATTERN = r"^[!#$%&'*+.^_\x60|~0-9A-Za-z-]{1,64}$"  # \x60: the backtick
_TOKEN = re.compile(PATTERN.removesuffix("$"))


def parse(text: str, pointer: str) -> str:
    """Read a purpose; ``NaturalPerson`` if it holds a person's number, ``Malformed`` if it is no token."""
    if persons.find(text) is not None:
        wrong = Violation(pointer, "natural-person", "A purpose is a word such as loan-review, about nobody")
        raise NaturalPerson("A purpose names no person", [wrong])
    if _TOKEN.fullmatch(text) is None:
        wrong = Violation(pointer, "token", "One token of at most 64 characters, such as loan-review")
        raise Malformed("That is not a purpose.", [wrong])
    return text
