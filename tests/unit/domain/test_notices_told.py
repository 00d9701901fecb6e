"""Notices are a function of the events and the rules: when and how often a record is folded changes none."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from creditsvc.domain import instants
from creditsvc.domain.account import account_at
from creditsvc.domain.naming import UNNAMED
from creditsvc.domain.notices import BEGAN, ENDED, EXPIRED, RETIRED, STEPPED, TICK, told_until
from scoring.exact import written
from tests.making import ENTITY, OTHER_SOURCE, RULES, SOURCE, event
from tests.notices import BEFORE, DUE, FAR, START, Kept, correction, penalty, short, with_release


def honour(record):
    return event("honour.granted", record, decided_on="2027-05-01")


# Of a transaction that starts right before midnight, each event is recorded a microsecond later.
OVER_MIDNIGHT = {
    "opened before, settled after": ([(DUE - TICK, [penalty(), honour("H1"), honour("H2")])], 2),
    "opened before, settled at": ([(DUE - TICK, [penalty(), honour("H1")])], 2),
    "opened at": ([(DUE, [penalty(), honour("H1")])], 0),
    "brought forth by a correction at it": (
        [(BEFORE, [penalty(decided_on="2026-07-01")]), (DUE, [correction(decided_on="2026-05-31")])],
        2,
    ),
    "brought forth by a correction before it": (
        [
            (BEFORE, [penalty(decided_on="2026-07-01")]),
            (DUE - TICK, [correction(decided_on="2026-05-31"), honour("H1"), honour("H2")]),
        ],
        2,
    ),
    "of a record that no event of it names": (
        [(BEFORE, [penalty()]), (DUE - TICK, [honour("H1"), honour("H2"), honour("H3")])],
        2,
    ),
    "beside a record that an event of it names": (
        [
            (BEFORE, [penalty(), event("licence.granted", "L1", valid_until="2027-05-31")]),
            (
                DUE - TICK,
                [
                    event("record.corrected", "L1", reason="r", changes={"title": "t"}),
                    honour("H1"),
                    honour("H2"),
                ],
            ),
        ],
        3,
    ),
    "withdrawn within it": (
        [(BEFORE, [penalty()]), (DUE - TICK, [event("record.revoked", "P1", reason="r"), honour("H1")])],
        0,
    ),
    "withdrawn after it": (
        [
            (BEFORE, [penalty()]),
            (DUE - TICK, [honour("H1"), honour("H2"), event("record.revoked", "P1", reason="r")]),
        ],
        2,
    ),
}


@pytest.mark.parametrize("case", OVER_MIDNIGHT)
def test_a_transaction_over_midnight_tells_it_too(case):
    history, count = OVER_MIDNIGHT[case]
    kept = Kept(RULES, BEFORE - TICK)
    for now, pushed in history:
        kept.fold(now, pushed)
    assert kept.told == kept.expected()
    kept.fold(DUE + timedelta(days=1))
    assert kept.told == kept.expected()
    assert len(kept.told) == count


def test_a_step_by_a_model_that_was_announced_since_is_told():
    rules = with_release(date(2027, 3, 1))
    kept = Kept(rules, START)
    kept.fold(START, [penalty()])
    kept.fold(FAR)
    assert short(kept.told) == [
        "publicity.began",
        "publicity.ended",
        "score.stepped -60",
        "score.stepped -30",
        "score.stepped 0",
        "record.retired",
    ]
    assert kept.told == kept.expected()


def test_a_step_that_the_new_model_brings_forward_is_told():
    kept = Kept(with_release(date(2027, 3, 1), first_step_months=10), START)
    kept.fold(START, [penalty()])
    kept.fold(DUE - TICK)
    assert short(kept.told) == ["publicity.began", "score.stepped -60"]
    assert kept.told == kept.expected()


days = st.integers(-1200, 1200).map(lambda n: (START + timedelta(days=n)).date().isoformat())
# Among them the boundaries of others, and their neighbours.
few_days = st.sampled_from(["2025-04-30", "2025-05-01", "2026-02-28", "2026-04-30", "2027-02-28"])
both = st.one_of(days, few_days)


@st.composite
def events(draw):
    kind = draw(
        st.sampled_from(
            ["penalty.imposed"] * 3
            + ["licence.granted", "honour.granted", "inspection.completed"]
            + ["record.corrected"] * 3
            + ["record.revoked", "record.repaired", "objection.opened", "objection.decided"]
        )
    )
    time = (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=draw(st.integers(0, 2000)))).isoformat()
    data = {"time": time, "source": draw(st.sampled_from([SOURCE, SOURCE, OTHER_SOURCE]))}
    if kind in {"penalty.imposed", "inspection.completed", "honour.granted"}:
        data["decided_on"] = draw(both)
    if kind == "penalty.imposed":
        data["severity"] = draw(st.sampled_from(["minor", "general", "serious"]))
    if kind == "inspection.completed":
        data["outcome"] = draw(st.sampled_from(["excellent", "urgent-correction"]))
    if kind in {"licence.granted", "honour.granted"}:
        data["valid_until"] = draw(both)
    if kind == "record.corrected":
        data["changes"] = draw(
            st.one_of(
                st.sampled_from([{"severity": "minor"}, {"severity": "serious"}, {"title": "t"}]),
                both.map(lambda day: {"decided_on": day}),
            )
        )
    if kind.startswith("objection"):
        data["objection"] = draw(st.sampled_from(["O1", "O2"]))
    return event(kind, draw(st.sampled_from(["A", "B", "C"])), **data)


DAY = 60 * 24
steps = st.lists(
    st.one_of(
        # so many minutes later; a clock may also be set back
        st.tuples(st.just("pass"), st.integers(-DAY * 40, DAY * 500), st.lists(events(), max_size=3)),
        # to the next boundary, or to so many microseconds beside it
        st.tuples(st.just("next"), st.integers(-3, 3), st.lists(events(), max_size=4)),
    ),
    min_size=1,
    max_size=12,
)
CASES = {
    "one model": RULES,
    "a new one": with_release(date(2027, 3, 1)),
    "a new one on a boundary": with_release(date(2027, 5, 1)),
}


def play(kept, history):
    """Enter a history; gives the boundaries that came into sight."""
    now, seen = START, set()
    for how, far, pushed in history:
        if how == "pass":
            now += timedelta(minutes=far)
        elif kept.until is not None:
            now = kept.until + far * TICK
        kept.fold(now, pushed)
        seen |= {line.next_change for line in kept.lines.values()}
    return seen


@pytest.mark.parametrize("case", CASES)
@settings(max_examples=200, deadline=None)
@given(steps, st.integers(-DAY * 10, DAY * 400))
def test_whenever_it_is_folded_each_boundary_is_told_once(case, history, began):
    kept = Kept(CASES[case], START + timedelta(minutes=began))
    seen = play(kept, history)
    assert kept.told == kept.expected()  # in the same order too: their numbers follow from it
    _agrees_with_the_past(kept, seen | {notice.due for notice in kept.told})


def _agrees_with_the_past(kept, instants_seen):
    """What is told is what two answers differ in, about the instant of a boundary and the one before."""
    zone = instants.zone_of(ENTITY)
    until = told_until(kept.until, kept.announced, kept.rules.schedule) or FAR
    told = {}
    for notice in kept.told:
        told.setdefault((notice.due, notice.record, notice.source), {})[notice.type] = notice.points
    for due in sorted(one for one in instants_seen if one is not None and kept.began_at < one < until):
        same_model = kept.rules.model(due - TICK, zone) is kept.rules.model(due, zone)
        before, after = _lines(kept, due - TICK), _lines(kept, due)
        for key, line in after.items():
            what = told.get((due, *key), {})
            assert not (ENDED in what and line.public)
            assert STEPPED not in what or what[STEPPED] == written(_points(line))
            untouched = all(entry.recorded_at != due for entry in kept.entries)
            if key not in before or not (untouched and same_model):
                continue
            was = before[key]
            over = line.retired_from is not None and due >= line.retired_from
            assert (RETIRED in what) == (over and due == line.retired_from)
            if over:  # that says all
                assert not line.counted
                assert set(what) <= {RETIRED}
                continue
            assert (ENDED in what) == (was.public and not line.public)
            assert (BEGAN in what) == (line.public and not was.public)
            assert (EXPIRED in what) == (was.standing and not line.standing)
            assert (STEPPED in what) == (_points(was) != _points(line))


def _points(line):
    return Decimal(0) if line.contribution is None else line.contribution.points


def _lines(kept, instant):
    known = [entry for entry in kept.entries if entry.recorded_at <= instant]
    if not known:
        return {}
    return {
        (line.record, line.source): line
        for line in account_at(ENTITY, known, UNNAMED, instant, kept.rules).lines
    }


@settings(max_examples=100, deadline=None)
@given(steps, st.lists(st.integers(0, DAY * 1500), max_size=20))
def test_folding_more_often_tells_the_same(history, moments):
    lazy, eager = Kept(RULES, START), Kept(RULES, START)
    forward = [(how, abs(far), pushed) for how, far, pushed in history if how == "pass"]
    play(lazy, forward)
    now = START
    for _, far, pushed in forward:
        for moment in sorted(START + timedelta(minutes=one) for one in moments):
            if now < moment < now + timedelta(minutes=far):
                eager.fold(moment)
        now += timedelta(minutes=far)
        eager.fold(now, pushed)
    for kept in (lazy, eager):
        kept.fold(now)
    assert eager.told == lazy.told
