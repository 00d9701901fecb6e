"""A file that an agency hands in becomes rows of known columns, whatever the file holds.

What stands above the header (titles, who filled it in) is passed over, and so are empty rows. Columns about
people are dropped here, unread: only that they were there is told.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from creditsvc.domain import persons
from creditsvc.errors import SheetUnreadable
from creditsvc.handin import bounds, columns, text_tables, workbook
from creditsvc.handin.bounds import unreadable
from creditsvc.handin.cells import MASK
from creditsvc.handin.columns import KIND_NAMES, Kind, KindName
from creditsvc.handin.workbook import Line, Tab

_ZIP: Final = b"PK\x03\x04"
_OLD_OFFICE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # an .xls, or an .xlsx under a password
_OTHERS: Final = (
    b"%PDF",
    b"<!DOC",
    b"<html",
    b"<HTML",
    b"<?xml",
    b"{\\rtf",
    b"Rar!",
    b"7z\xbc\xaf",
    b"\x1f\x8b",
)
_HEADER_WITHIN_ROWS: Final = 20
_HEADERS_KNOWN_MIN: Final = 3  # a row with fewer is no header
_HEADER_SHOWN_CHARS: Final = 80
_UNKNOWN_SHOWN_CHARS: Final = 30
_LONG_NUMBER: Final = re.compile(r"\d{6,}")  # a part of a person's, of which another header has the rest
# Blanks without width and marks of direction, which come with what is copied from other programs.
_UNSEEN: Final = dict.fromkeys(
    (0xAD, 0xFEFF, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070))
)


@dataclass(frozen=True, slots=True)
class Row:
    """One row under the header: its number as the spreadsheet shows it, and its cells that hold something."""

    number: int
    values: Mapping[str, str] = field(repr=False)  # as people wrote them: a person's data may be among them


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a file holds: which header each taken column has, which columns are not taken, and the rows."""

    kind: KindName
    tab: str
    headers: Mapping[str, str]
    twice: tuple[str, ...]  # columns that two headers name
    personal: tuple[str, ...]  # of each the word by which it was known, for the rest may be a person's name
    unknown: tuple[str, ...]
    hidden_rows: int  # that hold something
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class _Header:
    """Which column of the file is which."""

    keys: Mapping[int, str]
    texts: Mapping[int, str]


def read(content: bytes, name: str, kind_name: KindName) -> Sheet:
    """Read an .xlsx or a .csv; ``name`` is the file's. ``SheetUnreadable`` says why not, and what to do.

    It takes no longer than the bounds allow, and raises nothing else, whatever the bytes are.
    """
    if len(content) > bounds.SHEET_MAX_BYTES:
        raise unreadable("too-large", limit=bounds.SHEET_MAX_BYTES // 2**20)
    kind = columns.kind(kind_name)
    found: SheetUnreadable | None = None
    for tab in _tabs(content, name, kind):
        try:
            return _sheet(tab, kind)
        except SheetUnreadable as refusal:
            if refusal.code not in {"no-header", "other-kind"}:
                raise
            # Another tab may have it; what a tab of the other kind says helps more than that there is none.
            found = refusal if found is None or refusal.code == "other-kind" else found
    raise found or unreadable("empty")


def _tabs(content: bytes, name: str, kind: Kind) -> Iterator[Tab]:
    if not content.strip(b" \r\n\t\0\xef\xbb\xbf"):
        raise unreadable("empty")
    if content.startswith(_OLD_OFFICE):
        raise unreadable("old-format")
    if content.startswith(_ZIP):
        return workbook.tabs(content)
    if content.startswith(_OTHERS) or name.lower().endswith(
        (".xlsx", ".xlsm", ".pdf", ".zip", ".png", ".jpg")
    ):
        raise unreadable("other-format")
    return iter([text_tables.tab(content, lambda cells: _known(cells, kind))])


def _known(cells: Iterable[str], kind: Kind) -> int:
    """Count the columns that are named; of a row wider than any sheet, only the first cells are read."""
    filled = (cell for cell in islice(cells, bounds.COLUMNS_MAX) if cell)
    return len({key for cell in filled if (key := kind.key_of(cell)) is not None})


def _sheet(tab: Tab, kind: Kind) -> Sheet:
    lines = _bounded(tab.lines)
    header = _header(lines, kind)
    keys = header.keys
    rows, hidden, size = list[Row](), 0, 0
    for line in lines:
        values = {keys[place]: text for place, text in line.cells.items() if place in keys}
        if not values:
            continue
        size += sum(map(len, values.values()))
        hidden += line.hidden
        rows.append(Row(line.number, values))
        if len(rows) > bounds.ROWS_MAX:
            raise unreadable("rows", limit=bounds.ROWS_MAX)
        if size > bounds.TEXT_MAX_CHARS:
            raise unreadable("text", limit=bounds.TEXT_MAX_CHARS)
    if not rows:
        raise unreadable("no-rows")
    return _described(tab.name, kind, header, tuple(rows), hidden)


def _described(tab: str, kind: Kind, header: _Header, rows: tuple[Row, ...], hidden: int) -> Sheet:
    named = [key for text in header.texts.values() if (key := kind.key_of(text)) is not None]
    others = [text for text in header.texts.values() if kind.key_of(text) is None]
    personal = {text: word for text in others if (word := columns.personal_word(text)) is not None}
    unknown = (text for text in others if text not in personal and not columns.is_unrecorded(text))
    return Sheet(
        kind=kind.name,
        tab=_shown(tab),
        headers={key: _shown_taken(header.texts[place]) for place, key in header.keys.items()},
        twice=tuple(sorted({key for key in named if named.count(key) > 1})),
        personal=tuple(dict.fromkeys(personal.values())),
        unknown=tuple(map(_shown_unknown, unknown)),
        hidden_rows=hidden,
        rows=rows,
    )


def _bounded(lines: Iterable[Line]) -> Iterator[Line]:
    """Hold the bounds on what is looked at, tidy each cell, and leave empty rows out."""
    for count, line in enumerate(lines, 1):
        if count > bounds.ROWS_LOOKED_AT_MAX:
            raise unreadable("empty-rows", limit=bounds.ROWS_LOOKED_AT_MAX)
        cells = {}
        for place, text in line.cells.items():
            if len(text) > bounds.CELL_MAX_CHARS:
                raise unreadable("cell", row=line.number, limit=bounds.CELL_MAX_CHARS)
            if not (tidied := _tidy(text)):
                continue
            if place >= bounds.COLUMNS_MAX:
                raise unreadable("columns", row=line.number, limit=bounds.COLUMNS_MAX)
            cells[place] = tidied
        if cells:
            yield Line(line.number, line.hidden, cells)


def _tidy(text: str) -> str:
    """Take away what nobody sees: control characters, marks, blanks at the ends. Line breaks within stay."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    if not plain.isprintable():
        plain = "".join(
            one
            for one in plain.translate(_UNSEEN)
            if one in "\n\t" or unicodedata.category(one) not in {"Cc", "Cs"}
        )
    return plain.strip()


def _header(lines: Iterator[Line], kind: Kind) -> _Header:
    """Find the header: the first row that names enough columns. What stands above it is passed over."""
    for _, line in zip(range(_HEADER_WITHIN_ROWS), lines, strict=False):
        found = _known(line.cells.values(), kind)
        for other in KIND_NAMES:
            if other != kind.name and _known(line.cells.values(), columns.kind(other)) > max(found, 2):
                raise unreadable("other-kind")
        if found >= _HEADERS_KNOWN_MIN:
            return _columns_of(line, kind)
    raise unreadable("no-header", rows=_HEADER_WITHIN_ROWS)


def _columns_of(line: Line, kind: Kind) -> _Header:
    keys: dict[int, str] = {}
    for place, text in sorted(line.cells.items()):
        key = kind.key_of(text)
        if key is not None and key not in keys.values():
            keys[place] = key
    return _Header(keys, dict(sorted(line.cells.items())))


def _shown(text: str) -> str:
    """Make a header one that can be shown: short, in one line, and none in which a person's number stands."""
    line = _LONG_NUMBER.sub(MASK, " ".join(text.split())[:_HEADER_SHOWN_CHARS])
    return MASK if persons.find(line) else line


def _shown_taken(text: str) -> str:
    """Make the header of a taken column shown so that it still names it, and what its money is counted in."""
    line = _shown(text)
    return _shown(re.sub(r"\d", "*", text)) if line == MASK else line


def _shown_unknown(text: str) -> str:
    """Make a header shown that may be anything: masked if it is no title, or holds a part of a number."""
    line = _shown(text)
    return MASK if len(line) > _UNKNOWN_SHOWN_CHARS or MASK in line else line
