"""`creditsvc sheet` without a service: what is checked, told and written."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from creditsvc.cli import main
from creditsvc.handin import columns
from creditsvc.handin.columns import KIND_NAMES
from creditsvc.handin.reading import read
from creditsvc.handin.writing import FORMATS
from tests.sheets import DIRT, PERSON, RESIDENT_ID, SOURCE, dirty, penalties
from tests.sheets import FORMATS as MADE

ROOT = Path(__file__).parents[3]


def call(*arguments):
    return CliRunner().invoke(main, ["sheet", *map(str, arguments)])


@pytest.mark.parametrize("form", FORMATS)
def test_a_dirty_sheet_is_told_row_by_row(form, tmp_path):
    path = tmp_path / f"sheet.{form}"
    path.write_bytes(dirty(form))
    rejected = tmp_path / f"rejected.{form}"
    done = call("check", path, "--kind", "penalty", "--source", SOURCE, "--rejected", rejected)
    assert done.exit_code == 1
    faults = sum(len(found) for _, found in DIRT.values()) + 2  # the row that stands twice, the signature
    assert len(done.stdout.splitlines()) == faults
    assert "dropped unread: 法定代表人." in done.stderr
    wrong = sum(bool(found) for _, found in DIRT.values()) + 2
    assert f"{wrong} rejected" in done.stderr
    assert RESIDENT_ID not in done.output
    assert PERSON not in done.output
    assert len(read(rejected.read_bytes(), rejected.name, "penalty").rows) == wrong


def test_a_clean_sheet_is_told_to_be_ready(tmp_path):
    path = tmp_path / "sheet.xlsx"
    path.write_bytes(MADE["xlsx"](penalties({})))
    done = call("check", path, "--kind", "penalty", "--source", SOURCE)
    assert (done.exit_code, done.stderr) == (0, "1 row: 1 ready, 0 rejected\n")


@pytest.mark.parametrize("kind", KIND_NAMES)
@pytest.mark.parametrize("form", FORMATS)
def test_a_template_is_written(kind, form, tmp_path):
    path = tmp_path / f"template.{form}"
    assert call("template", path, "--kind", kind, "--language", "zh").exit_code == 0
    assert read(path.read_bytes(), path.name, kind).headers


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--send"], "needs a key"),
        (["--rejected", "x.xls"], "ends in .xlsx or .csv"),
        (["--rejected", "{path}"], "would be overwritten"),
        (["--kind", "honour"], "honour"),
    ],
)
def test_a_wrong_call_is_told_before_anything_is_done(arguments, said, tmp_path, monkeypatch):
    monkeypatch.delenv("CREDITSVC_KEY", raising=False)
    path = tmp_path / "sheet.csv"
    path.write_bytes(dirty("csv"))
    given = [one.format(path=path) for one in arguments]
    done = call("check", path, "--kind", "penalty", "--source", SOURCE, *given)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr


def test_what_cannot_be_read_is_told_in_the_language_asked_for(tmp_path):
    path = tmp_path / "sheet.csv"
    path.write_bytes(b"a,b\n1,2\n")
    done = call("check", path, "--kind", "penalty", "--source", SOURCE, "--language", "zh")
    assert done.exit_code == 1
    assert "没有找到表头" in done.stderr


def test_the_document_for_agencies_has_every_column():
    text = (ROOT / "docs/sheets.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.+?) \| (.+?) \| (required)? ?\| (.+) \|$", text, re.MULTILINE)
    expected = [
        (column.title.zh, column.title.en, "required" if key in kind.required else "", column.note.en)
        for kind in map(columns.kind, KIND_NAMES)
        for key, column in kind.columns.items()
    ]
    assert [row for row in rows if row in expected] == expected
