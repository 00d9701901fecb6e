"""SIREN, the number of a legal unit in the French register SIRENE (INSEE): 9 digits, the last by Luhn.

Individuals who trade have SIRENs too, and the number does not show it; the agency that sends the event
answers for the kind of unit.
"""

import re
from typing import Final

from stdnum import luhn

from creditsvc.domain.identifiers.scheme import Scheme
from creditsvc.errors import IdentifierInvalid

_PATTERN: Final = "^[0-9]{9}$"
_fullmatch = re.compile(_PATTERN).fullmatch


def _canonical(value: str) -> str:
    if _fullmatch(value) is None:
        raise IdentifierInvalid("A SIREN has 9 digits")
    if luhn.checksum(value) != 0 or not value.strip("0"):
        raise IdentifierInvalid("Wrong: the check digit of the SIREN (Luhn). One digit may be mistyped")
    return value


SCHEME: Final = Scheme(
    name="siren",
    title_zh="法国企业识别码",
    title_en="SIREN, legal unit (France)",
    pattern=_PATTERN,
    zone="Europe/Paris",
    example="552081317",
    canonical=_canonical,
)
