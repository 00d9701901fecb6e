"""UK company number (Companies Act 2006, s. 1066), as Companies House writes it: 8 characters.

8 digits for England and Wales; elsewhere and for other kinds of body a prefix of two characters and 6
digits, or, for societies whose numbers the Financial Conduct Authority gives, up to two letters at the
end. There is NO check digit: a mistyped number is as valid as the right one, and only the register can
tell. The canonical form has its leading zeros, which people leave out.
"""

import re
from string import ascii_uppercase
from typing import Final

from creditsvc.domain.identifiers.scheme import Scheme
from creditsvc.errors import IdentifierInvalid

# Companies House, "Uniform Resource Identifiers: customer guide", and the prefixes added since (CE, CS, OE).
PREFIXES: Final = {
    "AC": "assurance company, England and Wales",
    "CE": "charitable incorporated organisation",
    "CS": "Scottish charitable incorporated organisation",
    "EN": "European company, Northern Ireland",
    "ES": "European company, Scotland",
    "FC": "overseas company",
    "FE": "European company that left the register",
    "GE": "European economic interest grouping, England and Wales",
    "GN": "European economic interest grouping, Northern Ireland",
    "GS": "European economic interest grouping, Scotland",
    "IC": "investment company with variable capital, England and Wales",
    "IP": "registered society, England and Wales",
    "LP": "limited partnership, England and Wales",
    "NA": "assurance company, Northern Ireland",
    "NC": "limited liability partnership, Northern Ireland",
    "NF": "overseas company, Northern Ireland, before 2009",
    "NI": "company, Northern Ireland",
    "NL": "limited partnership, Northern Ireland",
    "NO": "registered society or credit union, Northern Ireland",
    "NP": "registered society, Northern Ireland",
    "NR": "royal charter, Northern Ireland",
    "NZ": "not under the Companies Act, Northern Ireland",
    "OC": "limited liability partnership, England and Wales",
    "OE": "overseas entity that owns UK land",
    "PC": "protected cell of an investment company",
    "R0": "company, Northern Ireland, before 1921",
    "RC": "royal charter, England and Wales",
    "RS": "registered society since 2014",
    "SA": "assurance company, Scotland",
    "SC": "company, Scotland",
    "SE": "European company, England and Wales",
    "SF": "overseas company, Scotland, before 2009",
    "SG": "qualifying partnership, Scotland",
    "SI": "investment company with variable capital, Scotland",
    "SL": "limited partnership, Scotland",
    "SO": "limited liability partnership, Scotland",
    "SP": "registered society, Scotland",
    "SR": "royal charter, Scotland",
    "SZ": "not under the Companies Act, Scotland",
    "ZC": "not under the Companies Act, England and Wales",
}
_SOCIETIES: Final = ("IP", "NP", "RS", "SP")
_PATTERN: Final = (
    f"^(?:[0-9]{{8}}|(?:{'|'.join(PREFIXES)})[0-9]{{6}}"
    f"|(?:{'|'.join(_SOCIETIES)})(?:[0-9]{{5}}[A-Z]|[0-9]{{4}}[A-Z]{{2}}))$"
)
_fullmatch = re.compile(_PATTERN).fullmatch
LENGTH: Final = 8
_SHORT: Final = re.compile(r"([A-Z]{0,2})([0-9]+)")


def _canonical(value: str) -> str:
    padded = _padded(value)
    if _fullmatch(padded) is None:
        raise IdentifierInvalid(_what_is_wrong(padded))
    if not padded.strip(ascii_uppercase).strip("0"):
        raise IdentifierInvalid("A company number is not all zeros")
    return padded


def _padded(value: str) -> str:
    """Put back the leading zeros of the number, behind the prefix if there is one."""
    short = _SHORT.fullmatch(value) if len(value) < LENGTH else None
    if short is None:
        return value
    prefix, digits = short.groups()
    return prefix + digits.zfill(LENGTH - len(prefix))


def _what_is_wrong(value: str) -> str:
    if len(value) != LENGTH:
        return "A UK company number has 8 characters"
    if not value[:2].isdigit() and value[:2] not in PREFIXES:
        return "The two letters in front are no prefix that Companies House uses"
    return "A UK company number is 8 digits, or a prefix of two letters and 6 digits"


SCHEME: Final = Scheme(
    name="gb-coh",
    title_zh="英国公司注册号",
    title_en="Company number (United Kingdom, Companies House)",
    pattern=_PATTERN,
    zone="Europe/London",
    example="00445790",
    canonical=_canonical,
)
