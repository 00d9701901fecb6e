"""What shortens the periods of publicity, what they are of other classes, and what their borders change."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from creditsvc.domain import instants
from creditsvc.domain.catalogue_rule_sets import UNTOLD
from creditsvc.domain.publicity import Publicity, publicity
from creditsvc.domain.standing import evaluate
from creditsvc.domain.views import WHOLE, record_item
from tests.making import CATALOGUE, ENTITY, OTHER_ENTITY, RULES, event
from tests.publicity import (
    CHINA,
    MARKET,
    OTHER,
    PUBLISHED,
    RULE_SETS,
    TICK,
    midnight,
    penalty_of,
    record_of,
)

DECIDED = {"severity": "general", "decided_on": "2026-05-01"}  # by the rule 2026-08-02 and 2027-05-02
WORDS = {
    "shortens": ("2027-01-31", "2026-08-02", "2027-02-01"),
    "shortens by a day": ("2027-04-30", "2026-08-02", "2027-05-01"),
    "says the same": ("2027-05-01", "2026-08-02", "2027-05-02"),
    "does not lengthen": ("2027-05-02", "2026-08-02", "2027-05-02"),
    "does not lengthen for ever": ("2099-12-31", "2026-08-02", "2027-05-02"),
    "ends before the minimum": ("2026-06-30", "2026-07-01", "2026-07-01"),
    "ends before it begins": ("2026-04-01", "2026-05-01", "2026-05-01"),
}


@pytest.mark.parametrize("case", WORDS)
def test_the_word_of_the_agency_may_shorten_and_never_lengthen(case):
    said, repairable, until = WORDS[case]
    record = penalty_of(**DECIDED, public_until=said)
    found = publicity(record, CATALOGUE, CHINA)
    start = midnight("2026-05-01")
    assert found == Publicity(start, midnight(repairable), midnight(until), "ndrc-36-2026")
    assert (
        found.at(start)
        == found.around(start)
        == found.begins_after(start - TICK)
        == (midnight(until) > start)
    )
    assert not found.at(midnight(until))


def test_nothing_makes_public_what_the_rule_does_not():
    found = publicity(penalty_of("minor", "2026-05-01", public_until="2030-01-01"), CATALOGUE, CHINA)
    assert (found.public_from, found.public_until) == (None, None)


def test_other_classes_are_public_from_their_recording():
    licence = event("licence.granted", "L1", valid_until="2027-06-30")
    assert publicity(record_of(licence), CATALOGUE, CHINA) == Publicity(PUBLISHED, rule="always")
    licence = event("licence.granted", "L1", valid_until="2027-06-30", public_until="2027-01-31")
    ended = Publicity(PUBLISHED, None, midnight("2027-02-01"), "always")
    assert publicity(record_of(licence), CATALOGUE, CHINA) == ended
    listed, removed = (
        event("serious.listed", "S1"),
        event("serious.removed", "S1", time="2026-03-06T00:00:00Z"),
    )
    standing = Publicity(PUBLISHED, rule="while-standing")
    assert publicity(record_of(listed), CATALOGUE, CHINA) == standing
    assert publicity(record_of(listed, removed), CATALOGUE, CHINA) == Publicity(rule="while-standing")
    tax = publicity(record_of(event("tax.declared", None)), CATALOGUE, CHINA)
    assert tax == Publicity(rule="not-public")


@pytest.mark.parametrize("kind", ["record.revoked", "record.repaired"])
def test_what_is_withdrawn_has_no_periods(kind):
    reason = {"reason": "r"} if kind == "record.revoked" else {}
    opening = event("penalty.imposed", "P1", **DECIDED)
    assert publicity(record_of(opening, event(kind, "P1", **reason)), CATALOGUE, CHINA) == Publicity()


def test_a_decision_of_a_later_day_is_public_from_that_day():
    record = penalty_of("general", "2027-01-15")
    begins = midnight("2027-01-15")
    seen = [evaluate(record, at, RULES, CHINA) for at in (PUBLISHED, begins - TICK, begins)]
    assert [(one.public, one.begins, one.concerns_public) for one in seen] == [
        (False, True, True),
        (False, True, True),
        (True, False, True),
    ]
    assert [one.next_change for one in seen] == [begins, begins, midnight("2028-01-16")]
    assert [one.public_changed_at for one in seen] == [None, None, begins]


def item_of(record, evaluation):
    return record_item(record, evaluation, WHOLE, RULES.catalogue, CHINA)


def test_that_repair_may_be_applied_for_changes_nothing_that_is_shown():
    record = penalty_of("general", "2026-10-31")
    repairable = midnight("2027-02-01")
    before, after = (evaluate(record, at, RULES, CHINA) for at in (repairable - TICK, repairable))
    assert item_of(record, before) == item_of(record, after)
    assert before.next_change == after.next_change == midnight("2027-11-01")
    assert after.changed_at is None
    assert item_of(record, after)["publicity"] == {
        "public": True,
        "from": "2026-10-30T16:00:00.000000Z",
        "until": "2027-10-31T16:00:00.000000Z",
        "repairable_from": "2027-01-31T16:00:00.000000Z",
        "rule": "ndrc-36-2026",
    }


days = st.dates(date(1900, 1, 1), date(2199, 12, 31)).map(date.isoformat)
near = st.dates(date(2025, 6, 1), date(2026, 4, 30)).map(date.isoformat)
severities = st.sampled_from(["minor", "general", "serious"])
optional = {
    "category": st.sampled_from(["警告", "通报批评", "罚款", "警告,罚款", "吊销许可证件", "，"]),
    "public_until": days,
    "valid_until": days,
    "authority": st.sampled_from([MARKET["authority"], OTHER["authority"]]),
}


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from([ENTITY, OTHER_ENTITY]),
    severities,
    st.one_of(days, near),
    st.fixed_dictionaries({}, optional=optional),
    st.integers(-2_000 * 86_400_000_000, 20_000 * 86_400_000_000).map(lambda n: PUBLISHED + n * TICK),
)
def test_periods_are_in_order_and_boundaries_are_known(entity, severity, day, data, published):
    zone = instants.zone_of(entity)
    record = penalty_of(severity, day, entity, published, **data)
    found = publicity(record, CATALOGUE, zone)
    assert found.rule in {one.name for one in RULE_SETS}
    assert found.repairable_from is not None
    if found.public_from is None:
        assert found.public_until is None
        return
    assert found.public_from <= found.repairable_from <= found.public_until
    rest = {name: value for name, value in data.items() if name != "public_until"}
    without = penalty_of(severity, day, entity, published, **rest)
    longest = publicity(without, CATALOGUE, zone)
    assert longest.public_from == found.public_from
    assert longest.public_until >= found.public_until
    # From boundary to boundary nothing changes, and at the last it is over.
    at, ends = published, []
    while at is not None:
        now = evaluate(record, at, RULES, zone)
        before_next = published if now.next_change is None else now.next_change - TICK
        assert evaluate(record, max(at, before_next), RULES, zone).public == now.public
        ends.append(now.public)
        at = now.next_change
    assert ends[-1] is False


@given(severities, days, st.sampled_from(sorted({word for one in RULE_SETS for word in (one.branch or "",)})))
def test_exactly_one_term_holds(severity, day, branch):
    rules = CATALOGUE.publicity["penalty-term"]
    chosen = rules.rule_set(date.fromisoformat(day), branch or None)
    assert chosen is not None
    for told in ({UNTOLD}, {"other"}, {"warning"}, {"criticism", "fine"}, {"warning", "other"}):
        assert chosen.term(severity, frozenset(told)) is not None
