"""SIRET, the number of an establishment in the French register SIRENE: a SIREN, 4 digits, a check by Luhn.

The post offices of La Poste ran out of numbers that pass: of theirs, the sum of the digits is divisible by
five instead (INSEE). The record is that of the legal unit, so a SIRET is kept as its SIREN.
"""

import re
from typing import Final

from stdnum.fr import siret

from creditsvc.domain.identifiers import siren
from creditsvc.domain.identifiers.scheme import Scheme
from creditsvc.errors import IdentifierInvalid

_PATTERN: Final = "^[0-9]{14}$"
_fullmatch = re.compile(_PATTERN).fullmatch


def _canonical(value: str) -> str:
    if _fullmatch(value) is None:
        raise IdentifierInvalid("A SIRET has 14 digits")
    unit = siren.SCHEME.canonical(value[:9])
    if not siret.is_valid(value):
        raise IdentifierInvalid("Wrong: the check digit of the SIRET (Luhn). One digit may be mistyped")
    return unit


SCHEME: Final = Scheme(
    name="siret",
    title_zh="法国营业机构识别码",
    title_en="SIRET, establishment (France); kept as its SIREN",
    pattern=_PATTERN,
    zone="Europe/Paris",
    example="55208131766522",
    canonical=_canonical,
    kept_as="siren",
)
