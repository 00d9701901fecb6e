"""What a cell says: a code, a day, an amount, a word of a list, in all the ways in which people write it."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from creditsvc.domain import identifiers, persons
from creditsvc.domain.catalogue import Catalogue
from creditsvc.domain.identifiers import mistyped
from creditsvc.errors import IdentifierInvalid, NaturalPerson
from creditsvc.handin import columns
from creditsvc.handin.reasons import CellUnfit
from creditsvc.handin.workbook import UNCOMPUTED
from creditsvc.loading import conversions
from creditsvc.loading.templates import Unfit

MASK: Final = "***"
"""What stands in a sheet that is given back for what may be a person's."""

_NOTHING: Final = re.compile(r"[-\u2010-\u2015\u2212－﹣_/／\\、.。·…*~～|\s]+")
_NOTHING_WORDS: Final = frozenset(
    (
        "无",
        "暂无",
        "空",
        "没有",
        "不适用",
        "未填",
        "n/a",
        "na",
        "null",
        "none",
        "nil",
        "nan",
        "not applicable",
    )
)
_ERRORS: Final = frozenset(
    ("#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#SPILL!", "#CALC!", "#GETTING_DATA")
)
_LOST: Final = re.compile(r"[0-9](\.[0-9]+)?E\+?[0-9]{2}")
_HASHES: Final = re.compile("#+")
_BREAK: Final = re.compile(r"[ \t]*\n\s*")

_SEPARATORS: Final = re.compile(r"[\s./\u00ad\u200b-\u200d\u2010-\u2015\u2060\u2212\ufeff-]")
_CODE_LIKE: Final = re.compile("[0-9A-Z]{15,20}")
_HAN: Final = re.compile("[\u3400-\u9fff]")

_DAY_FORMATS: Final = (
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%Y年%m月%d日",
    "%Y年%m月%d号",
    "%Y年%m月%d",
    "%Y%m%d",
)
_CLOCK: Final = re.compile(r"[ T][0-9]{1,2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?(Z|[+-][0-9]{2}:?[0-9]{2})?$")
_DAY_SHAPE: Final = re.compile(r"[0-9]{4}([-/.年])[0-9]{1,2}[-/.月][0-9]{1,2}[日号]?|[0-9]{8}")
_YEAR_LAST: Final = re.compile(r"[0-9]{1,2}[-/.年][0-9]{1,2}[-/.月][0-9]{1,4}[日号]?")
_FIRST_YEAR: Final = 1949  # an earlier day is a number that a spreadsheet took for a date
_NO_END_YEAR: Final = 2099
_NO_END: Final = frozenset(
    (
        "长期",
        "长期有效",
        "长期公示",
        "永久",
        "永久有效",
        "永久公示",
        "无期限",
        "无固定期限",
        "无限期",
        "不限",
        "permanent",
    )
)
_ONES: Final = "一二三四五六七八九"
_NUMERALS: Final = str.maketrans("〇○零一二三四五六七八九", "000123456789")
# Months and days in words: 一 to 三十一.
_TENS: Final = ("", "十", "二十", "三十")
_NUMBERS: Final = {
    f"{tens}{ones}": 10 * ten + one
    for ten, tens in enumerate(_TENS)
    for one, ones in enumerate(("", *_ONES))
    if ten or one
}
_WORDED_DAY: Final = re.compile(f"([〇○零{_ONES}]{{4}})年([{_ONES}十]{{1,3}})月([{_ONES}十]{{1,3}})[日号]")

_CURRENCY: Final = re.compile("^(人民币|RMB|CNY|[¥￥])|(人民币|RMB|CNY|整)$", re.IGNORECASE)
UNITS: Final = {"亿元": 10**8, "万元": 10**4, "万": 10**4, "元": 1}
_AMOUNT: Final = re.compile(r"([0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(\.[0-9]+)?(亿元|万元|万|元)?")
_AMOUNT_WORDS: Final = re.compile("[零一二三四五六七八九十百千万亿壹贰叁肆伍陆柒捌玖拾佰仟元圆角分整正两]+")
_DECIMALS_MAX: Final = 4  # of yuan, as the catalogue has it

_ORGANISATIONS: Final = (
    "非自然人",
    "法人",
    "组织",
    "企业",
    "单位",
    "机关",
    "organisation",
    "organization",
    "legal",
)
_PEOPLE: Final = ("自然人", "个体", "个人", "公民", "natural", "sole", "individual", "person")


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell that holds something, under which header."""

    text: str
    header: str
    catalogue: Catalogue


def is_nothing(text: str) -> bool:
    """Tell whether a cell is how people write that there is nothing: ``— —``, ``/``, ``无``."""
    return text != MASK and (_NOTHING.fullmatch(text) is not None or text.casefold() in _NOTHING_WORDS)


def converted(holds: str, cell: Cell) -> str | None:
    """Give what a cell of a column says; None for nothing, such as no end. ``Unfit`` says why it cannot."""
    if cell.text == MASK:
        raise CellUnfit("masked")
    if cell.text == UNCOMPUTED:
        raise CellUnfit("formula")
    if cell.text.upper() in _ERRORS or _HASHES.fullmatch(cell.text):
        raise CellUnfit("cell-error")
    return _CONVERSIONS[holds](cell)


def plain(text: str) -> str:
    """Make full-width letters, digits and signs plain ones."""
    return unicodedata.normalize("NFKC", text)


def code_of(text: str) -> str:
    """Write a code without what people put between its groups."""
    return _SEPARATORS.sub("", plain(text)).upper()


def is_organisation(code: str) -> bool:
    """Tell whether a cell holds a code that an organisation can have."""
    try:
        identifiers.parse(f"uscc:{code_of(code)[:40]}")
    except (IdentifierInvalid, NaturalPerson):
        return False
    return True


def names_people(text: str) -> bool:
    """Tell whether a kind of subject is one of natural persons."""
    kind = plain(text).casefold()
    return not any(word in kind for word in _ORGANISATIONS) and any(word in kind for word in _PEOPLE)


def _text(cell: Cell) -> str:
    return cell.text


def _line(cell: Cell) -> str:
    if _LOST.fullmatch(cell.text):
        raise CellUnfit("digits-lost")
    return _BREAK.sub("", cell.text).replace("\t", " ")


def _code(cell: Cell) -> str:
    code = code_of(cell.text)
    if _LOST.fullmatch(plain(cell.text)):
        raise CellUnfit("digits-lost")
    if _DAY_SHAPE.fullmatch(plain(cell.text)):
        raise CellUnfit("date-here")
    if _HAN.search(code):
        raise CellUnfit("text-here")
    if persons.resembles_resident_id(code):
        raise CellUnfit("natural-person")
    try:
        return identifiers.parse(f"uscc:{code[:40]}").partition(":")[2]
    except NaturalPerson:
        raise CellUnfit("natural-person") from None
    except IdentifierInvalid:
        pass
    try:
        raise _mistyped(code)
    except NaturalPerson:
        raise CellUnfit("natural-person") from None


def _mistyped(code: str) -> CellUnfit:
    """Say what is wrong with a code, and which character where that can be told."""
    if len(code) in {13, 15} and code.isdigit():
        return CellUnfit("registration-number")
    if re.fullmatch("[0-9A-Z]{8}[0-9X]", code):
        return CellUnfit("organisation-code")
    if len(code) != mistyped.USCC_LENGTH:
        return CellUnfit("code-length", count=len(code))
    typed = mistyped.read(code)
    slip = _slip(code, typed.meant[0].partition(":")[2]) if len(typed.meant) == 1 else None
    return slip or CellUnfit(
        f"code-{typed.fault or 'place'}", first=typed.first or 1, last=typed.last or len(code)
    )


def _slip(code: str, meant: str) -> CellUnfit | None:
    """Say where a code differs from the only one that is a single mistake away; None for more than a slip."""
    places = [place for place, pair in enumerate(zip(code, meant, strict=True), 1) if pair[0] != pair[1]]
    if len(places) == 1:
        return CellUnfit("code-slip", place=places[0], fitting=meant[places[0] - 1])
    if len(places) == 2 and places[1] - places[0] == 1:
        return CellUnfit("code-swapped", place=places[0], next=places[1])
    return None


def _day(cell: Cell) -> str:
    written = _CLOCK.sub("", plain(cell.text).strip()).replace(" ", "")
    if worded := _WORDED_DAY.fullmatch(written):
        month, day = _NUMBERS.get(worded[2], 0), _NUMBERS.get(worded[3], 0)
        written = f"{worded[1].translate(_NUMERALS)}-{month}-{day}"
    if not _DAY_SHAPE.fullmatch(written):
        raise _no_day(written)
    try:
        read = str(conversions.date_in(_DAY_FORMATS)(written))
    except Unfit:
        raise CellUnfit("no-such-day") from None
    if int(read[:4]) < _FIRST_YEAR:
        raise CellUnfit("day-too-early", year=_FIRST_YEAR)
    return read


def _no_day(written: str) -> CellUnfit:
    if _CODE_LIKE.fullmatch(written.upper()):
        return CellUnfit("code-here")
    if _YEAR_LAST.fullmatch(written):
        return CellUnfit("year-first")
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", written):
        return CellUnfit("bare-number")
    return CellUnfit("not-a-date")


def _end(cell: Cell) -> str | None:
    if plain(cell.text).casefold() in _NO_END:
        return None
    if re.match("9999|2[1-9][0-9]{2}", plain(cell.text)):  # beyond what a day here may be
        return None
    day = _day(cell)
    return None if int(day[:4]) >= _NO_END_YEAR else day


def is_marked_amount(text: str) -> bool:
    """Tell whether a cell shows that it is an amount: by commas, decimals, a unit or a currency."""
    written = _without_blanks(text)
    bare = _without_currency(written)
    amount = _AMOUNT.fullmatch(bare.removeprefix("+"))
    return amount is not None and (bare != written or "," in amount[1] or any(amount.groups()[1:]))


def _without_blanks(text: str) -> str:
    return re.sub(r"\s", "", plain(text))


def _without_currency(written: str) -> str:
    return _CURRENCY.sub("", _CURRENCY.sub("", written))


def _money(cell: Cell) -> str:
    written = _without_currency(_without_blanks(cell.text))
    if written.startswith("-"):
        raise CellUnfit("negative")
    amount = _AMOUNT.fullmatch(written.removeprefix("+"))
    if amount is None:
        raise CellUnfit("money-in-words" if _AMOUNT_WORDS.fullmatch(written) else "not-a-number")
    scale = UNITS[amount[3]] if amount[3] else scale_of(cell.header)
    figures = amount[1].replace(",", "") + (amount[2] or "")
    try:
        yuan = str(conversions.scaled(Decimal(scale))(figures))
    except Unfit:
        raise CellUnfit("not-a-number") from None
    if len(yuan.partition(".")[2]) > _DECIMALS_MAX:
        raise CellUnfit("money-too-fine")
    return yuan


def scale_of(header: str) -> int:
    """Give what an amount without a unit is counted in: 万元, unless the header says 元."""
    return 1 if columns.in_yuan(header) else 10_000


def _severity(cell: Cell) -> str:
    table: dict[str, conversions.Scalar] = {}
    for value, title in cell.catalogue.fields["severity"].values.items():
        table |= dict.fromkeys((value, title.zh, title.en.casefold()), value)
    written = re.sub(r"\s|失信|违法|行为|程度", "", plain(cell.text)).casefold()
    try:
        return str(conversions.table(table)(written))
    except Unfit:
        raise CellUnfit("severity") from None


def _subject_kind(cell: Cell) -> None:
    kind = plain(cell.text).casefold()
    if names_people(kind):
        raise CellUnfit("natural-person")
    if not any(word in kind for word in _ORGANISATIONS):
        raise CellUnfit("subject-kind")


def _unrecorded(_: Cell) -> None:
    return None


_CONVERSIONS: Final[Mapping[str, Callable[[Cell], str | None]]] = {
    "text": _text,
    "line": _line,
    "code": _code,
    "date": _day,
    "end": _end,
    "money": _money,
    "severity": _severity,
    "subject-kind": _subject_kind,
    "unrecorded": _unrecorded,
}
