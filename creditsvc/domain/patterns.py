"""The forms that texts must have, and what to say when one has another: a message never shows the text.

A pattern holds for ECMA-262 (it stands in the OpenAPI document) and for the regex crate (pydantic) alike.
"""

from collections.abc import Mapping

_CONTROLS = r"\u0000-\u001f\u007f-\u009f"
_SPACES = r"\t\n\u0020\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_URI_CHARACTERS = r"([A-Za-z0-9._~:/?@!$&'()*+,;=#-]|%[0-9A-Fa-f]{2})+"
_MONTH_AND_DAY = r"(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9]"

TEXT = rf"^[{_SPACES}]*[^\s{_CONTROLS}][^\u0000-\u0008\u000b-\u001f\u007f-\u009f]*$"
LINE = rf"^[^\s{_CONTROLS}]([^{_CONTROLS}]*[^\s{_CONTROLS}])?$"
DATE = rf"^(19|20|21)[0-9]{{2}}-{_MONTH_AND_DAY}$"
TIME = (
    rf"^(19|2[0-9])[0-9]{{2}}-{_MONTH_AND_DAY}[Tt]{_CLOCK}:[0-5][0-9]"
    rf"(\.[0-9]{{1,9}})?([Zz]|[+-]{_CLOCK})$"
)
MONEY = r"^(0|[1-9][0-9]{0,13})(\.[0-9]{1,4})?$"  # 18 digits at most: numeric(18, 4)
CURRENCY = r"^[A-Z]{3}$"
SHA256 = r"^[0-9a-f]{64}$"
URI_REFERENCE = rf"^{_URI_CHARACTERS}$"
URI = rf"^[A-Za-z][A-Za-z0-9+.-]*:{_URI_CHARACTERS}$"

DETAILS: Mapping[str, str] = {
    TEXT: "Text that is not blank, without control characters except line feed and tab",
    LINE: "One line of text without control characters and without spaces at its ends",
    DATE: "A date as YYYY-MM-DD between 1900 and 2199",
    TIME: "A time of RFC 3339 with its offset, from 1900 on, such as 2026-03-05T00:00:00+08:00",
    MONEY: "A decimal number as text: up to 14 digits and up to 4 decimals, no sign, no exponent",
    CURRENCY: "A currency code of ISO 4217: three capital letters",
    SHA256: "A SHA-256: 64 hexadecimal digits, lower-case",
    URI_REFERENCE: "A URI reference (RFC 3986)",
    URI: "An absolute URI (RFC 3986)",
}
