"""Identifiers of natural persons, found so that they can be refused.

Two kinds are looked for. Resident identity numbers (公民身份号码, GB 11643-1999): 6 digits of region, 8 of
birth date, 3 of serial, and a check character by ISO 7064 MOD 11-2; and the form before 1999, 15 digits
with a two-digit year and no check. Mainland mobile numbers: 11 digits from 13 to 19.

Nothing here returns, logs or raises what it found: callers learn the rule that was hit, never the value.
"""

import re
from datetime import date
from typing import Final, Literal

from stdnum.cn.ric import calc_check_digit

Rule = Literal["resident-id", "mobile-number"]

# GB/T 2260, first two digits: the provinces, Taiwan, Hong Kong, Macau; 83 is the residence permit of Taiwan.
_PROVINCE: Final = r"(?:1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[1-3])"
_RESIDENT_ID: Final = re.compile(rf"{_PROVINCE}[0-9]{{4}}(?:18|19|20)[0-9]{{9}}[0-9X]")
_CENTURIES: Final = frozenset({"18", "19", "20"})

_SPACES: Final = " \t\r\n\u00a0\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
_UNSEEN: Final = "\u00ad\u200b\u200c\u200d\u2060\ufeff"
_DASHES: Final = "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe63\uff0d"
_DOTS: Final = ".\u00b7\u30fb\uff0e"
_WIDE_DIGITS: Final = "０１２３４５６７８９"
# What is typed for the check character X: Latin, full-width, the times sign, Cyrillic, Greek, Roman ten.
_CROSSES: Final = "XxＸｘ×\u0425\u0445\u03a7\u03c7Ⅹⅹ"
_FOLD: Final = str.maketrans(
    dict.fromkeys(_SPACES, " ")
    | dict.fromkeys(_UNSEEN, "")
    | dict.fromkeys(_DASHES, "-")
    | dict.fromkeys(_DOTS, ".")
    | dict.fromkeys(_CROSSES, "X")
    | {wide: str(digit) for digit, wide in enumerate(_WIDE_DIGITS)}
)

# Where a number may stand: eleven places or more of digits and of what is written between groups of digits.
# Cheap, and never too narrow; what it finds is looked at closely. It is linear: a place is tried at most
# eleven times, and what matched is not tried again.
_DIGITS: Final = "0-9" + _WIDE_DIGITS
_BETWEEN: Final = re.escape(_SPACES + _UNSEEN + _DASHES + _DOTS)
_CANDIDATE: Final = re.compile(f"[{_DIGITS}][{_DIGITS}{_BETWEEN}]{{10,}}[{_CROSSES}]?")
_FAR_APART: Final = re.compile(r"[ .-]{4,}")
_GROUP: Final = re.compile(r"[0-9]+")

# Not in a longer run of letters or digits, and neither part of a decimal number: amounts are not telephones.
_ALONE_FROM: Final = r"(?<![0-9A-Za-z])(?<![0-9]\.)"
_ALONE_TO: Final = r"(?![0-9A-Za-z])(?!\.[0-9]{1,6}(?![0-9]))"
# The groupings in use are 3-4-4, 3-8 and 7-4; others would take dates and tables of figures for telephones.
_MOBILE: Final = re.compile(
    _ALONE_FROM + r"(?:(?:00)?86[ -]{0,3})?1[3-9]"
    r"(?:[0-9]{9}|[0-9][ -]{1,3}[0-9]{4}[ -]{1,3}[0-9]{4}|[0-9][ -]{1,3}[0-9]{8}|[0-9]{5}[ -]{1,3}[0-9]{4}"
    r"|[0-9]\.[0-9]{4}\.[0-9]{4})" + _ALONE_TO
)
_OLD_RESIDENT_ID: Final = re.compile(
    rf"{_ALONE_FROM}({_PROVINCE}[0-9]{{4}})[ -]{{0,3}}([0-9]{{6}})[ -]{{0,3}}([0-9]{{3}}){_ALONE_TO}"
)
_MOBILE_PLAIN: Final = re.compile(r"1[3-9][0-9]{9}")


def find(text: str) -> Rule | None:
    """Name the first rule that a text breaks by holding a person's identifier; none: ``None``.

    A resident ID is found wherever it stands, glued to letters or Chinese or split by spaces, hyphens and
    dots, as long as it is not the middle of a longer number. What has no check character, a mobile number
    or the 15-digit form, must stand alone, so that establishment numbers, amounts and UUIDs pass.
    About one in 30,000 random numbers of 18 digits is taken for a resident ID; none is let through.
    """
    if not _may_hold_number(text):
        return None
    for candidate in _CANDIDATE.finditer(text):
        start, end = candidate.span()
        run = candidate.group().translate(_FOLD)
        if _holds_split_resident_id(run):
            return "resident-id"
        framed = text[max(0, start - 1) : start] + run + text[end : end + 1]
        if _holds_old_resident_id(framed):
            return "resident-id"
        if _MOBILE.search(framed):
            return "mobile-number"
    return None


def is_resident_id(value: str) -> bool:
    """Tell whether 18 characters are a resident ID: region, a real birth date since 1800, and the check."""
    return _resembles(value) and calc_check_digit(value) == value[17]


def resembles_resident_id(value: str) -> bool:
    """Tell whether 18 characters may be a resident ID in which one was mistyped: all but the check fits."""
    return _resembles(value[:17] + "0")


def holds_resident_id(value: str) -> bool:
    """Tell whether any 18 characters in a row of a code are a resident ID."""
    return any(
        value[start + 6 : start + 8] in _CENTURIES and is_resident_id(value[start : start + 18])
        for start in range(len(value) - 17)
    )


def _resembles(value: str) -> bool:
    return _RESIDENT_ID.fullmatch(value) is not None and _is_date(value[6:10], value[10:12], value[12:14])


def _is_date(year: str, month: str, day: str) -> bool:
    try:
        date(int(year), int(month), int(day))
    except ValueError:
        return False
    return True


def _may_hold_number(text: str) -> bool:
    # Every number looked for has a 0, a 1 or a 2 in its date or at its head; these searches run at memory
    # speed, ten times that of a regular expression, and most texts without figures end here.
    if "1" in text or "0" in text or "2" in text:
        return True
    return not text.isascii() and ("１" in text or "０" in text or "２" in text)


def _holds_split_resident_id(run: str) -> bool:
    """Try every row of neighbouring groups that makes 18 characters, and each long group by itself."""
    for part in _FAR_APART.split(run):
        groups = _GROUP.findall(part)
        digits = "".join(groups)
        if len(digits) < 17:
            continue
        joined = digits + "X" if part.endswith("X") else digits
        bounds = {0, len(joined)}
        at = 0
        for group in groups:
            at += len(group)
            bounds.add(at)
        if any(at + 18 in bounds and is_resident_id(joined[at : at + 18]) for at in bounds):
            return True
        if any(_is_persons_glued(group) for group in (*groups, groups[-1] + joined[len(digits) :])):
            return True
    return False


def _is_persons_glued(group: str) -> bool:
    """Two identifiers written without anything between, of which one at least is a resident ID."""
    if len(group) not in {29, 36}:
        return False
    head, tail = group[:-18], group[18:]
    return (is_resident_id(group[:18]) and _is_identifier(tail)) or (
        is_resident_id(group[-18:]) and _is_identifier(head)
    )


def _is_identifier(piece: str) -> bool:
    return is_resident_id(piece) or _MOBILE_PLAIN.fullmatch(piece) is not None


def _holds_old_resident_id(framed: str) -> bool:
    return any(
        _is_date("19" + born[:2], born[2:4], born[4:]) and serial != "000"
        for _region, born, serial in _OLD_RESIDENT_ID.findall(framed)
    )
