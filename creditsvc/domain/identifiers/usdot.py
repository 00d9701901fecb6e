"""USDOT number (49 CFR 390.19), given to motor carriers by the US FMCSA: 1 to 8 digits, no check digit.

Written without leading zeros. Nine digits are never a USDOT number; a social security number has nine.
"""

import re
from typing import Final

from creditsvc.domain.identifiers.scheme import Scheme
from creditsvc.errors import IdentifierInvalid

_PATTERN: Final = "^[1-9][0-9]{0,7}$"
_fullmatch = re.compile(_PATTERN).fullmatch


def _canonical(value: str) -> str:
    number = value.lstrip("0")
    if _fullmatch(number) is None or len(value) > 8:
        raise IdentifierInvalid("A USDOT number has 1 to 8 digits and is not zero")
    return number


SCHEME: Final = Scheme(
    name="usdot",
    title_zh="美国运输部承运人编号",
    title_en="USDOT number, motor carrier (United States)",
    pattern=_PATTERN,
    zone="America/New_York",
    example="830331",
    canonical=_canonical,
)
