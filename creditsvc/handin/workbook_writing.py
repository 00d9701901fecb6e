"""Tables as .xlsx, by openpyxl; with nothing in them that tells when they were written."""

import io
import re
import zipfile
from collections.abc import Sequence
from typing import Final

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.comments import Comment
from openpyxl.styles import Alignment, Font
from openpyxl.utils import get_column_letter
from openpyxl.worksheet._write_only import WriteOnlyWorksheet
from openpyxl.worksheet.datavalidation import DataValidation

from creditsvc.handin.bounds import ROWS_MAX
from creditsvc.handin.writing import Table
from creditsvc.loading.formulas import neutral

_AS_TEXT: Final = "@"
_WIDTH_MAX: Final = 40
_ILLEGAL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")  # in XML 1.0
_WRITTEN_AT: Final = re.compile(rb"<dcterms:(created|modified)[^>]*>[^<]*</dcterms:\1>")
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


def xlsx(tables: Sequence[Table]) -> bytes:
    """Write a workbook; the same tables give the same bytes, whenever."""
    book = Workbook(write_only=True)
    book.properties.creator = ""
    for table in tables:
        _fill(book.create_sheet(table.title), table)
    file = io.BytesIO()
    book.save(file)
    return _timeless(file.getvalue())


def _fill(sheet: WriteOnlyWorksheet, table: Table) -> None:
    sheet.freeze_panes = "A2"
    for place, header in enumerate(table.header, 1):
        width = min(_WIDTH_MAX, 4 + 2 * len(header))
        sheet.column_dimensions[get_column_letter(place)].width = width
    sheet.append([_heading(sheet, table, place) for place in range(len(table.header))])
    for place, words in table.choices.items():
        letter = get_column_letter(place + 1)
        choice = DataValidation("list", formula1=f'"{",".join(words)}"', allow_blank=True)
        choice.add(f"{letter}2:{letter}{ROWS_MAX + 1}")
        sheet.data_validations.append(choice)
    for row in table.rows:
        sheet.append([_cell(sheet, neutral(text)) for text in row])


def _heading(sheet: WriteOnlyWorksheet, table: Table, place: int) -> WriteOnlyCell:
    cell = _cell(sheet, neutral(table.header[place]))
    cell.font = Font(bold=True)
    if place < len(table.notes):
        cell.comment = Comment(table.notes[place], "", height=120, width=260)
    return cell


def _cell(sheet: WriteOnlyWorksheet, text: str) -> WriteOnlyCell:
    cell = WriteOnlyCell(sheet, _ILLEGAL.sub("", text))
    cell.data_type = "s"  # whatever it begins with
    cell.number_format = _AS_TEXT  # codes and numbers of documents keep their digits
    if "\n" in text:  # alone, for setting it takes longer than all else
        cell.alignment = Alignment(wrap_text=True, vertical="top")
    return cell


def _timeless(content: bytes) -> bytes:
    """Pack again without the time of writing."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(packed, "w") as fresh:
        for part in archive.infolist():
            data = archive.read(part)
            if part.filename == "docProps/core.xml":
                data = _WRITTEN_AT.sub(b"", data)
            fresh.writestr(zipfile.ZipInfo(part.filename, _EPOCH), data, zipfile.ZIP_DEFLATED)
    return packed.getvalue()
