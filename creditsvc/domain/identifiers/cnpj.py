"""CNPJ, the Brazilian register of legal entities: 12 characters and two check digits, modulo 11.

From July 2026 the first 12 may hold letters (Instrução Normativa RFB 2.229/2024), each valued at its ASCII
code less 48. Places 9 to 12 number the branch (0001 the head office); each branch is an entity of its own.
"""

import re
from typing import Final

from stdnum.br import cnpj

from creditsvc.domain.identifiers.scheme import Scheme
from creditsvc.errors import IdentifierInvalid

_PATTERN: Final = "^[0-9A-Z]{12}[0-9]{2}$"
_fullmatch = re.compile(_PATTERN).fullmatch


def _canonical(value: str) -> str:
    if len(value) != 14:
        raise IdentifierInvalid("A CNPJ has 14 characters")
    if _fullmatch(value) is None:
        raise IdentifierInvalid("A CNPJ has digits, and Latin letters but in the last two places")
    if cnpj.calc_check_digits(value) != value[12:] or not value[:12].strip("0"):
        raise IdentifierInvalid("Wrong: the two check digits of the CNPJ. One character may be mistyped")
    return value


SCHEME: Final = Scheme(
    name="cnpj",
    title_zh="巴西法人登记号",
    title_en="CNPJ, legal entity (Brazil)",
    pattern=_PATTERN,
    zone="America/Sao_Paulo",
    example="12ABC34501DE35",
    canonical=_canonical,
)
