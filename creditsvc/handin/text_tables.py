"""A .csv as spreadsheets save it: UTF-8 with or without its mark, or GB18030; commas, semicolons or tabs."""

import csv
import io
from collections.abc import Callable, Iterator
from typing import Final

from creditsvc.handin import bounds
from creditsvc.handin.bounds import unreadable
from creditsvc.handin.workbook import Line, Tab
from creditsvc.loading.formulas import neutral

_DELIMITERS: Final = ",\t;"
_LINES_TRIED: Final = 15


def tab(content: bytes, resemblance: Callable[[list[str]], int]) -> Tab:
    """Read a .csv; of the delimiters that one is taken with which a line looks most like a header."""
    text = _decoded(content)

    def likeness(delimiter: str) -> int:
        lines = _lines(text, delimiter)
        return max(
            (
                resemblance(line[: bounds.COLUMNS_MAX])
                for line, _ in zip(lines, range(_LINES_TRIED), strict=False)
            ),
            default=0,
        )

    delimiter = max(_DELIMITERS, key=likeness)
    return Tab("", _numbered(_lines(text, delimiter)))


def _decoded(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in content:
        raise unreadable("encoding")
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise unreadable("encoding")


def _lines(text: str, delimiter: str) -> Iterator[list[str]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    number = 0
    while True:
        number += 1
        try:
            line = next(reader, None)
        except csv.Error:  # a quotation mark that nothing closes
            raise unreadable("quotation", row=number) from None
        if line is None:
            return
        yield line


def _numbered(lines: Iterator[list[str]]) -> Iterator[Line]:
    for number, line in enumerate(lines, 1):
        cells = {column: _unmarked(cell) for column, cell in enumerate(line) if cell}
        yield Line(number, hidden=False, cells=cells)


def _unmarked(cell: str) -> str:
    """Take away the mark that keeps a spreadsheet from taking a cell for a formula, as `neutral` puts it."""
    return cell[1:] if cell.startswith("'") and neutral(cell[1:]) == cell else cell
