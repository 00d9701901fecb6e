"""Every row of every rule set, to the day and the microsecond, in the time zone of the authority."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from creditsvc.domain.publicity import Publicity, publicity
from creditsvc.domain.standing import evaluate
from tests.making import CATALOGUE, OTHER_ENTITY, RULES, event
from tests.publicity import (
    CHINA,
    FRANCE,
    MARKET,
    OTHER,
    PUBLISHED,
    RULE_SETS,
    TICK,
    midnight,
    penalty_of,
    record_of,
)


@dataclass
class Row:
    """A row of a rule set: ``repairable`` and ``until`` are the first days of being so, and not public."""

    rule: str
    severity: str
    day: str
    repairable: str
    until: str | None = None  # never public
    data: dict = field(default_factory=dict)
    since: datetime | None = None  # the start of the day of decision
    term: int = 0  # its place among the terms of the severity


DAY_45, SINCE_45 = "2024-02-29", PUBLISHED
ROWS = {
    # SAMR Order 45: counted from publication, on 2026-11-20 by the calendar of the place.
    "45 minor warning": Row("samr-45-2021", "minor", DAY_45, "", None, {"category": "警告"}, SINCE_45, 0),
    "45 minor untold": Row("samr-45-2021", "minor", DAY_45, "", None, {}, SINCE_45, 0),
    "45 minor criticism": Row(
        "samr-45-2021", "minor", DAY_45, "2027-02-21", "2027-02-21", {"category": "通报批评"}, SINCE_45, 1
    ),
    "45 minor fine": Row(
        "samr-45-2021", "minor", DAY_45, "2027-02-21", "2027-02-21", {"category": "警告；罚款"}, SINCE_45, 2
    ),
    "45 minor other": Row(
        "samr-45-2021", "minor", DAY_45, "2027-02-21", "2027-02-21", {"category": "没收违法所得"}, SINCE_45, 3
    ),
    "45 general warning": Row("samr-45-2021", "general", DAY_45, "", None, {"category": "警告"}, SINCE_45, 0),
    "45 general criticism": Row(
        "samr-45-2021",
        "general",
        DAY_45,
        "2027-02-21",
        "2027-02-21",
        {"category": "通报批评、警告"},
        SINCE_45,
        1,
    ),
    "45 general": Row(
        "samr-45-2021", "general", DAY_45, "2029-11-21", "2029-11-21", {"category": "罚款"}, SINCE_45, 2
    ),
    "45 general untold": Row("samr-45-2021", "general", DAY_45, "2029-11-21", "2029-11-21", {}, SINCE_45, 2),
    "45 serious warning": Row("samr-45-2021", "serious", DAY_45, "", None, {"category": "警告"}, SINCE_45, 0),
    "45 serious criticism": Row(
        "samr-45-2021", "serious", DAY_45, "2027-02-21", "2027-02-21", {"category": "通报批评"}, SINCE_45, 1
    ),
    "45 serious": Row("samr-45-2021", "serious", DAY_45, "2029-11-21", "2029-11-21", {}, SINCE_45, 2),
    "45 serious, a longer real term": Row(
        "samr-45-2021",
        "serious",
        DAY_45,
        "2029-11-21",
        "2034-03-01",
        {"valid_until": "2034-02-28"},
        SINCE_45,
        2,
    ),
    "45 serious, a shorter real term": Row(
        "samr-45-2021",
        "serious",
        DAY_45,
        "2029-11-21",
        "2029-11-21",
        {"valid_until": "2027-02-28"},
        SINCE_45,
        2,
    ),
    "45 serious, a term that only a sheet has": Row(
        "samr-45-2021",
        "serious",
        DAY_45,
        "2029-11-21",
        "2029-11-21",
        {"valid_until": "2099-12-31"},
        SINCE_45,
        2,
    ),
    "45 serious, the last term that is one": Row(
        "samr-45-2021",
        "serious",
        DAY_45,
        "2029-11-21",
        "2099-01-01",
        {"valid_until": "2098-12-31"},
        SINCE_45,
        2,
    ),
    # The State Council office: from here on counted from the decision; a day that the month lacks.
    "sc minor": Row("state-council-2025-22", "minor", "2025-11-30", "2025-11-30", data={"category": "罚款"}),
    "sc general": Row("state-council-2025-22", "general", "2025-11-30", "2026-03-01", "2026-12-01"),
    "sc serious": Row("state-council-2025-22", "serious", "2025-11-30", "2026-12-01", "2028-12-01"),
    "sc market regulation": Row(
        "state-council-2025-22", "general", "2025-11-30", "2026-03-01", "2026-12-01", MARKET
    ),
    # SAMR Order 107.
    "107 minor warning": Row(
        "samr-107-2025", "minor", "2026-03-05", "2026-03-05", None, MARKET | {"category": "警告"}
    ),
    "107 minor untold": Row("samr-107-2025", "minor", "2026-03-05", "2026-03-05", None, MARKET),
    "107 minor": Row(
        "samr-107-2025",
        "minor",
        "2026-11-30",
        "2027-03-01",
        "2027-03-01",
        MARKET | {"category": "罚款"},
        None,
        1,
    ),
    "107 general warning": Row(
        "samr-107-2025", "general", "2026-03-05", "2026-03-05", None, MARKET | {"category": "警告"}
    ),
    "107 general": Row("samr-107-2025", "general", "2026-03-05", "2026-06-06", "2027-03-06", MARKET, None, 1),
    "107 serious warning": Row(
        "samr-107-2025", "serious", "2026-03-05", "2026-03-05", None, MARKET | {"category": " 警告 警告"}
    ),
    "107 serious": Row("samr-107-2025", "serious", "2026-03-05", "2027-03-06", "2029-03-06", MARKET, None, 1),
    # NDRC Order 36.
    "36 minor": Row("ndrc-36-2026", "minor", "2028-02-29", "2028-02-29", data={"category": "罚款"}),
    "36 general": Row("ndrc-36-2026", "general", "2028-02-29", "2028-05-30", "2029-03-01"),
    "36 serious": Row("ndrc-36-2026", "serious", "2028-02-29", "2029-03-01", "2031-03-01", OTHER),
}


@pytest.mark.parametrize("case", ROWS)
def test_a_row_to_the_microsecond(case):
    row = ROWS[case]
    record = penalty_of(row.severity, row.day, **row.data)
    start = row.since or midnight(row.day)
    repairable = midnight(row.repairable) if row.repairable else start
    found = publicity(record, CATALOGUE, CHINA)
    assert (found.rule, found.repairable_from) == (row.rule, repairable)
    if row.until is None:
        assert (found.public_from, found.public_until) == (None, None)
        assert not any(found.at(start + timedelta(days=n)) for n in range(-2000, 2000))
        return
    until = midnight(row.until)
    assert (found.public_from, found.public_until) == (start, until)
    public = [found.at(start - TICK), found.at(start), found.at(until - TICK), found.at(until)]
    assert public == [False, True, True, False]
    for at in (max(start, PUBLISHED), until - TICK, until, until + TICK):
        assert evaluate(record, at, RULES, CHINA).public == (start <= at < until)


def test_the_table_has_every_row_of_the_rule_sets():
    rows = {
        (one.name, severity, place)
        for one in RULE_SETS
        for severity, terms in one.severities.items()
        for place in range(len(terms))
    }
    tested = {(row.rule, row.severity, row.term) for row in ROWS.values()}
    assert tested == rows


FORCE = [
    ("2025-06-21", {}, "samr-45-2021"),
    ("2025-06-22", {}, "state-council-2025-22"),
    ("2025-06-22", MARKET, "state-council-2025-22"),
    ("2025-12-24", MARKET, "state-council-2025-22"),
    ("2025-12-25", MARKET, "samr-107-2025"),
    ("2025-12-25", {}, "state-council-2025-22"),
    ("2025-12-25", OTHER, "state-council-2025-22"),
    ("2026-03-31", OTHER, "state-council-2025-22"),
    ("2026-04-01", OTHER, "ndrc-36-2026"),
    ("2026-03-31", MARKET, "samr-107-2025"),
    ("2026-04-01", MARKET, "samr-107-2025"),
    ("1900-01-01", {}, "samr-45-2021"),
    ("2199-12-31", {}, "ndrc-36-2026"),
]


@pytest.mark.parametrize("severity", ["minor", "general", "serious"])
@pytest.mark.parametrize(("day", "data", "rule"), FORCE)
def test_the_rule_set_is_that_of_the_day_of_decision(severity, day, data, rule):
    assert publicity(penalty_of(severity, day, **data), CATALOGUE, CHINA).rule == rule


@pytest.mark.parametrize(
    ("name", "branch"),
    [
        ("示例市市场监督管理局", True),
        ("示例区市场监管综合行政执法大队", True),
        ("国家市场监督管理总局", True),
        ("示例市市场局", False),
        ("Market Regulation", False),
    ],
)
def test_the_branch_is_told_by_the_name_of_the_authority(name, branch):
    found = publicity(penalty_of("general", "2026-05-01", authority={"name": name}), CATALOGUE, CHINA)
    assert found.rule == ("samr-107-2025" if branch else "ndrc-36-2026")


FRENCH = {
    # The clocks change on 2026-03-29 and on 2026-10-25: a day of 23 hours, a day of 25.
    "into summer": ("general", "2025-12-28", "2026-03-29", "2026-12-29"),
    "the day after": ("general", "2025-12-29", "2026-03-30", "2026-12-30"),
    "out of summer": ("general", "2026-07-24", "2026-10-25", "2027-07-25"),
    "and the day after": ("general", "2026-07-25", "2026-10-26", "2027-07-26"),
    "ends in the other half": ("serious", "2026-03-29", "2027-03-30", "2029-03-30"),
}


@pytest.mark.parametrize("case", FRENCH)
def test_days_are_those_of_the_place_across_a_change_of_clocks(case):
    severity, day, repairable, until = FRENCH[case]
    found = publicity(penalty_of(severity, day, OTHER_ENTITY), CATALOGUE, FRANCE)
    assert found == Publicity(
        midnight(day, FRANCE), midnight(repairable, FRANCE), midnight(until, FRANCE), found.rule
    )
    summer = found.repairable_from.astimezone(FRANCE).dst()
    assert found.repairable_from.utcoffset() == timedelta(0)
    assert found.repairable_from.hour == (22 if summer else 23)


@pytest.mark.parametrize(
    ("published", "until"),
    [
        ("2026-03-28T22:59:59.999999+00:00", "2026-06-29"),  # the 28th in Paris, for a tick more
        ("2026-03-28T23:00:00+00:00", "2026-06-30"),
        ("2026-03-29T21:59:59.999999+00:00", "2026-06-30"),  # a day of 23 hours
        ("2026-03-29T22:00:00+00:00", "2026-07-01"),
    ],
)
def test_the_day_of_publication_is_that_of_the_place(published, until):
    opened = datetime.fromisoformat(published)
    found = publicity(
        penalty_of("minor", "2025-01-01", OTHER_ENTITY, opened, category="罚款"), CATALOGUE, FRANCE
    )
    assert (found.public_from, found.public_until) == (opened, midnight(until, FRANCE))


def test_publication_is_the_recording_of_the_opening_whatever_comes_before_or_after():
    opening = event("penalty.imposed", "P1", severity="minor", decided_on="2025-01-01", category="罚款")
    change = event("record.corrected", "P1", reason="r", changes={"title": "t"})
    assert record_of(opening, change).opened_at == PUBLISHED
    assert record_of(change, opening).opened_at == PUBLISHED + TICK
    assert record_of(change).opened_at is None
    assert publicity(record_of(change), CATALOGUE, CHINA) == Publicity()
    # A tick later it is the next day in Shanghai.
    first, later = (publicity(record_of(*one), CATALOGUE, CHINA) for one in ((opening,), (change, opening)))
    assert (first.public_until, later.public_until) == (midnight("2027-02-21"), midnight("2027-02-22"))
