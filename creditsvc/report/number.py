"""The report's number: by it the service tells whether a report is genuine, and whether it still holds.

The service stores no reports. A number says itself what it is of: the organisation, and the instant since
which what the report says holds (``valid_from``, to the microsecond). That instant is enough to know the
content: asking as of it gives the same bytes. Behind both stands a code that only the service's key makes:
HMAC-SHA-256 (RFC 2104) over them, cut to its first 80 bits. So whoever asks later is told

- *genuine*: the service stands by it, and nothing has changed since;
- *superseded*: the service stood by it, and something is otherwise now: an event came, or time passed;
- *unknown*: the service makes no such number, or it was misread.

**Why nobody can make one up.** Without the key the only way to a code that fits is to try: each try at the
service succeeds once in 2^80, so a million tries a second, for a thousand years, find one with a chance of
three in a hundred million. Nothing can be tried elsewhere, for only the service can tell a hit. 80 bits are
the least that RFC 2104 names in its section 5. Its other figure, half the hash, is against two messages with
one code, which are of no use here: a code is read only with the organisation and the instant before it.
Seeing many numbers helps as little. And 80 bits are sixteen characters: more would be longer to read out.

**What is not promised.** A number is of what the service said, not of a piece of paper: somebody can print a
true number on an altered report. Compare what it says with what the service shows for the number, or check
the seal. A number does not say when or for whom a report was made: whoever asks for one of the same state
gets the same number. It carries nothing of a person. Only what the public sees has numbers: other reports
depend on who asked. Whoever loses the key makes all earlier numbers unknown; whoever steals it can make
numbers, though no seal and no entry in the log.

It is written ``uscc:91350100M000100Y43-0C7K-…``: the organisation's own code, which whoever checks knows
already, and 28 characters in seven groups of four for the telephone. These are Crockford's base 32, which
has no I, L, O or U; I and L are read as 1, O as 0, and case, spaces and hyphens do not matter. Eleven
characters are the instant, sixteen the code, and the last is a check digit that tells a slip of the pen
from a number that is not ours.
"""

import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from unicodedata import normalize

from creditsvc.domain import identifiers, instants
from creditsvc.errors import IdentifierInvalid, NaturalPerson

Standing = Literal["genuine", "superseded", "unknown"]

KEY_MIN_BYTES = 32  # as long as what HMAC-SHA-256 makes
LONGEST = 128  # characters of a number as people write it; none of ours has more than 64

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32
_VALUE = {character: value for value, character in enumerate(_ALPHABET)}
_READ_AS = str.maketrans("ILO", "110")
_SEPARATORS = re.compile(r"[\s\-\u2010-\u2015\u2212.]+")
_INSTANT, _CODE = 11, 16  # characters of 5 bits: microseconds for 1,141 years, and 80 bits
_TAIL = _INSTANT + _CODE + 1
_GROUP = 4
_BEGINNING = datetime(2020, 1, 1, tzinfo=UTC)  # no service recorded anything before
_PURPOSE = "creditsvc report number v1"  # the key's codes are good for nothing else


@dataclass(frozen=True, slots=True)
class Claim:
    """What a genuine number says: this was the public record of the organisation since an instant."""

    entity: str
    valid_from: datetime


def write(claim: Claim, key: bytes) -> str:
    """Make the number of a report; ``ValueError`` for an instant outside 2020 to 3161 or a short key."""
    place = instants.microseconds(claim.valid_from) - instants.microseconds(_BEGINNING)
    if not 0 <= place < 32**_INSTANT:
        raise ValueError("no report is of such an instant")
    symbols = _written(place, _INSTANT) + _code(claim, key)
    symbols += _ALPHABET[_check(symbols)]
    groups = (symbols[start : start + _GROUP] for start in range(0, _TAIL, _GROUP))
    return "-".join((claim.entity, *groups))


def read(number: str, key: bytes) -> Claim | None:
    """Give what a number says, as people write it, or None for one that the key did not make."""
    found = _parts(number)
    if found is None or not _fits(found[1]):
        return None
    entity, symbols = found
    place = 0
    for symbol in symbols[:_INSTANT]:
        place = place * 32 + _VALUE[symbol]
    claim = Claim(entity, _BEGINNING + timedelta(microseconds=place))
    code = symbols[_INSTANT : _INSTANT + _CODE]
    return claim if hmac.compare_digest(code, _code(claim, key)) else None


def misread(number: str) -> bool:
    """Tell whether a number cannot be right as it stands: its form or its check digit is wrong.

    One wrong character, and two that changed places, are always found; of other slips one in 32 is not.
    """
    found = _parts(number)
    return found is None or not _fits(found[1])


def standing(claim: Claim | None, current: datetime | None) -> Standing:
    """Say what a number is worth, given the ``valid_from`` of the organisation's public profile now.

    ``current`` is None where the public is told nothing of the organisation any more.
    """
    if claim is None:
        return "unknown"
    return "genuine" if claim.valid_from == current else "superseded"


def _parts(number: str) -> tuple[str, str] | None:
    """Take a number apart: the organisation, and the 28 characters; None for what has another form."""
    if len(number) > LONGEST:
        return None
    scheme, _, rest = normalize("NFKC", number).partition(":")
    plain = _SEPARATORS.sub("", rest).upper()
    symbols = plain[-_TAIL:].translate(_READ_AS)
    if len(symbols) < _TAIL or not set(symbols) <= _VALUE.keys():
        return None
    try:
        return identifiers.parse(f"{scheme}:{plain[:-_TAIL]}"), symbols
    except (IdentifierInvalid, NaturalPerson):
        return None


def _written(number: int, length: int) -> str:
    return "".join(_ALPHABET[number >> 5 * place & 31] for place in reversed(range(length)))


def _code(claim: Claim, key: bytes) -> str:
    if len(key) < KEY_MIN_BYTES:
        raise ValueError(f"the key of reports has {KEY_MIN_BYTES} bytes or more")
    said = "\n".join((_PURPOSE, "public", claim.entity, instants.text(claim.valid_from)))
    digest = hmac.digest(key, said.encode(), "sha256")
    return _written(int.from_bytes(digest[: _CODE * 5 // 8]), _CODE)


def _fits(symbols: str) -> bool:
    return _check(symbols[:-1]) == _VALUE[symbols[-1]]


def _check(symbols: str) -> int:
    """Give the check digit's value: the symbols as a polynomial over GF(32), at a generator.

    Characters 1 to 27 have different weights, none of them 0, so that no single slip and no exchange of two
    characters cancels out.
    """
    total = 0
    for symbol in symbols:
        total = _times_generator(total ^ _VALUE[symbol])
    return total


def _times_generator(value: int) -> int:
    """Multiply by x in GF(32), modulo x^5 + x^2 + 1."""
    value <<= 1
    return value ^ 0b100101 if value & 32 else value
