"""A score taken apart goes by what stands at an instant, and says when time alone changes it."""

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from creditsvc.domain import instants
from creditsvc.domain.standing import facts
from tests.scores import CATALOGUE, ZONE, at, record, score, seen


def starts(day):
    return instants.start_of(date.fromisoformat(day), ZONE)


def test_a_model_is_told_codes_counts_and_findings_and_never_a_text():
    one = record(
        "penalty.imposed",
        ("objection.opened", {"objection": "O1"}),
        severity="serious",
        facts="text",
        entity_name="name",
        amount={"value": "5", "currency": "CNY"},
        note="note",
    )
    assert facts(one, "standing", CATALOGUE) == {
        "class": "penalty",
        "type": "credit.penalty.imposed",
        "state": "standing",
        "objected": "yes",
        "severity": "serious",
    }


@pytest.mark.parametrize("end", ["record.revoked", "record.repaired"])
def test_what_is_withdrawn_is_not_seen(end):
    assert seen(record("penalty.imposed", (end, {}), severity="serious")) is None


def test_what_expires_holds_to_the_end_of_its_last_day():
    honour = record("honour.granted", on="2026-01-01", valid_until="2026-06-30")
    before = score("credit-baseline", honour, on="2026-06-30")
    assert before.until == starts("2026-07-01")
    assert [share.contribution.points for share in before.explanation.shares] == [20]
    after = score("credit-baseline", honour, on="2026-07-01")
    assert after.explanation.shares == ()
    assert after.explanation.score.grade == "unrated"


def test_the_first_of_all_changes_is_told():
    honour = record("honour.granted", on="2026-01-01", valid_until="2027-06-30")
    penalty = record("penalty.imposed", on="2025-03-05", severity="minor")
    assert score("credit-baseline", honour, penalty, on="2026-02-01").until == starts("2026-03-06")
    assert score("credit-baseline", honour, penalty, on="2026-03-06").until == starts("2027-01-02")
    assert score("credit-baseline", honour, penalty, on="2027-04-01").until == starts("2027-07-01")
    assert score("credit-baseline", record("abnormal.listed")).until is None


dated = st.integers(0, 1500).map(lambda n: (date(2023, 1, 1) + timedelta(days=n)).isoformat())
cases = st.one_of(
    st.builds(
        lambda on, to: ("honour.granted", {"on": on, "valid_until": to}),
        dated,
        dated,
    ),
    st.builds(
        lambda on, severity: ("penalty.imposed", {"on": on, "severity": severity}),
        dated,
        st.sampled_from(["minor", "general", "serious"]),
    ),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(cases, max_size=4), dated, st.integers(0, 1500))
def test_until_then_nothing_changes(found, on, later):
    records = [record(kind, **data) for kind, data in found]
    now = score("credit-baseline", *records, on=on)
    then = date.fromisoformat(on) + timedelta(days=later)
    if now.until is not None:
        assert now.until > at(on)
        then = min(then, now.until.astimezone(ZONE).date() - timedelta(days=1))
    again = score("credit-baseline", *records, on=then)
    assert (again.explanation.score, again.until) == (now.explanation.score, now.until)
    assert again.explanation.shares == now.explanation.shares
