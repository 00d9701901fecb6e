"""Legal Entity Identifier (ISO 17442): 18 letters and digits and two check digits (ISO 7064 MOD 97-10).

An LEI may in law also be issued to an individual acting in a business capacity; the code does not show it.
"""

import re
from typing import Final

from stdnum.iso7064 import mod_97_10

from creditsvc.domain.identifiers.scheme import Scheme
from creditsvc.errors import IdentifierInvalid

# Check digits run from 02 to 98: 00, 01 and 99 would be second spellings of 97, 98 and 02.
_PATTERN: Final = "^[0-9A-Z]{18}(?:0[2-9]|[1-8][0-9]|9[0-8])$"
_fullmatch = re.compile(_PATTERN).fullmatch


def _canonical(value: str) -> str:
    if len(value) != 20:
        raise IdentifierInvalid("An LEI has 20 characters")
    if _fullmatch(value) is None:
        raise IdentifierInvalid(
            "An LEI has Latin letters and digits and ends in two check digits from 02 to 98"
        )
    if mod_97_10.checksum(value) != 1:
        raise IdentifierInvalid(
            "Wrong: the two check digits (ISO 7064 MOD 97-10). One character may be mistyped"
        )
    return value


SCHEME: Final = Scheme(
    name="lei",
    title_zh="全球法人识别编码",
    title_en="Legal Entity Identifier (ISO 17442)",
    pattern=_PATTERN,
    zone="UTC",
    example="213800WSGIIZCXF1P572",
    canonical=_canonical,
)
