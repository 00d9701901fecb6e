"""What an identifier scheme is: a small plug-in that knows one kind of code for organisations."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scheme:
    """One kind of identifier.

    ``pattern`` is the canonical value as a regular expression, anchored, valid in ECMA-262 and in Python,
    and without look-around, so that any validator can take it; it is as strict as an expression can be,
    so all that ``canonical`` adds is the arithmetic. ``zone`` is the IANA time zone in which the scheme's
    authorities count days. ``canonical`` takes a value that is upper-case and freed of separators and
    gives the value under which the entity is kept, or raises ``IdentifierInvalid`` or ``NaturalPerson``
    with a text that never holds the value. Only ``parse`` may call it: resident IDs, some of which are
    valid codes of organisations too, are refused there, before any scheme sees the value. ``kept_as`` is
    the scheme of that entity when it is another one: an establishment is kept as its legal unit.
    """

    name: str
    title_zh: str
    title_en: str
    pattern: str
    zone: str
    example: str
    canonical: Callable[[str], str]
    kept_as: str = ""

    @property
    def entity_scheme(self) -> str:
        return self.kept_as or self.name
