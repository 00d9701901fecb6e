"""What a row that is ready was understood to say, and where that is not how it is written."""

from datetime import UTC, datetime

import pytest

from creditsvc.domain import catalogue
from creditsvc.handin.checking import check
from creditsvc.handin.reading import read
from creditsvc.handin.understanding import Understood, understood
from tests.sheets import SOURCE, as_csv, penalties

RULES = catalogue.load()
CLEAN = {"confiscated": "", "suspended": "", "valid_until": "", "public_until": "", "note": "", "fine": ""}


def of(**changes: str) -> Understood:
    content = as_csv(penalties(CLEAN | changes))
    checked = check(read(content, ".csv", "penalty"), SOURCE, datetime(2026, 11, 23, tzinfo=UTC), RULES)
    (row,) = checked.ready
    return understood(row, checked, RULES)


def test_a_row_in_short():
    row = of()
    assert (row.number, row.day, row.name) == (2, "2026-03-05", "示例餐饮管理有限公司")
    assert (row.code, row.document) == ("91350100M00010217R", "榕示市监罚〔2026〕1号")
    assert (row.notes, row.cleaned) == ((), False)


@pytest.mark.parametrize(
    ("column", "written", "code", "said", "cleaned"),
    [
        ("fine", "5", "amount", "50,000.00", False),
        ("fine", "５００元", "money", "500.00", True),
        ("fine", "1,234.5", "money", "12,345,000.00", True),
        ("note", "— —", "nothing", "", False),
        ("valid_until", "长期", "no-end", "", False),
        ("decided_on", "2026年3月5日", "day", "2026-03-05", True),
        ("public_until", "2027/3/5", "day", "2027-03-05", True),
        ("subject_code", "9135 0100 M000 1021 7r", "code", "91350100M00010217R", True),
        ("penalty_no", "榕示〔2026〕\n9号", "line", "榕示〔2026〕9号", True),
    ],
)
def test_what_is_read_otherwise_than_it_is_written_is_told(column, written, code, said, cleaned):
    row = of(**{column: written})
    (note,) = row.notes
    assert (note.column, note.code, note.written, note.read) == (column, code, written, said)
    assert row.cleaned == cleaned


def test_a_long_text_is_shown_in_part():
    (note,) = of(penalty_no="长" * 50 + "\n" + "长" * 50).notes
    assert len(note.written) == len(note.read) == 61
