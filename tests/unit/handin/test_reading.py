"""Files as agencies have them: what is read, and what is refused with what to do."""

import io
import time
import zipfile
from datetime import date, datetime

import pytest
from openpyxl import Workbook

from creditsvc.errors import SheetUnreadable
from creditsvc.handin import bounds
from creditsvc.handin.bounds import told
from creditsvc.handin.columns import Kind
from creditsvc.handin.reading import read
from tests.sheets import FORMATS, HEADERS, TITLES, as_csv, as_xlsx, dirty, licences, penalties

ONE = penalties({})
VALUES = {key: text for key, text in zip(HEADERS, ONE[1], strict=True) if text}


def values(content, name="sheet", kind="penalty"):
    return [dict(row.values) for row in read(content, name, kind).rows]


def refusal(content, name="sheet", kind="penalty"):
    with pytest.raises(SheetUnreadable) as caught:
        read(content, name, kind)
    for language in ("zh", "en"):
        assert told(caught.value, language)
    assert caught.value.detail == told(caught.value, "en")
    return caught.value.code


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "gbk"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_csv_is_read_in_its_encoding_and_with_its_delimiter(encoding, delimiter):
    assert values(as_csv(ONE, encoding, delimiter)) == [VALUES]


def test_an_xlsx_is_read():
    assert values(as_xlsx(ONE)) == [VALUES]


@pytest.mark.parametrize("form", FORMATS)
def test_titles_above_and_empty_rows_between_are_passed_over(form):
    grid = [*TITLES, ONE[0], [], [None, " ", "　"], ONE[1], []]
    (row,) = read(FORMATS[form](grid), "sheet", "penalty").rows
    assert (row.number, dict(row.values)) == (7, VALUES)


def test_hidden_rows_are_read_and_counted_if_they_hold_something():
    sheet = read(as_xlsx([*ONE, [], ONE[1]], hidden=[2, 3]), "sheet.xlsx", "penalty")
    assert (len(sheet.rows), sheet.hidden_rows) == (2, 1)


def test_the_tab_with_the_header_is_found_among_others_and_hidden_tabs_are_not_read():
    book = Workbook()
    book.active.append(["说明", "请先阅读"])
    hidden, shown = book.create_sheet("旧"), book.create_sheet("行政处罚")
    hidden.sheet_state = "hidden"
    for tab, grid in ((hidden, penalties({}, {})), (shown, ONE)):
        for row in grid:
            tab.append(row)
    file = io.BytesIO()
    book.save(file)
    sheet = read(file.getvalue(), "book.xlsx", "penalty")
    assert (sheet.tab, len(sheet.rows)) == ("行政处罚", 1)


def test_cells_of_a_spreadsheet_are_read_as_what_is_stored():
    cells = {
        "fine": 0.1 + 0.2,
        "confiscated": 1e-7,
        "decided_on": date(2026, 3, 5),
        "public_until": datetime(2027, 3, 5, 8, 30),  # noqa: DTZ001  as Excel has it
        "penalty_no": 202600123,
        "subject_code": 110000400000624123,
        "note": True,
    }
    assert values(as_xlsx(penalties(cells))) == [
        VALUES
        | {
            "fine": "0.3",
            "confiscated": "0.0000001",
            "decided_on": "2026-03-05",
            "public_until": "2027-03-05 08:30:00",
            "penalty_no": "202600123",
            "subject_code": "1.10000400000624E+17",  # what a spreadsheet made of a code: told, not guessed
            "note": "TRUE",
        }
    ]


def test_a_formula_is_not_evaluated():
    book = Workbook()
    for row in ONE:
        book.active.append(row)
    book.active["S2"] = '=HYPERLINK("http://example.org","x")'
    file = io.BytesIO()
    book.save(file)
    assert values(file.getvalue())[0]["note"] == "#FORMULA!"
    stored = repacked(file.getvalue(), "xl/worksheets/sheet1.xml", b"<v></v>", b"<v>7</v>")
    assert values(stored)[0]["note"] == "7"


def repacked(content, part, before, after):
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(packed, "w") as fresh:
        for name in archive.namelist():
            data = archive.read(name)
            if name == part:
                assert before in data
                data = data.replace(before, after)
            fresh.writestr(name, data, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("content", "name", "code"),
    [
        (b"", "a.csv", "empty"),
        (b"\xef\xbb\xbf \r\n", "a.csv", "empty"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 and more", "a.xls", "old-format"),
        (b"%PDF-1.7", "a.pdf", "other-format"),
        (b"<html><table>", "a.xls", "other-format"),
        (b"no archive", "a.xlsx", "other-format"),
        (b"PK\x03\x04 no archive", "a.xlsx", "broken"),
        ("行政相对人名称,备注\n".encode("utf-16"), "a.csv", "encoding"),
        (b"\x81\xff\xff", "a.csv", "encoding"),
        (b"a,b,c\n1,2,3\n", "a.csv", "no-header"),
        (lambda: as_csv(ONE[:1]), "a.csv", "no-rows"),
        (lambda: as_csv([["a"]] * 30 + ONE), "a.csv", "no-header"),
        (lambda: as_csv(licences({})), "a.csv", "other-kind"),
        (lambda: as_xlsx(licences({})), "a.xlsx", "other-kind"),
        (b'"' + b"x" * 200_000, "a.csv", "quotation"),
        (b"x" * (bounds.SHEET_MAX_BYTES + 1), "a.csv", "too-large"),
        (lambda: as_csv([*ONE, [*ONE[1], *[""] * 200, "x"]]), "a.csv", "columns"),
        (lambda: as_csv([*ONE, *[ONE[1]] * bounds.ROWS_MAX]), "a.csv", "rows"),
        (lambda: as_csv([*ONE, ["长" * 40_000]]), "a.csv", "cell"),
        (lambda: as_csv(penalties(*[{"facts": "长" * 30_000}] * 250), "gb18030"), "a.csv", "too-large"),
        (lambda: as_xlsx(penalties(*[{"facts": "长" * 30_000}] * 250)), "a.xlsx", "text"),
        (lambda: as_csv([*ONE, *[[]] * bounds.ROWS_LOOKED_AT_MAX, ONE[1]]), "a.csv", "empty-rows"),
    ],
    ids=lambda value: value if isinstance(value, str) and value[1:2] != "." else None,
)
def test_what_cannot_be_read_is_refused_with_what_to_do(content, name, code):
    assert refusal(content() if callable(content) else content, name) == code


def archive(compression=zipfile.ZIP_DEFLATED, /, **parts):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as packed:
        for name, content in parts.items():
            packed.writestr(name, content)
    return file.getvalue()


WORKBOOK = {
    "_rels/.rels": '<R><Relationship Type="x/officeDocument" Target="xl/workbook.xml"/></R>',
    "xl/_rels/workbook.xml.rels": (
        '<Relationships><Relationship Id="r1" Type="x/worksheet" Target="/xl/sheet.xml"/>'
        '<Relationship Id="r2" Type="x/sharedStrings" Target="strings.xml"/></Relationships>'
    ),
    "xl/workbook.xml": '<workbook xmlns:r="r"><sheets><sheet name="a" r:id="r1"/></sheets></workbook>',
    "xl/sheet.xml": "<worksheet/>",
    "xl/strings.xml": "<sst/>",
}
LAUGHS = (
    '<!DOCTYPE lolz [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]><worksheet>&c;</worksheet>'
)
OUTSIDE = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><sst><si><t>&e;</t></si></sst>'

# Each is sound XML, of which the parser reads all that came before again with every piece that comes.
LONG = "9" * (bounds.TOKEN_MAX_BYTES + 2**17)
ENDLESS = (
    f'<row r="{LONG}"/></worksheet>',
    f"<!--{LONG}--></worksheet>",
    f"<?a {LONG}?></worksheet>",
    f"<a{LONG}/></worksheet>",
)


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ({"a.txt": "x"}, "no-workbook"),
        (WORKBOOK, "no-header"),
        (WORKBOOK | {"xl/workbook.xml": "<workbook>"}, "broken"),
        (WORKBOOK | {"xl/_rels/workbook.xml.rels": "<R/>"}, "empty"),
        (WORKBOOK | {"xl/sheet.xml": LAUGHS}, "declaration"),
        (WORKBOOK | {"xl/strings.xml": OUTSIDE}, "declaration"),
        (WORKBOOK | {"xl/sheet.xml": LAUGHS.encode("utf-16")}, "declaration"),
        (WORKBOOK | {"xl/sheet.xml": f'<?xml version="1.0" encoding="cp037"?>{LAUGHS}'}, "declaration"),
        (
            WORKBOOK | {"xl/sheet.xml": f"<worksheet>{' ' * (bounds.INFLATED_MAX_BYTES + 1)}</worksheet>"},
            "inflated",
        ),
        (WORKBOOK | {"xl/strings.xml": f"<sst>{'<si/>' * bounds.ELEMENTS_MAX}</sst>"}, "cells"),
        (
            WORKBOOK
            | {"xl/sheet.xml": f"<worksheet>{'<row/>' * (bounds.ROWS_LOOKED_AT_MAX + 1)}</worksheet>"},
            "empty-rows",
        ),
        *((WORKBOOK | {"xl/sheet.xml": f"<worksheet>{token}"}, "broken") for token in ENDLESS),
        (WORKBOOK | {f"x/{number}": "" for number in range(bounds.PARTS_MAX)}, "parts"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_bombs_and_entities_are_refused_soon(parts, code):
    content = archive(**parts)
    began = time.process_time()
    assert refusal(content, "a.xlsx") == code
    assert time.process_time() - began < 20  # it is a second or two; a machine under load is slower


@pytest.mark.parametrize(
    ("compression", "code"),
    [
        (zipfile.ZIP_STORED, "no-header"),
        (zipfile.ZIP_DEFLATED, "no-header"),
        (zipfile.ZIP_BZIP2, "broken"),
        (zipfile.ZIP_LZMA, "broken"),
    ],
)
def test_a_compression_that_no_spreadsheet_has_is_not_unpacked(compression, code):
    assert refusal(archive(compression, **WORKBOOK), "a.xlsx") == code


def test_text_of_any_length_between_marks_is_no_endless_one():
    parts = WORKBOOK | {"xl/sheet.xml": f"<worksheet>{LONG}<![CDATA[{LONG}]]></worksheet>"}
    assert refusal(archive(**parts), "a.xlsx") == "no-header"


@pytest.mark.parametrize("cell", ["", " ", "x"])
def test_of_a_row_wider_than_any_sheet_few_cells_are_looked_at(cell, monkeypatch):
    asked, key_of = [], Kind.key_of

    def counted(kind, header):
        asked.append(header)
        return key_of(kind, header)

    monkeypatch.setattr(Kind, "key_of", counted)
    wide = [cell] * 20_000
    code = "columns" if cell == "x" else "no-rows"
    assert refusal(as_csv([ONE[0], *[wide] * 3]), "a.csv") == code
    assert len(asked) < 20 * bounds.COLUMNS_MAX


def test_what_else_is_in_an_archive_is_not_unpacked():
    content = io.BytesIO(dirty("xlsx"))
    with zipfile.ZipFile(content, "a", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("xl/media/image1.png", bytes(4 * bounds.INFLATED_MAX_BYTES))
        packed.writestr("xl/vbaProject.bin", b"macro")
    assert len(content.getvalue()) < bounds.SHEET_MAX_BYTES
    assert read(content.getvalue(), "a.xlsx", "penalty").rows


def test_strange_but_sound_xml_is_read():
    cells = "".join(
        f'<c t="inlineStr"><is><r><t>{text[:2]}</t></r><rPh><t>读音</t></rPh>'
        f"<r><t>{text[2:]}_x000D__xD800_</t></r></is></c>"
        for text in HEADERS.values()
    )
    row = "".join(f'<c r="{chr(65 + place)}9" t="s"><v>{place}</v></c>' for place in range(len(ONE[1])))
    strings = "".join(f"<si><t>{text}</t></si>" for text in ONE[1])
    parts = WORKBOOK | {
        "xl/sheet.xml": f'<m:worksheet xmlns:m="m"><row>{cells}</row><row r="9">{row}</row></m:worksheet>',
        "xl/strings.xml": f"<sst>{strings}</sst>",
    }
    (read_row,) = read(archive(**parts), "a.xlsx", "penalty").rows
    assert (read_row.number, dict(read_row.values)) == (9, VALUES)


def test_a_sheet_in_memory_shows_nobody():
    sheet = read(dirty("xlsx"), "a.xlsx", "penalty")
    assert "张三丰" not in repr(sheet)
