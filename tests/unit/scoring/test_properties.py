"""What holds for every model and any history: order, repair, adding up, holding until the next change."""

from datetime import date, timedelta
from fractions import Fraction
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring import engine
from scoring.explanation import Known, explain
from tests.scores import CATALOGUE

NAMES = tuple(engine.released())
ON = date(2026, 6, 15)
counts = st.integers(0, 12)
findings = st.lists(
    st.builds(
        lambda code, severity, out: {"code": code, "severity": severity, "out_of_service": out},
        st.sampled_from("abc"),
        st.integers(1, 10),
        st.booleans(),
    ),
    max_size=6,
)
FIELDS = {
    "severity": st.sampled_from(["minor", "general", "serious"]),
    "outcome": st.sampled_from(["excellent", "satisfactory", "needs-improvement", "urgent-correction"]),
    "basic": st.sampled_from(["hours-of-service", "hours-of-service", "vehicle-maintenance"]),
    "encounter": st.sampled_from(["roadworthiness", "traffic"]),
    "indicator": st.sampled_from(["010101", "010106", "direct-d"]),
    "trading": st.sampled_from(["regular", "new", "no-income"]),
    "violations": findings,
}
KINDS = [
    (known.record_class, name, sorted((known.required | known.optional) & CATALOGUE.scoring))
    for name, known in CATALOGUE.types.items()
    if known.role in {"opens", "states"}
]


@st.composite
def facts(draw):
    kind, name, fields = draw(st.sampled_from(KINDS))
    told = {field: draw(FIELDS.get(field, counts)) for field in fields if draw(st.integers(0, 3))}
    states = ["standing"] * 4 + ["expired", "fulfilled", "broken", "ended"]
    return told | {
        "class": kind,
        "type": name,
        "state": draw(st.sampled_from(states)),
        "objected": draw(st.sampled_from(["yes", "no", "no"])),
    }


days = st.integers(-1300, 30).map(lambda n: ON + timedelta(days=n))
leap_days = st.sampled_from([date(2024, 2, 29), date(2025, 2, 28), date(2023, 12, 31), date(2024, 1, 1)])
histories = st.lists(st.tuples(facts(), days | leap_days), max_size=12).map(
    lambda found: [Known(f"R{n}", "urn:a", told, day) for n, (told, day) in enumerate(found)]
)
of_any_model = pytest.mark.parametrize("name", NAMES)


@of_any_model
@settings(max_examples=60, deadline=None)
@given(history=histories, chance=st.randoms(use_true_random=False))
def test_the_order_of_records_does_not_matter(name, history, chance):
    shuffled = list(history)
    chance.shuffle(shuffled)
    model = engine.newest(name)
    assert explain(model, history, ON) == explain(model, shuffled, ON)


@of_any_model
@settings(max_examples=100, deadline=None)
@given(history=histories)
def test_start_shares_and_adjustments_add_up_to_the_score(name, history):
    found = explain(engine.newest(name), history, ON)
    if found.score.value is None:
        assert all(share.worth == 0 for share in found.shares)
        assert found.score.grade == engine.newest(name).unrated
        return
    parts = [found.start, *(share.worth for share in found.shares), *found.adjustments.values()]
    assert sum(parts, start=Fraction(0)) == Fraction(found.score.value)


@of_any_model
@settings(max_examples=80, deadline=None)
@given(history=histories, later=st.integers(1, 1200))
def test_until_the_next_change_that_is_stated_nothing_changes(name, history, later):
    model = engine.newest(name)
    now = explain(model, history, ON)
    then = ON + timedelta(days=later)
    if now.next_change is not None:
        assert now.next_change > ON
        then = min(then, now.next_change - timedelta(days=1))
    again = explain(model, history, then)
    assert (again.score, again.shares, again.next_change) == (now.score, now.shares, now.next_change)


@of_any_model
@settings(max_examples=60, deadline=None)
@given(history=histories)
def test_sums_kept_record_by_record_are_those_of_the_whole(name, history):
    """Each record is added, and taken away and added again later, as a profile that is kept does."""
    model = engine.newest(name)
    signs: tuple[Literal[1, -1], ...] = (1, -1, 1)
    tally = engine.Tally()
    for sign in signs:
        for known in history:
            contribution = model.contribution(known.facts, known.dated, ON)
            if contribution is not None:
                tally.add(contribution, sign)
        if sign == -1:
            assert tally == engine.Tally()
    whole = explain(model, history, ON)
    assert tally.sums == whole.sums
    assert model.total(tally.sums, tally.codes) == whole.score


@of_any_model
@settings(max_examples=60, deadline=None)
@given(history=histories)
def test_a_contribution_holds_until_the_day_it_names(name, history):
    model = engine.newest(name)
    for known in history:
        now = model.contribution(known.facts, known.dated, ON)
        if now is not None and now.until is not None:
            assert model.contribution(known.facts, known.dated, now.until - timedelta(days=1)) == now
            assert model.contribution(known.facts, known.dated, now.until) != now
