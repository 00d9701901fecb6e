"""When clocks are over: by the working days of China as they are laid down for 2026, and by none."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditsvc.domain.catalogue_procedures import Clock
from creditsvc.domain.workdays import UNKNOWN, Calendar, Due, due
from creditsvc.ledger.calendars import CHINA as CHINA_KEY
from creditsvc.ledger.calendars import calendar_of, kept
from tests.publicity import CHINA, FRANCE, TICK, midnight

# 国办发明电〔2025〕7号, written out: (first day off, last day off), and the weekends worked for them.
OFF_2026 = [
    ("2026-01-01", "2026-01-03"),
    ("2026-02-15", "2026-02-23"),
    ("2026-04-04", "2026-04-06"),
    ("2026-05-01", "2026-05-05"),
    ("2026-06-19", "2026-06-21"),
    ("2026-09-25", "2026-09-27"),
    ("2026-10-01", "2026-10-07"),
]
WORKED_2026 = ["2026-01-04", "2026-02-14", "2026-02-28", "2026-05-09", "2026-09-20", "2026-10-10"]
YEAR = [date(2026, 1, 1) + timedelta(days=n) for n in range(365)]
KEPT = kept()[CHINA_KEY]


def working(days):
    return Clock(days, "working-days")


def noon(day, zone=CHINA):
    return midnight(day, zone) + timedelta(hours=12)


def is_off(day):
    return any(date.fromisoformat(first) <= day <= date.fromisoformat(last) for first, last in OFF_2026)


def test_the_kept_calendar_is_that_of_2026_to_the_day():
    worked = {date.fromisoformat(day) for day in WORKED_2026}
    for day in YEAR:
        assert KEPT.works(day) == (day in worked or (day.weekday() < 5 and not is_off(day))), day
    assert (KEPT.known_from, KEPT.known_until) <= (date(2004, 1, 1), KEPT.known_until)
    assert KEPT.known_until >= date(2026, 12, 25)
    assert KEPT.edition >= (1, 11)


@pytest.mark.parametrize(
    ("since", "days", "over"),
    [
        ("2026-09-29", 3, "2026-10-10"),  # 30 September, then 8 and 9 October: over with the 9th
        ("2026-09-30", 1, "2026-10-09"),
        ("2026-10-08", 2, "2026-10-11"),  # Saturday the 10th is worked
        ("2026-10-09", 2, "2026-10-13"),  # and Sunday the 11th is not
        ("2026-10-03", 1, "2026-10-09"),  # begun in the holiday
        ("2026-02-13", 1, "2026-02-15"),  # the Saturday before Spring Festival
        ("2026-02-13", 3, "2026-02-26"),
        ("2026-02-14", 4, "2026-02-28"),
        ("2026-02-14", 5, "2026-03-01"),  # the Saturday after it
        ("2026-05-08", 1, "2026-05-10"),
        ("2026-09-18", 7, "2026-09-30"),  # Sunday the 20th worked, 25 to 27 off
        ("2025-12-31", 1, "2026-01-05"),  # over New Year: Sunday the 4th is worked
        ("2026-03-02", 20, "2026-03-31"),
    ],
)
def test_clocks_by_the_real_holidays(since, days, over):
    assert due(noon(since), working(days), CHINA, KEPT) == Due(midnight(over), certain=True)


@pytest.mark.parametrize("counted", ["working-days", "days"])
def test_the_day_on_which_it_starts_ends_at_midnight_where_the_authorities_are(counted):
    clock = Clock(1, counted)
    start, end = midnight("2026-03-04"), midnight("2026-03-05")
    assert due(start, clock, CHINA, KEPT).at == midnight("2026-03-06")
    assert due(end - TICK, clock, CHINA, KEPT).at == midnight("2026-03-06")
    assert due(end, clock, CHINA, KEPT).at == midnight("2026-03-07")
    assert due(end.astimezone(UTC), clock, CHINA, KEPT).at == midnight("2026-03-07")
    assert due(end, clock, FRANCE).at == midnight("2026-03-06", FRANCE)


def test_days_as_they_come_count_holidays_and_are_always_certain():
    clock = Clock(30, "days")
    for calendar in (KEPT, UNKNOWN):
        assert due(noon("2026-01-28"), clock, CHINA, calendar) == Due(midnight("2026-02-28"), certain=True)
    assert due(noon("2099-12-31"), Clock(1, "days"), CHINA, KEPT).certain


def test_a_day_is_as_long_as_it_is_where_clocks_are_put_forward():
    for clock in (Clock(3, "days"), working(1)):
        found = due(datetime(2026, 3, 27, 12, tzinfo=FRANCE), clock, FRANCE)
        assert found.at == datetime(2026, 3, 31, tzinfo=FRANCE)


@pytest.mark.parametrize(
    ("since", "certain"), [("2026-12-22", True), ("2026-12-23", False), ("2027-01-05", False)]
)
def test_what_is_not_laid_down_yet_is_monday_to_friday_and_not_certain(since, certain):
    upto = Calendar(KEPT.known_from, date(2026, 12, 25), KEPT.off, KEPT.worked, (1,))
    found = due(noon(since), working(2), CHINA, upto)
    assert found.certain == certain
    assert found.at == due(noon(since), working(2), CHINA).at


def test_no_calendar_is_never_certain():
    assert due(noon("2026-10-01"), working(1), CHINA) == Due(midnight("2026-10-03"), certain=False)


def test_days_before_the_calendar_are_not_certain_either():
    assert not due(midnight("2003-12-29"), working(2), CHINA, KEPT).certain
    assert due(midnight("2003-12-31"), working(2), CHINA, KEPT).certain


def naive(since, days, zone, calendar):
    """Say it once more, instant by instant of local noon, without the code that is tested."""
    day = since.astimezone(zone).date()
    known = counted = 0
    passed = 0
    while counted < days:
        day = date.fromordinal(day.toordinal() + 1)
        passed += 1
        inside = calendar.known_from <= day < calendar.known_until
        known += inside
        weekend = day.isoweekday() in {6, 7}
        if inside:
            weekend = day in calendar.off or (weekend and day not in calendar.worked)
        counted += not weekend
    after = date.fromordinal(day.toordinal() + 1)
    return Due(datetime(after.year, after.month, after.day, tzinfo=zone), certain=known == passed)


DAYS = st.dates(date(2024, 1, 1), date(2027, 12, 31))
CALENDARS = st.builds(
    lambda days, off, worked: Calendar(
        min(days), max(days), frozenset(off), frozenset(day for day in worked if day.weekday() > 4) - off
    ),
    st.tuples(DAYS, DAYS),
    st.sets(DAYS, max_size=60),
    st.sets(DAYS, max_size=60),
)


@given(
    since=st.datetimes(datetime(2024, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
    days=st.integers(1, 60),
    zone=st.sampled_from([CHINA, FRANCE, ZoneInfo("America/New_York"), ZoneInfo("America/Sao_Paulo")]),
    calendar=CALENDARS | st.just(KEPT) | st.just(UNKNOWN),
)
def test_as_a_naive_count_of_days_has_it(since, days, zone, calendar):
    assert due(since, working(days), zone, calendar) == naive(since, days, zone, calendar)


@given(
    since=st.datetimes(datetime(2025, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
    days=st.integers(1, 30),
    more=st.sets(DAYS, max_size=30),
)
def test_what_is_certain_stays_when_another_year_is_laid_down(since, days, more):
    upto = Calendar(date(2025, 1, 1), date(2026, 12, 25), KEPT.off, KEPT.worked)
    later = frozenset(day for day in more if day >= upto.known_until)
    grown = Calendar(date(2025, 1, 1), date(2027, 12, 25), KEPT.off | later, KEPT.worked)
    found = due(since, working(days), CHINA, upto)
    if found.certain:
        assert due(since, working(days), CHINA, grown) == found


def test_a_calendar_is_known_until_the_days_that_the_next_new_year_may_move():
    made = calendar_of(frozenset({date(2025, 1, 1), date(2027, 10, 1)}), frozenset(), "1.12.0rc1")
    assert (made.known_from, made.known_until) == (date(2025, 1, 1), date(2027, 12, 25))
    assert made.edition == (1, 12, 0, 1)
    # The days before a New Year that it ever moved: none is earlier.
    moved = {day for day in KEPT.worked | KEPT.off if day.month == 12 and day >= date(2004, 12, 1)}
    assert moved
    assert all(day.day >= 25 for day in moved)
