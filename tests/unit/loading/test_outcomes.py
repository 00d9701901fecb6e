"""What a load writes down, and how it goes on from it."""

import csv

import pytest

from creditsvc.errors import Violation
from creditsvc.loading.outcomes import Report, Standing, StateFile, Tally


def test_standing_comes_back_as_it_was_kept(tmp_path):
    state = StateFile(tmp_path / "s")
    standing = Standing("load", Tally(1, 2, 3, 4), 99)
    state.write(standing)
    assert state.read() == standing
    assert standing.tally.rows == 10
    state.remove()
    state.remove()
    assert state.read() is None


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b'{"load": "x", "tally": {"odd": 1}, "report_bytes": 0}']
)
def test_state_file_of_something_else_is_no_standing(tmp_path, content):
    (tmp_path / "s").write_bytes(content)
    assert StateFile(tmp_path / "s").read() is None


def test_report_goes_on_where_it_was_kept_and_drops_what_came_after(tmp_path):
    path = tmp_path / "r.csv"
    fault = Violation("/data/x", "missing", 'said, with "marks"')
    report = Report(path, 0)
    report.add([(1, ())])
    assert not path.exists()
    report.add([(2, (fault, fault)), (3, ())])
    kept = report.length
    report.add([(4, (fault,))])
    Report(path, kept).add([(5, (fault,))])
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert [row[0] for row in rows] == ["row", "2", "2", "5"]
    assert rows[1] == ["2", fault.pointer, fault.code, fault.detail]
    Report(path, 0)
    assert not path.exists(), "a new load has no rejected rows yet"


@pytest.mark.parametrize(
    ("told", "written"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(1)", "'@SUM(1)"),
        ("\t=1", "'\ufffd=1"),
        ("\r=1", "'\ufffd=1"),
        ("a\x1b[2J\nb", "a\ufffd[2J\ufffdb"),
        ("缺少 a=b", "缺少 a=b"),
        ("", ""),
    ],
)
def test_report_holds_neither_formulas_nor_control_characters(tmp_path, told, written):
    Report(tmp_path / "r.csv", 0).add([(1, (Violation(told, told, told),))])
    with (tmp_path / "r.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file))[1] == ["1", written, written, written]
