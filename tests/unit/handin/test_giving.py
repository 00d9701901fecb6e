"""What agencies are given: templates that come back as they went, and nothing that calculates."""

import io
import json
import re
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from importlib import resources

import pytest
from openpyxl import load_workbook

from creditsvc.domain import catalogue
from creditsvc.handin import columns, giving
from creditsvc.handin.cells import Cell, converted
from creditsvc.handin.checking import check
from creditsvc.handin.columns import KIND_NAMES
from creditsvc.handin.reading import read
from creditsvc.handin.texts import LANGUAGES, texts
from creditsvc.handin.writing import FORMATS
from tests.sheets import HEADERS, SOURCE, as_csv, penalties

NOW = datetime(2026, 11, 23, tzinfo=UTC)
RULES = catalogue.load()


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KIND_NAMES)
def test_a_template_comes_back_as_it_went(kind, language, form):
    content = giving.template(kind, language, form)
    sheet = read(content, f"template.{form}", kind)
    assert sheet.headers == {
        key: column.label(language) for key, column in columns.kind(kind).columns.items()
    }
    assert (sheet.personal, sheet.unknown, sheet.twice) == ((), (), ())
    (example,) = check(sheet, SOURCE, NOW, RULES).rows
    assert [reason.code for reason in example.reasons] == ["example"]
    record = {"penalty": "penalty_no", "licence": "licence_decision_no"}[kind]
    filled = [
        sheet.headers.values(),
        [(dict(sheet.rows[0].values) | {record: "一号"}).get(key) for key in sheet.headers],
    ]
    (row,) = check(read(as_csv(filled), "a.csv", kind), SOURCE, NOW, RULES).rows
    assert row.event is not None, row.reasons


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KIND_NAMES)
def test_a_template_says_what_to_write_in_each_column(kind, language):
    book = load_workbook(io.BytesIO(giving.template(kind, language, "xlsx")))
    first, second = book.worksheets
    known = list(columns.kind(kind).columns.values())
    for cell, column in zip(first[1], known, strict=True):
        assert cell.value == column.label(language)
        assert (column.note.zh if language == "zh" else column.note.en) in cell.comment.text
    assert [row[0] for row in second.iter_rows(2, 1 + len(known), values_only=True)] == [
        one.value for one in first[1]
    ]
    assert {cell.number_format for cell in first[2]} == {"@"}
    offered = {
        str(one.sqref): one.formula1.strip('"').split(",") for one in first.data_validations.dataValidation
    }
    columns_offered = [column for column in known if column.choices]
    assert sorted(offered.values()) == sorted(list(column.choices[language]) for column in columns_offered)
    for column in columns_offered:
        for word in column.choices[language]:
            converted(column.holds, Cell(word, "", RULES))  # raises for a word that is not taken


@pytest.mark.parametrize("form", FORMATS)
def test_a_template_has_no_clock_in_it(form):
    content = giving.template("penalty", "zh", form)
    assert content == giving.template("penalty", "zh", form)
    if form == "xlsx":
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            assert b"20" not in packed.read("docProps/core.xml").partition(b"<dc:creator")[2]
            assert {part.date_time[0] for part in packed.infolist()} == {1980}


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+1+1", "-1", "@SUM(1)", "＝1+1"])
@pytest.mark.parametrize("form", FORMATS)
def test_a_formula_is_written_as_text(text, form):
    rows = penalties({"note": text, "severity": "很重", "fine": "x"})
    content = giving.rejected(check(read(as_csv(rows), "a.csv", "penalty"), SOURCE, NOW, RULES), "zh", form)
    if form == "csv":
        assert f",'{text}\r\n" in content.decode()
    else:
        sheet = load_workbook(io.BytesIO(content)).worksheets[0]
        assert [cell.data_type for cell in sheet[2] if cell.value == f"'{text}"] == ["s"]
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            assert b"<f>" not in packed.read("xl/worksheets/sheet1.xml")


def test_an_error_of_a_spreadsheet_is_written_as_text():
    rows = penalties({"authority": "#N/A"})
    content = giving.rejected(check(read(as_csv(rows), "a.csv", "penalty"), SOURCE, NOW, RULES), "zh", "xlsx")
    sheet = load_workbook(io.BytesIO(content)).worksheets[0]
    assert [cell.data_type for cell in sheet[2] if cell.value == "#N/A"] == ["s"]


def test_a_header_is_no_formula_either():
    rows = penalties({"severity": "很重"}, headers=HEADERS | {"severity": "=失信严重程度"})
    checked = check(read(as_csv(rows), "a.csv", "penalty"), SOURCE, NOW, RULES)
    assert ",'=失信严重程度" in giving.rejected(checked, "zh", "csv").decode()


def test_the_reasons_stand_with_the_row():
    rows = penalties({"severity": "很重", "decided_on": "x"})
    content = giving.rejected(check(read(as_csv(rows), "a.csv", "penalty"), SOURCE, NOW, RULES), "en", "xlsx")
    sheet = load_workbook(io.BytesIO(content)).worksheets[0]
    assert [cell.value for cell in sheet[1]][:4] == ["Row", "Reasons", "What to do", "行政相对人名称"]
    row, reasons, remedies = (cell.value for cell in sheet[2][:3])
    assert row == "2"
    assert reasons == (
        "Date of the decision: This is not a date.\n"
        "Severity: The severity is Minor, General or Serious (轻微, 一般, 严重)."
    )
    assert remedies == "Write it as 2026-03-05.\nWrite one of the three."


def test_no_server_and_no_database_is_behind_it():
    told = "import sys, creditsvc.handin.giving; print({'aiohttp', 'asyncpg'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_both_languages_say_the_same_things():
    zh, en = (texts(language) for language in ("zh", "en"))
    assert zh.keys() == en.keys()
    for key in zh:
        assert sorted(set(re.findall(r"\{(\w+)\}", zh[key]))) == sorted(
            set(re.findall(r"\{(\w+)\}", en[key]))
        ), key
        assert re.search("[\u4e00-\u9fff]", zh[key]) or key == "reason.joined", key


def test_every_code_has_its_texts_and_every_text_its_code():
    source = "".join(
        path.read_text(encoding="utf-8")
        for path in resources.files("creditsvc.handin").iterdir()
        if path.name.endswith(".py")
    )
    given = set(re.findall(r'"([a-z]+(?:-[a-z]+)*)"', source)) | {
        "future",
        "too-long",
        "format",
        "record-exists",
        "record-erased",
    }
    given |= {f"code-{fault}" for fault in ("character", "region", "head", "place", "length")}
    told = {key.split(".")[1] for key in texts("zh") if key.startswith(("row.", "sheet."))}
    assert told - given == {"refused"}  # whatever else ingest may say
    raised = set(re.findall(r'(?:CellUnfit|unreadable)\("([a-z-]+)"', source))
    raised |= set(re.findall(r'Reason\([^"()]*"([a-z-]+)"', source))
    assert raised - told == set()


def test_every_column_is_described_in_both_languages():
    data = json.loads((resources.files("creditsvc.handin") / "columns.json").read_text(encoding="utf-8"))
    used = {key for kind in KIND_NAMES for key in columns.kind(kind).columns}
    assert used == data["columns"].keys()
    for name in KIND_NAMES:
        kind = columns.kind(name)
        assert kind.required <= kind.columns.keys()
        assert kind.example.keys() <= kind.columns.keys()
        labels = [column.label(language) for column in kind.columns.values() for language in LANGUAGES]
        assert len({*labels}) == len(labels)
        assert not any(columns.personal_word(label) for label in labels)
