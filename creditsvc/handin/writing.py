"""Sheets that are given out: as .xlsx or as .csv, with nothing in them that a spreadsheet would calculate."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from creditsvc.loading.formulas import neutral

Format = Literal["xlsx", "csv"]
FORMATS: tuple[Format, ...] = get_args(Format)
MEDIA_TYPES: Final[Mapping[Format, str]] = {
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv; charset=utf-8",
}


@dataclass(frozen=True, slots=True)
class Table:
    """A tab to be written: a header with its comments, rows, and by column the words to choose from."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    choices: Mapping[int, Sequence[str]] = field(default_factory=dict)


def written(tables: Sequence[Table], form: Format) -> bytes:
    """Write tables, a .csv only the first. The same tables give the same bytes, whenever."""
    if form == "csv":
        return _csv(tables[0])
    from creditsvc.handin import workbook_writing  # noqa: PLC0415  a tenth of a worker's start, for a rare need

    return workbook_writing.xlsx(tables)


def _csv(table: Table) -> bytes:
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerows([neutral(text) for text in row] for row in (table.header, *table.rows))
    return b"\xef\xbb\xbf" + file.getvalue().encode()  # the mark by which Excel knows UTF-8
