"""The tabs of an .xlsx, row by row, every cell as text: what is stored, never what a formula would give."""

import lzma
import posixpath
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from io import BytesIO
from typing import IO, Final

from creditsvc.handin import bounds
from creditsvc.handin.bounds import unreadable
from creditsvc.handin.markup import (
    Allowance,
    Attributes,
    Part,
    Relations,
    Strings,
    Styles,
    Workbook,
    feed,
    unescaped,
)

UNCOMPUTED: Final = "#FORMULA!"
"""What stands for a formula whose value was never stored."""

_CHUNK_BYTES: Final = 64 * 1024
_REFERENCE: Final = re.compile("([A-Z]{1,3})[0-9]{1,7}")
# All that programs write into an .xlsx, and all of which the library unpacks no more than it is asked for.
_COMPRESSIONS: Final = frozenset((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
# What a hostile archive makes the library raise, beside what it documents.
_BROKEN: Final = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,  # a compression that is not known
    RuntimeError,  # a part under a password
    OSError,
    ValueError,
    OverflowError,
    struct.error,
)


@dataclass(frozen=True, slots=True)
class Line:
    """A row as it lies in a tab: its number from 1, whether it is hidden, its cells by column from 0."""

    number: int
    hidden: bool
    cells: dict[int, str]


@dataclass(frozen=True, slots=True)
class Tab:
    """One sheet of a file; its lines can be read once."""

    name: str
    lines: Iterator[Line]


def tabs(content: bytes) -> Iterator[Tab]:
    """Read the visible tabs of an .xlsx; ``SheetUnreadable`` for what is none, broken or too much."""
    with _archive_faults():
        archive = zipfile.ZipFile(BytesIO(content))
        if len(archive.infolist()) > bounds.PARTS_MAX:
            raise unreadable("parts", limit=bounds.PARTS_MAX)
    opened = _Package(archive)
    for name, path in opened.sheets():
        yield Tab(name, opened.lines(path))


@contextmanager
def _archive_faults() -> Iterator[None]:
    try:
        yield
    except _BROKEN:
        raise unreadable("broken") from None


class _Package:
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._allowance = Allowance()
        self._strings = Strings()
        self._styles = Styles()
        self._from_1904 = False

    def sheets(self) -> list[tuple[str, str]]:
        """Read what all tabs share, and give the names and the parts of those that are visible."""
        roots, relations, workbook = Relations(), Relations(), Workbook()
        self._take("_rels/.rels", roots)
        path = _resolved("", roots.by_type.get("officeDocument", "xl/workbook.xml"))
        folder, name = posixpath.split(path)
        if not self._take(path, workbook):
            raise unreadable("no-workbook")
        self._take(posixpath.join(folder, "_rels", f"{name}.rels"), relations)
        for kind, part in (("sharedStrings", self._strings), ("styles", self._styles)):
            if kind in relations.by_type:
                self._take(_resolved(folder, relations.by_type[kind]), part)
        self._from_1904 = workbook.from_1904
        return [
            (tab, _resolved(folder, relations.by_id[key]))
            for tab, key in workbook.sheets[: bounds.TABS_MAX]
            if key in relations.by_id
        ]

    def lines(self, path: str) -> Iterator[Line]:
        cells = _Cells(self._strings.strings, self._styles.dates, from_1904=self._from_1904)
        for _ in feed(self._chunks(path), cells, self._allowance):
            yield from cells.lines
            cells.lines.clear()

    def _take(self, path: str, part: Part) -> bool:
        found = False
        for _ in feed(self._chunks(path), part, self._allowance) if self._has(path) else ():
            found = True
        return found

    def _has(self, path: str) -> bool:
        return path in self._archive.NameToInfo

    def _chunks(self, path: str) -> Iterator[bytes]:
        if not self._has(path):
            return
        if self._archive.NameToInfo[path].compress_type not in _COMPRESSIONS:
            raise unreadable("broken")
        with _archive_faults():
            file = self._archive.open(path)
        with file:
            while chunk := self._chunk(file):
                self._allowance.spend(len(chunk))
                yield chunk

    def _chunk(self, file: IO[bytes]) -> bytes:
        with _archive_faults():
            return file.read(_CHUNK_BYTES)


def _resolved(folder: str, target: str) -> str:
    return posixpath.normpath(posixpath.join("/", folder, target))[1:]


class _Cells:
    """A worksheet."""

    def __init__(self, strings: list[str], dates: list[bool], *, from_1904: bool) -> None:
        self.lines: list[Line] = []
        self._strings, self._dates = strings, dates
        self._first_day = datetime(1904, 1, 1) if from_1904 else datetime(1899, 12, 30)  # noqa: DTZ001  local
        self._line = Line(0, hidden=False, cells={})
        self._column = -1
        self._cell: Attributes = {}
        self._pieces: list[str] = []
        self._taken = self._spoken = self._formula = False

    def start(self, name: str, attributes: Attributes) -> None:
        if name == "row":
            self._begin_row(attributes)
        elif name == "c":
            self._begin_cell(attributes)
        elif name == "rPh":
            self._spoken = True
        elif name in {"v", "t"}:
            self._taken = not self._spoken
        elif name == "f":
            self._formula = True

    def end(self, name: str) -> None:
        if name == "row":
            self.lines.append(self._line)
        elif name == "c":
            self._end_cell()
        elif name == "rPh":
            self._spoken = False
        elif name in {"v", "t"}:
            self._taken = False

    def text(self, data: str) -> None:
        if self._taken:
            self._pieces.append(data)

    def _begin_row(self, attributes: Attributes) -> None:
        written = attributes.get("r", "")
        number = int(written) if written.isdecimal() and len(written) <= 7 else 0
        number = max(number, self._line.number + 1)  # so that it names one row, whatever is written
        self._line = Line(number, attributes.get("hidden") in {"1", "true"}, {})
        self._column = -1

    def _begin_cell(self, attributes: Attributes) -> None:
        reference = _REFERENCE.fullmatch(attributes.get("r", ""))
        self._column = _column(reference[1]) if reference else self._column + 1
        self._cell, self._pieces, self._formula = attributes, [], False

    def _end_cell(self) -> None:
        stored = "".join(self._pieces)
        if stored or self._formula:
            self._line.cells[self._column] = self._shown(stored) if stored else UNCOMPUTED

    def _shown(self, stored: str) -> str:
        match self._cell.get("t", "n"):
            case "s":
                index = int(stored) if stored.isdecimal() and len(stored) <= 7 else -1
                return self._strings[index] if 0 <= index < len(self._strings) else ""
            case "n":
                return self._number(stored)
            case "b":
                return "TRUE" if stored == "1" else "FALSE"
            case "d":
                return stored.partition("T")[0]
        return unescaped(stored)

    def _number(self, stored: str) -> str:
        style = self._cell.get("s", "")
        styled = int(style) if style.isdecimal() and len(style) <= 6 else 0
        try:
            number = Decimal(stored) if len(stored) <= 40 else Decimal("NaN")
            if styled < len(self._dates) and self._dates[styled] and 1 <= number < 3_000_000:
                return self._day(number)
        except (InvalidOperation, OverflowError):
            return stored
        return shown_number(number) if number.is_finite() else stored

    def _day(self, number: Decimal) -> str:
        instant = self._first_day + timedelta(days=int(number), seconds=round(number % 1 * 86_400))
        return instant.date().isoformat() if instant.time() == datetime.min.time() else instant.isoformat(" ")


def shown_number(number: Decimal) -> str:
    """Write a number as a spreadsheet shows it, to 15 digits; one with more has lost them, and shows that."""
    digits = f"{number:.15g}"
    if "e" not in digits:
        return digits.rstrip("0").rstrip(".") if "." in digits else digits
    exponent = int(digits.partition("e")[2])
    return f"{Decimal(digits):f}" if -12 <= exponent < 15 else f"{Decimal(digits):.14E}"


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = 26 * number + ord(letter) - 64
    return number - 1
