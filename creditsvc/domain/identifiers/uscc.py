"""Unified Social Credit Code, 统一社会信用代码 (GB 32100-2015), holding an organisation code (GB 11714).

18 characters: 1 the registering authority, 2 the kind of organisation, 3-8 the region (GB/T 2260),
9-17 the organisation code with its own check character, 18 the check character of the whole.
Codes that begin with 92 belong to individuals who trade (个体工商户) and are refused as persons.
"""

import re
from operator import getitem
from typing import Final

from creditsvc.domain import persons
from creditsvc.domain.identifiers.scheme import Scheme
from creditsvc.errors import IdentifierInvalid, NaturalPerson

_ALPHABET: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"

# The kinds of organisation (2nd character) that each registering authority (1st character) gives codes to.
KINDS: Final = {
    "1": "1239",  # 机构编制: 机关, 事业单位, 群众团体, other
    "2": "19",  # 外交
    "3": "123459",  # 司法行政: law firms, notaries, legal services, forensic institutes, arbitration, other
    "4": "19",  # 文化
    "5": "1239",  # 民政: 社会团体, 民办非企业单位, 基金会, other
    "6": "129",  # 旅游
    "7": "129",  # 宗教
    "8": "19",  # 工会
    "9": "13",  # 工商: 企业, 农民专业合作社; 92 is 个体工商户, a person
    "A": "19",  # 军委改革和编制
    "N": "1239",  # 农业: economic collectives of a group, a village, a township; other
    "Y": "1",  # 其他
}
_HEADS: Final = "|".join(f"{first}[{kinds}]" for first, kinds in KINDS.items())
_PATTERN: Final = f"^(?:{_HEADS})[0-9]{{6}}[{_ALPHABET}]{{8}}[0-9X][{_ALPHABET}]$"
_fullmatch = re.compile(_PATTERN).fullmatch
_FIRST_TWO: Final = frozenset(first + kind for first, kinds in KINDS.items() for kind in kinds)

# Each place's value of each character times the place's weight, looked up instead of multiplied: this
# runs for every event and every look-up.
_CODE_WEIGHTS: Final = tuple(pow(3, place, 31) for place in range(17))
_CODE_TERMS: Final = tuple(
    {character: value * weight for value, character in enumerate(_ALPHABET)} for weight in _CODE_WEIGHTS
)
_ORGANISATION_WEIGHTS: Final = (3, 7, 9, 10, 5, 8, 4, 2)
_ORGANISATION_TERMS: Final = tuple(
    {character: int(character, 36) * weight for character in _ALPHABET} for weight in _ORGANISATION_WEIGHTS
)
_ORGANISATION_CHECKS: Final = "0X987654321"  # by the sum mod 11: 11 - sum, with 10 as X and 11 as 0


def _canonical(value: str) -> str:
    if _fullmatch(value) is None:
        raise _misshapen(value)
    organisation = _organisation_check(value)
    code = _code_check(value)
    if value[16] != organisation or value[17] != code:
        raise _mistyped(value, organisation, code)
    return value


def _organisation_check(value: str) -> str:
    return _ORGANISATION_CHECKS[sum(map(getitem, _ORGANISATION_TERMS, value[8:16])) % 11]


def _code_check(value: str) -> str:
    return _ALPHABET[-sum(map(getitem, _CODE_TERMS, value[:17])) % 31]


def _misshapen(value: str) -> IdentifierInvalid | NaturalPerson:
    """Say which rule of shape a value breaks."""
    if value.startswith("92"):
        return NaturalPerson("Rule sole-trader: a code that begins so belongs to an individual who trades")
    if len(value) != 18:
        return IdentifierInvalid("A Unified Social Credit Code has 18 characters")
    if not set(value) <= set(_ALPHABET):
        return IdentifierInvalid(
            "A Unified Social Credit Code has digits and Latin letters, but never I, O, S, V or Z"
        )
    if value[:2] not in _FIRST_TWO:
        return IdentifierInvalid(
            "The first two characters are no registering authority and kind of organisation of GB 32100"
        )
    if not value[2:8].isdigit():
        return IdentifierInvalid("Characters 3 to 8, the region, must be digits")
    return IdentifierInvalid("Character 17, the check of the organisation code (GB 11714), is a digit or X")


def _mistyped(value: str, organisation: str, code: str) -> IdentifierInvalid:
    """Say which check fails, and what would fit unless that could complete a person's number."""
    failed = []
    if value[16] != organisation:
        failed.append(("character 17, the check of the organisation code (GB 11714)", organisation))
    if value[17] != code:
        failed.append(("character 18, the check of the whole code (GB 32100)", code))
    if len(failed) > 1 or persons.resembles_resident_id(value):
        which = " and ".join(place for place, _ in failed)
        return IdentifierInvalid(f"Wrong: {which}. One character may be mistyped")
    ((place, fitting),) = failed
    return IdentifierInvalid(f"Wrong: {place}: {fitting} would fit the others. One character may be mistyped")


SCHEME: Final = Scheme(
    name="uscc",
    title_zh="统一社会信用代码",
    title_en="Unified Social Credit Code (China)",
    pattern=_PATTERN,
    zone="Asia/Shanghai",
    example="91350100M000100Y43",
    canonical=_canonical,
)
