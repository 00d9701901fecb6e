"""What somebody may have meant who typed a code: of which schemes it can be, or where it is wrong.

Most mistakes in typing are one wrong character or two neighbours exchanged (Verhoeff 1969). A Unified Social
Credit Code has two checks over different parts, so which of them fails tells where to look; other codes have
one over the whole.
"""

import re
import string
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Literal
from unicodedata import normalize

from creditsvc.domain import persons
from creditsvc.domain.identifiers import LONGEST, SCHEMES, parse
from creditsvc.errors import IdentifierInvalid, NaturalPerson

Fault = Literal["length", "character", "region", "head", "place", "check"]
USCC_LENGTH = 18
MOST_MEANT = 40
_DIGITS_LEAST = 4  # of a code with more letters than digits, as an LEI can be
_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
# What people read for one another, on paper and on screens.
_ALIKE = {
    "O": "0",
    "I": "1",
    "S": "5",
    "V": "UY",
    "Z": "2",  # the first of these stand in no code
    "0": "8DQ",
    "1": "7L",
    "2": "7",
    "3": "8",
    "4": "A",
    "5": "6",
    "6": "5G",
    "7": "12",
    "8": "03B",
    "B": "8",
    "D": "0",
    "G": "6",
    "L": "1",
    "Q": "0",
    "A": "4",
    "U": "W",
    "W": "U",
    "M": "N",
    "N": "M",
    "E": "F",
    "F": "E",
    "P": "R",
    "R": "P",
    "K": "X",
    "X": "K",
    "C": "G",
    "T": "Y",
    "Y": "T",
}
_WEIGHTS = (*(pow(3, place, 31) for place in range(USCC_LENGTH - 1)), 1)  # GB 32100; of the check itself 1
_NEVER = str.maketrans("OISZ", "0152")  # all of them at once: who writes O for 0 does it everywhere


@dataclass(frozen=True, slots=True)
class Typed:
    """What was typed, as codes: those that it can be; or the fault, where it stands, and what may be meant.

    ``first`` and ``last`` are places in the code, counted from 1. ``meant`` are valid identifiers, one
    mistake away; none of them need be anybody's. ``schemes`` are those whose check digits do not fit.
    """

    entities: tuple[str, ...] = ()
    fault: Fault | None = None
    first: int = 0
    last: int = 0
    meant: tuple[str, ...] = ()
    schemes: tuple[str, ...] = ()


NOTHING = Typed()


def read(text: str) -> Typed:
    """Read what may be a code. Raises ``NaturalPerson`` for a person's; ``NOTHING`` for what is no code."""
    if not text or len(text) > LONGEST:
        return NOTHING
    plain = normalize("NFKC", text).strip()
    scheme, colon, _ = plain.partition(":")
    if colon and scheme.strip().lower() in SCHEMES:
        wanted = [scheme.strip().lower()]
        found = tuple(_parsed([plain]))
    else:
        wanted = [*SCHEMES]
        found = tuple(dict.fromkeys(_parsed(f"{name}:{plain}" for name in SCHEMES)))
    if found:
        return Typed(found)
    value = "".join(filter(str.isalnum, plain.rpartition(":")[2])).upper()
    if "uscc" in wanted and _resembles_uscc(value):
        return _fault(value)
    digits = sum(map(str.isdigit, value))
    if digits >= len(value) / 2 or (digits >= _DIGITS_LEAST and " " not in plain):  # else it is a name
        return _check_fault(value, wanted)
    return NOTHING


def _parsed(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        try:
            yield parse(text)
        except IdentifierInvalid:
            continue


def _resembles_uscc(value: str) -> bool:
    digits = sum(character.isdigit() for character in value)
    return value.isascii() and USCC_LENGTH - 1 <= len(value) <= USCC_LENGTH + 1 and digits >= USCC_LENGTH // 2


def _check_fault(value: str, wanted: Iterable[str]) -> Typed:
    """Tell of what has the form of some schemes and not their check digits: it may be wrong anywhere."""
    formed = tuple(name for name in wanted if re.fullmatch(SCHEMES[name].pattern, value))
    if not formed:
        return NOTHING
    _refuse_persons(value)
    meant = islice(_valid(_one_away(value), formed), MOST_MEANT)
    return Typed(fault="check", meant=tuple(meant), schemes=formed)


def _one_away(value: str) -> Iterator[str]:
    """Give what is one mistake away: neighbours exchanged, or another character of the same sort."""
    yield from _exchanged(value)
    for place, character in enumerate(value):
        others = string.digits if character.isdigit() else string.ascii_uppercase
        yield from (value[:place] + other + value[place + 1 :] for other in others)


def _refuse_persons(value: str) -> None:
    if persons.holds_resident_id(value) or persons.find(value):
        raise NaturalPerson("People are not on record here")


def _fault(value: str) -> Typed:
    _refuse_persons(value)
    meant = tuple(islice(_meant(value), MOST_MEANT))
    if len(value) != USCC_LENGTH:
        return Typed(fault="length", first=len(value), meant=meant)
    for place, character in enumerate(value, start=1):
        if character not in _ALPHABET:
            return Typed(fault="character", first=place, last=place, meant=meant)
    for place in range(3, 9):
        if not value[place - 1].isdigit():
            return Typed(fault="region", first=place, last=place, meant=meant)
    detail = _detail(value)
    if "first two" in detail:
        return Typed(fault="head", first=1, last=2, meant=meant)
    # Characters 9 to 17 check themselves; only if they fit does the fault lie outside them.
    inside = "character 17" in detail.lower()
    return Typed(fault="place", first=9 if inside else 1, last=17 if inside else USCC_LENGTH, meant=meant)


def _meant(value: str) -> Iterator[str]:
    return _valid(_near(value), ("uscc",))


def _valid(values: Iterable[str], schemes: Iterable[str]) -> Iterator[str]:
    """Give the identifiers that these are, each once; no person's."""
    known: set[str] = set()
    for value in values:
        for scheme in schemes:
            with suppress(IdentifierInvalid, NaturalPerson):
                found = parse(f"{scheme}:{value}")
                if found not in known:
                    known.add(found)
                    yield found


def _detail(value: str) -> str:
    try:
        parse(f"uscc:{value}")
    except IdentifierInvalid as invalid:
        return invalid.detail
    return ""


def _near(value: str) -> Iterator[str]:
    """Give what is one mistake away, the likeliest first."""
    yield value.translate(_NEVER)
    for place, character in enumerate(value):
        for other in _ALIKE.get(character, ""):
            yield value[:place] + other + value[place + 1 :]
    yield from _exchanged(value)
    if len(value) == USCC_LENGTH:
        yield from _mended(value)
    elif len(value) > USCC_LENGTH:
        yield from (value[:place] + value[place + 1 :] for place in range(len(value)))
    else:
        for place in range(len(value) + 1):
            yield from (value[:place] + other + value[place:] for other in _ALPHABET)


def _exchanged(value: str) -> Iterator[str]:
    for place in range(len(value) - 1):
        yield value[:place] + value[place + 1] + value[place] + value[place + 2 :]


def _mended(value: str) -> Iterator[str]:
    """Give the codes with another character in one place in which the check of the whole fits.

    Of 31 characters in a place exactly one makes its sum come out, so nothing else need be tried.
    """
    wrong = [place for place, character in enumerate(value) if character not in _ALPHABET]
    if len(wrong) > 1:
        return
    values = [max(0, _ALPHABET.find(character)) for character in value]
    residue = sum(weight * one for weight, one in zip(_WEIGHTS, values, strict=True)) % 31
    for place in wrong or range(USCC_LENGTH):
        fitting = _ALPHABET[(values[place] - residue * pow(_WEIGHTS[place], -1, 31)) % 31]
        yield value[:place] + fitting + value[place + 1 :]
