"""Identifiers of natural persons, found so that they can be refused.

Three kinds are looked for. Resident identity numbers (公民身份号码, GB 11643-1999): 6 digits of region, 8 of
birth date, 3 of serial, and a check character by ISO 7064 MOD 11-2; and the form before 1999, 15 digits
with a two-digit year and no check. Mainland mobile numbers: 11 digits from 13 to 19. Codes of sole traders:
Unified Social Credit Codes (GB 32100-2015) that begin with 92, with both their check characters.

Digits of every script are read, what cannot be seen is passed over, and percent-encoding is undone. Numbers
written in words (一三八, one three eight) are not read.

Nothing here returns, logs or raises what it found: callers learn the rule that was hit, never the value.
"""

import re
import unicodedata
from collections.abc import Iterator
from datetime import date
from itertools import accumulate
from typing import Final, Literal
from urllib.parse import unquote

from stdnum.cn import uscc
from stdnum.cn.ric import calc_check_digit

Rule = Literal["resident-id", "mobile-number", "sole-trader"]

# GB/T 2260, first two digits: the provinces, Taiwan, Hong Kong, Macau; 83 is the residence permit of Taiwan.
_PROVINCE: Final = r"(?:1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[1-3])"
_RESIDENT_ID: Final = re.compile(rf"{_PROVINCE}[0-9]{{4}}(?:18|19|20)[0-9]{{9}}[0-9X]")
_CENTURIES: Final = frozenset({"18", "19", "20"})

# Unicode gives digits up to U+1FBF9; a test holds that there is none beyond.
_DIGITS: Final = {
    code: str(digit) for code in range(0x20000) if (digit := unicodedata.digit(chr(code), -1)) >= 0
}
# The digits that are not decimal ones (²₂②), which \d leaves out.
_MARKED: Final = "".join(chr(code) for code in _DIGITS if unicodedata.category(chr(code)) != "Nd")
_FILLERS: Final = "\u115f\u1160\u3164\uffa0"  # letters to Unicode, and blank
_STROKES: Final = "ーｰ一丨"  # letters to Unicode that are drawn as a dash
_DOTS: Final = ".\u00b7\u2022\u30fb\uff0e\uff65"
# What is typed for the check character X: Latin, full-width, times signs, Cyrillic, Greek, Roman ten.
_CROSSES: Final = "Ｘｘ×✕✖╳\u0425\u0445\u03a7\u03c7Ⅹⅹ"
_CATEGORIES: Final = {"Cf": "", "Mn": "", "Me": "", "Cc": "", "Pd": "-", "Ps": "(", "Pe": ")"}


class _Folding(dict[int, str]):
    """What each character counts as: a digit, ``×``, nothing, or one of six separators; letters stay."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        category = unicodedata.category(character)
        if category in {"Cn", "Co", "Cs"}:  # a million characters, so not remembered
            return ""
        if character.isspace() or category[0] == "Z":
            folded = " "
        elif category in _CATEGORIES:
            folded = _CATEGORIES[category]
        elif category[0] in "PSM":
            folded = ","
        else:
            raise LookupError
        self[code] = folded
        return folded


_FOLD: Final = _Folding(
    _DIGITS
    | {ord(one): "" for one in _FILLERS}
    | {ord(one): "-" for one in _STROKES + "\u2212"}
    | {ord(one): "." for one in _DOTS}
    | {code: chr(code - 0xFEE0) for code in (*range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B))}
    | {ord(one): "×" for one in _CROSSES}
)

# Where a number may stand: eleven digits or more without letters between, or the eight of a sole trader's
# code and a letter. Cheap, and never too narrow; what it finds is folded and looked at closely. It is linear:
# what stands between two digits is no digit, and a place is tried at most eleven times.
_PLAIN_CANDIDATE: Final = re.compile(
    "[0-9](?:[^0-9A-Za-z]*[0-9]){10,}|9[^0-9A-Za-z]*2(?:[^0-9A-Za-z]*[0-9]){6,}[^0-9A-Za-z]*[A-Za-z]"
)
_DIGIT: Final = rf"[\d{_MARKED}]"
_BLANK: Final = rf"[\W_{_FILLERS}{_STROKES}]*"
_CANDIDATE: Final = re.compile(
    rf"{_DIGIT}(?:{_BLANK}{_DIGIT}){{10,}}"
    rf"|(?![0-8０-８]){_DIGIT}(?:{_BLANK}{_DIGIT}){{7,}}{_BLANK}[A-Za-zＡ-Ｚａ-ｚ]"
)
_BEFORE: Final = 16  # characters of what stands before a candidate: a word such as Telephone
_AFTER: Final = 64  # and after it: the ten letters of a sole trader's code with what is between them
# Pages of 256 characters that have digits other than those that _may_hold_number asks for one by one.
_ASKED: Final = "012０１２⁰¹²₀₁₂"
_DIGITLESS_PAGES: Final = bytes(
    page for page in range(256) if page not in {code >> 8 for code in _DIGITS} | {*range(0xD8, 0xE0)}
) + bytes({ord(one) >> 8 for one in _ASKED})

# In folded text. Written again and again, a separator is one; beyond three of them numbers are two.
_AGAIN: Final = re.compile(r"([ ,.()-])\1+")
_GAP: Final = "[ ,.()-]{0,3}"
_GROUP: Final = re.compile("[0-9]+")
_LONG_NUMBER: Final = re.compile(f"[0-9](?:{_GAP}[0-9]){{16,}}(?:{_GAP}[Xx×])?")

# Not in a longer run of letters or digits, and neither part of a decimal number: amounts are not telephones.
_ALONE_FROM: Final = r"(?<![0-9A-Za-z])(?<![0-9]\.)"
_ALONE_TO: Final = r"(?![0-9A-Za-z])(?!\.[0-9]{1,6}(?![0-9]))"
_COUNTRY: Final = "(?:(?:00)?86[ ()-]{0,3})?"
# Glued to a word (Tel138…), not to the capitals of a serial number or of a VAT number (FR138…).
_WORD: Final = "(?:(?<![0-9A-Za-z])(?:[A-Za-z]?[a-z]{2,}|TEL|PHONE|MOBILE|MOB|CELL|WECHAT|WX|VX))"
# The groupings in use are 3-4-4, 3-8 and 7-4; others would take dates and tables of figures for telephones.
_MOBILE: Final = re.compile(
    f"(?:{_ALONE_FROM}|{_WORD}){_COUNTRY}"
    r"(?:(?:1[3-9][0-9]{9}){1,4}|1[3-9][0-9](?:[ ()-]{1,3}|[,.])[0-9]{4}(?:[ ()-]{1,3}|[,.])[0-9]{4}"
    r"|1[3-9][0-9][ ()-]{1,3}[0-9]{8}|1[3-9][0-9]{5}[ ()-]{1,3}[0-9]{4})" + _ALONE_TO
)
# Groupings that some make up; only where no other number is near, as in a SIRET or a row of a table.
_MOBILE_APART: Final = re.compile(
    r"(?<![0-9A-Za-z])(?<![0-9][ ,.()-])(?<![0-9][ ,.()-]{2})" + _COUNTRY + r"(?:1[3-9][0-9]{3}[ -][0-9]{6}"
    r"|1[3-9][0-9]([ -])[0-9]{3}\1[0-9]{5}|1[3-9][0-9]{2}([ -])[0-9]{3}\2[0-9]{4}"
    r"|1[3-9][0-9]{3}([ -])[0-9]{3}\3[0-9]{3}|1([ ,.-])[3-9](?:\4[0-9]){9})"
    r"(?![0-9A-Za-z])(?![ ,.()-]{1,3}[0-9])"
)
_MOBILE_PLAIN: Final = re.compile(r"1[3-9][0-9]{9}")
_OLD_RESIDENT_ID: Final = re.compile(
    rf"{_ALONE_FROM}({_PROVINCE}[0-9]{{4}}){_GAP}([0-9]{{6}}){_GAP}([0-9]{{3}}){_ALONE_TO}"
)

_SEPARATED: Final = re.compile("[^0-9A-Z]")
# As long as a resident ID, and not in a longer row of letters and digits.
_EIGHTEEN: Final = re.compile(
    "(?<![0-9A-Z])[0-9](?:[^0-9A-Z]{0,3}[0-9]){16}[^0-9A-Z]{0,3}[0-9A-Z](?![0-9A-Z])"
)

# Tried at every place, so that no number before a code hides it.
_SOLE_TRADER: Final = re.compile(
    f"(?<![0-9])(?=(9{_GAP}2(?:{_GAP}[0-9]){{6}}(?:{_GAP}[0-9A-HJ-NP-RTUWXY×]){{8}}"
    f"{_GAP}[0-9X×]{_GAP}[0-9A-HJ-NP-RTUWXY×]))"
)
_BETWEEN: Final = str.maketrans({"×": "X"} | dict.fromkeys(" ,.()-", ""))
_ORGANISATION_WEIGHTS: Final = (3, 7, 9, 10, 5, 8, 4, 2)
_ORGANISATION_CHECKS: Final = "0X987654321"  # by the sum mod 11: 11 - sum, with 10 as X and 11 as 0
_ENCODED: Final = re.compile("%[0-9A-Fa-f]{2}")
_MOST_DECODINGS: Final = 3

# Short texts that were searched lately and hold nothing: codes and authorities come again and again. What
# holds a number is never kept.
_clean: Final[set[str]] = set()
_MOST_CLEAN: Final = 8_192
_LONGEST_CLEAN: Final = 64


def find(text: str) -> Rule | None:
    """Name the first rule that a text breaks by holding a person's identifier; none: ``None``.

    A resident ID is found wherever it stands, glued to letters or Chinese or split by up to three separators
    of any kind, as long as it is not the middle of a longer number. What has no check character, a mobile
    number or the 15-digit form, must stand alone and in groups that are in use, so that establishment
    numbers, amounts and UUIDs pass. About one in 30,000 random numbers of 18 digits is taken for a resident
    ID, one in 341 codes that are shaped as a sole trader's for one; none is let through.
    """
    if text in _clean:
        return None
    rule = _search(text)
    if rule is None and len(text) <= _LONGEST_CLEAN:
        if len(_clean) >= _MOST_CLEAN:
            _clean.clear()
        _clean.add(text)
    return rule


def _search(text: str) -> Rule | None:
    for _ in range(_MOST_DECODINGS + 1):
        rule = _find(text)
        if rule is not None or "%" not in text or _ENCODED.search(text) is None:
            return rule
        text = unquote(text)
    return _find(text)


def is_resident_id(value: str) -> bool:
    """Tell whether 18 characters are a resident ID: region, a real birth date since 1800, and the check."""
    return _resembles(value) and calc_check_digit(value) == value[17]


def resembles_resident_id(value: str) -> bool:
    """Tell whether 18 characters may be a resident ID in which one was mistyped: all but the check fits."""
    return _resembles(value[:17] + "0")


def may_hold_person(text: str) -> bool:
    """Tell whether a short text holds a person's identifier, or 18 characters that may be a mistyped one.

    It is more than is refused at the door: a code of an organisation may be taken for one, so this is for
    what is not to be repeated.
    """
    if find(text) is not None:
        return True
    for _ in range(_MOST_DECODINGS):
        text = unquote(text)
    plain = unicodedata.normalize("NFKC", text).upper()
    return any(resembles_resident_id(_SEPARATED.sub("", one.group())) for one in _EIGHTEEN.finditer(plain))


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


def _find(text: str) -> Rule | None:
    if not _may_hold_number(text):
        return None
    for folded in _folded_candidates(text):
        if _holds_resident_id(folded):
            return "resident-id"
        if _MOBILE.search(folded) or _MOBILE_APART.search(folded):
            return "mobile-number"
        if _holds_sole_trader(folded):
            return "sole-trader"
    return None


def _may_hold_number(text: str) -> bool:
    # Every number looked for has a 0, a 1 or a 2 in its date or at its head; these searches run at memory
    # speed, ten times that of a regular expression, and most texts without figures end here.
    if "1" in text or "0" in text or "2" in text:
        return True
    if text.isascii():
        return False
    if any(map(text.__contains__, _ASKED[3:])):
        return True
    pages = text.encode("utf-16-le", "surrogatepass")[1::2]
    return bool(pages.translate(None, _DIGITLESS_PAGES))


def _folded_candidates(text: str) -> Iterator[str]:
    candidates = (_PLAIN_CANDIDATE if text.isascii() else _CANDIDATE).finditer(text)
    for start, end in (candidate.span() for candidate in candidates):
        folded = text[max(0, start - _BEFORE) : end + _AFTER].translate(_FOLD)
        yield _AGAIN.sub(r"\1", folded)


def _holds_resident_id(folded: str) -> bool:
    if any(_is_split_resident_id(number.group()) for number in _LONG_NUMBER.finditer(folded)):
        return True
    return any(
        _is_date("19" + born[:2], born[2:4], born[4:]) and serial != "000"
        for _region, born, serial in _OLD_RESIDENT_ID.findall(folded)
    )


def _is_split_resident_id(number: str) -> bool:
    """Try every row of neighbouring groups that makes 18 characters, and each long group by itself."""
    groups = _GROUP.findall(number)
    joined = "".join(groups)
    bounds = {0, *accumulate(map(len, groups))}
    if number[-1] in "Xx×":
        joined += "X"
        bounds.add(len(joined))
        groups.append(groups[-1] + "X")
    return any(
        joined[at + 6 : at + 8] in _CENTURIES and at + 18 in bounds and is_resident_id(joined[at : at + 18])
        for at in bounds
    ) or any(_is_persons_glued(group) for group in groups)


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


def _holds_sole_trader(folded: str) -> bool:
    return any(_is_code(written.translate(_BETWEEN)) for written in _SOLE_TRADER.findall(folded.upper()))


def _is_code(value: str) -> bool:
    """Tell whether both check characters fit: of the organisation (GB 11714) and of the whole (GB 32100)."""
    total = sum(
        int(character, 36) * weight
        for character, weight in zip(value[8:16], _ORGANISATION_WEIGHTS, strict=True)
    )
    return _ORGANISATION_CHECKS[total % 11] == value[16] and uscc.calc_check_digit(value) == value[17]
