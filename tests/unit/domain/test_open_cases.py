"""Which clocks run in the cases of a record, made by hand, and when they are over."""

from dataclasses import replace
from datetime import timedelta

import pytest

from creditsvc.domain.cases import Case
from creditsvc.domain.catalogue_procedures import Clock
from creditsvc.domain.open_cases import open_cases
from creditsvc.ledger.calendars import kept
from tests.making import OTHER_SOURCE, RULES, SOURCE
from tests.publicity import CHINA, midnight, penalty_of

WITH_CALENDAR = replace(RULES, calendars=kept())
OPENED = midnight("2026-09-29") + timedelta(hours=10)
LATER = midnight("2026-09-30") + timedelta(hours=10)


def case(kind, state, **given):
    made = Case(
        kind=kind,
        number="C1",
        by="urn:entity:x",
        handler=SOURCE,
        state=state,
        ground=None,
        opened_at=OPENED,
        routed_at=OPENED,
        since=OPENED,
        handled=frozenset({SOURCE}),
    )
    return replace(made, **given)


def clocks(*cases, rules=WITH_CALENDAR):
    record = replace(penalty_of("general", "2026-01-05"), cases=cases)
    return list(open_cases(record, rules, CHINA))


@pytest.mark.parametrize(
    ("one", "step", "awaits", "over"),
    [
        # 30 September, then 8, 9 and Saturday 10 October are worked; the next is Monday the 12th.
        (case("objection", "opened"), "decide", "agency", "2026-10-13"),
        (case("objection", "appealed", appealed_at=LATER, since=LATER), "decide", "agency", "2026-10-14"),
        (case("objection", "upheld", since=LATER), "remedy", "agency", "2026-10-04"),
        (case("objection", "refused", since=LATER), "appeal", "applicant", "2026-10-31"),
        (case("repair", "applied"), "accept", "agency", "2026-10-10"),
        (case("repair", "accepted", since=LATER), "decide", "agency", "2026-10-16"),
        (case("repair", "accepted", since=LATER, extended=True), "decide", "agency", "2026-10-30"),
    ],
    ids=lambda one: f"{one.state} {one.extended}" if isinstance(one, Case) else str(one),
)
def test_the_step_that_is_due_and_the_end_of_its_last_day(one, step, awaits, over):
    (found,) = clocks(one)
    assert (found.step, found.awaits, found.due.at) == (step, awaits, midnight(over))
    assert found.due.certain
    assert (found.number, found.handler, found.opened_by) == ("C1", SOURCE, "urn:entity:x")


@pytest.mark.parametrize(
    "over",
    [
        case("objection", "closed"),
        case("objection", "withdrawn"),
        case("objection", "upheld", remedied=True),
        case("objection", "refused", appealed_at=LATER),
        case("repair", "granted"),
        case("repair", "denied"),
        case("repair", "refused"),
        case("repair", "withdrawn"),
    ],
    ids=lambda one: f"{one.kind} {one.state}",
)
def test_a_case_that_is_over_has_no_clock(over):
    assert clocks(over) == []


def test_what_another_agency_upheld_is_for_the_holder_of_the_record_to_put_right():
    referred = case("objection", "accepted", handler=OTHER_SOURCE, handled=frozenset({SOURCE, OTHER_SOURCE}))
    assert [one.handler for one in clocks(referred)] == [OTHER_SOURCE]
    (found,) = clocks(replace(referred, state="upheld", since=LATER))
    assert (found.step, found.handler) == ("remedy", SOURCE)


def test_without_a_calendar_it_is_monday_to_friday_and_uncertain():
    working, plain = case("objection", "opened"), case("objection", "upheld", number="C2")
    first, second = clocks(working, plain, rules=RULES)
    assert (first.due.at, first.due.certain, first.calendar) == (midnight("2026-10-07"), False, ())
    assert (second.due.at, second.due.certain, second.calendar) == (midnight("2026-10-03"), True, ())
    assert second.clock == Clock(3, "days")


def test_the_edition_is_told_only_where_the_calendar_matters():
    working, plain = clocks(case("objection", "opened"), case("objection", "upheld", number="C2"))
    assert (bool(working.calendar), plain.calendar) == (True, ())
