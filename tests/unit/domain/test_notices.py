"""Notices are a function of the events and the rules: when and how often a record is folded changes none."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from creditsvc.domain import instants
from creditsvc.domain.account import Account, Held, Standing, account_at
from creditsvc.domain.canonical import canonical
from creditsvc.domain.naming import UNNAMED
from creditsvc.domain.notices import BEGAN, ENDED, EXPIRED, STEPPED, TICK, crossings, expected, told_until
from creditsvc.domain.profile import Summary
from creditsvc.domain.records import Entry
from creditsvc.domain.schedule import Release, Schedule
from creditsvc.domain.standing import Rules
from creditsvc.errors import Refusal
from scoring import engine
from scoring.exact import written
from tests.making import ENTITY, OTHER_ENTITY, OTHER_SOURCE, RULES, SOURCE, event

START = datetime(2026, 4, 1, tzinfo=UTC)
FAR = datetime(2100, 1, 1, tzinfo=UTC)


def at(text):
    return datetime.fromisoformat(text)


def entries(*pushed):
    """Events as recorded, each given with the instant it was recorded at."""
    return [
        Entry(place, recorded_at, one.source, one.id, one.type, one.time, one.record, one.data)
        for place, (recorded_at, one) in enumerate(pushed, start=1)
    ]


def short(notices):
    """Type without its prefix, and points where it has any."""
    return [
        notice.type.removeprefix("credit.") + (f" {notice.points}" if notice.points is not None else "")
        for notice in notices
    ]


def crossed(history, first, last=None, rules=RULES, entity=ENTITY):
    return short(sorted(crossings(entity, history, (first, last or first), rules), key=lambda one: one.order))


def penalty(severity="general", decided_on="2026-05-31", **given):
    return event("penalty.imposed", "P1", severity=severity, decided_on=decided_on, **given)


def correction(**changes):
    return event("record.corrected", "P1", reason="r", changes=changes)


BOUNDARIES = {
    # Public for one year; the weight halves after one, two and three.
    "publicity and score": (ENTITY, penalty(), "2027-06-01", ["publicity.ended", "score.stepped -20"]),
    "the second step": (ENTITY, penalty(), "2028-06-01", ["score.stepped -10"]),
    "the last step": (ENTITY, penalty(), "2029-06-01", ["score.stepped 0"]),
    "serious ones are public for three years": (
        ENTITY,
        penalty("serious"),
        "2029-06-01",
        ["publicity.ended", "score.stepped 0"],
    ),
    "a day that the month lacks": (
        ENTITY,
        penalty(decided_on="2024-02-29", severity="minor"),
        "2025-03-01",
        ["score.stepped -4"],
    ),
    "a licence is valid to the end of its last day": (
        ENTITY,
        event("licence.granted", "P1", valid_until="2027-05-30"),
        "2027-05-31",
        ["record.expired"],
    ),
    "what expires scores no more": (
        ENTITY,
        event("honour.granted", "P1", decided_on="2026-05-31", valid_until="2026-12-31"),
        "2027-01-01",
        ["record.expired", "score.stepped 0"],
    ),
    "days are the place's, in summer": (
        OTHER_ENTITY,
        penalty(subject=OTHER_ENTITY, decided_on="2026-07-01"),
        "2027-07-02",
        ["publicity.ended", "score.stepped -20"],
    ),
    "days are the place's, in winter": (
        OTHER_ENTITY,
        penalty(subject=OTHER_ENTITY, decided_on="2026-01-01"),
        "2027-01-02",
        ["publicity.ended", "score.stepped -20"],
    ),
}


@pytest.mark.parametrize("case", BOUNDARIES)
def test_a_boundary_is_told_at_its_microsecond(case):
    entity, one, day, what = BOUNDARIES[case]
    due = instants.start_of(date.fromisoformat(day), instants.zone_of(entity))
    history = entries((due - timedelta(days=20), one))
    assert crossed(history, due, entity=entity) == what
    assert crossed(history, due - timedelta(days=19), due - TICK, entity=entity) == []
    assert crossed(history, due + TICK, due + timedelta(days=19), entity=entity) == []
    assert short(expected(entity, history, due - TICK, due + TICK, RULES)) == what
    assert expected(entity, history, due, due + TICK, RULES) == []  # due as the log begins: nobody's any more
    assert expected(entity, history, due - TICK, due, RULES) == []


DUE = at("2027-06-01T00:00:00+08:00").astimezone(UTC)
BEFORE = DUE - timedelta(days=30)
AT_THE_VERY_INSTANT = {
    "a correction of something else": (correction(title="t"), ["publicity.ended", "score.stepped -20"]),
    "a correction that moves the boundary away": (correction(decided_on="2026-06-30"), []),
    "a correction that keeps it public": (correction(severity="serious"), ["score.stepped -60"]),
    "a revocation": (event("record.revoked", "P1", reason="r"), []),
    "a repair": (event("record.repaired", "P1"), []),
    "an objection": (
        event("objection.opened", "P1", objection="O1"),
        ["publicity.ended", "score.stepped -20"],
    ),
}


@pytest.mark.parametrize("case", AT_THE_VERY_INSTANT)
def test_an_event_at_the_instant_of_a_boundary_counts_as_recorded_by_then(case):
    one, what = AT_THE_VERY_INSTANT[case]
    assert crossed(entries((BEFORE, penalty()), (DUE, one)), BEFORE, DUE) == what
    whole = ["publicity.ended", "score.stepped -20"]
    assert crossed(entries((BEFORE, penalty()), (DUE + TICK, one)), BEFORE, DUE) == whole


def test_what_was_over_when_it_came_was_never_begun():
    assert crossed(entries((DUE, penalty())), BEFORE, DUE) == []
    assert crossed(entries((DUE - TICK, penalty())), BEFORE, DUE) == ["publicity.ended", "score.stepped -20"]
    awaited = entries((BEFORE, correction(title="t")), (DUE, penalty()))
    assert crossed(awaited, BEFORE, DUE) == []
    assert crossed(awaited, BEFORE, FAR) == ["score.stepped -10", "score.stepped 0"]


@pytest.mark.parametrize("kind", ["record.revoked", "record.repaired"])
def test_withdrawn_records_tell_nothing(kind):
    reason = {"reason": "r"} if kind == "record.revoked" else {}
    history = entries((BEFORE, penalty()), (BEFORE + TICK, event(kind, "P1", **reason)))
    assert crossed(history, BEFORE, FAR) == []
    assert crossed(entries((BEFORE, correction(title="t"))), BEFORE, FAR) == []


def test_a_notice_is_an_event_of_the_service_in_canonical_bytes():
    history = entries((BEFORE, penalty()))
    ended, stepped = expected(ENTITY, history, BEFORE, DUE + TICK, RULES)
    assert (ended.type, stepped.type, ended.due) == (ENDED, STEPPED, DUE)
    due = "2027-05-31T16:00:00.000000Z"
    assert orjson.loads(ended.content) == {
        "specversion": "1.0",
        "id": f"{due}/credit.publicity.ended/P1/{SOURCE}",
        "source": f"/v1/entities/{ENTITY}",
        "type": "credit.publicity.ended",
        "subject": ENTITY,
        "time": due,
        "datacontenttype": "application/json",
        "data": {"record": "P1", "source": SOURCE},
    }
    assert orjson.loads(stepped.content)["data"] == {"record": "P1", "source": SOURCE, "points": "-20"}
    assert ended.content == canonical(orjson.loads(ended.content))


BASELINE = engine.load("credit-baseline", "1")
ANNOUNCED = datetime(2026, 8, 1, 10, tzinfo=UTC)


def with_release(in_force_from):
    """The baseline, and a version 2 of it that counts everything threefold."""
    content = orjson.loads(engine.content("credit-baseline", "1"))
    for rule in content["rules"]:
        rule["points"] = str(3 * Decimal(rule["points"]))
    content |= {"version": "2", "in_force_from": in_force_from.isoformat()}
    newer = engine.read(orjson.dumps(content))
    return Rules(RULES.catalogue, Schedule((Release(BASELINE), Release(newer, ANNOUNCED))))


def test_a_new_model_is_no_notice_and_a_step_on_its_first_day_is_by_it():
    history = entries((ANNOUNCED - timedelta(days=40), penalty()))
    on_another_day = with_release(date(2027, 3, 1))
    ended = ["publicity.ended", "score.stepped -60"]
    assert crossed(history, ANNOUNCED, DUE - TICK, on_another_day) == []
    assert crossed(history, ANNOUNCED, DUE, on_another_day) == ended
    assert crossed(history, ANNOUNCED, DUE, with_release(date(2027, 6, 1))) == ended
    later = with_release(date(2027, 6, 2))
    assert crossed(history, ANNOUNCED, DUE, later) == ["publicity.ended", "score.stepped -20"]
    assert crossed(history, DUE + TICK, FAR, later) == ["score.stepped -30", "score.stepped 0"]


def test_a_stored_profile_says_up_to_when_everything_has_been_told():
    schedule = with_release(date(2027, 3, 1)).schedule
    assert told_until(None, 2, schedule) is None
    assert told_until(DUE, 2, schedule) == DUE
    assert told_until(DUE, 1, schedule) == ANNOUNCED
    assert told_until(None, 1, schedule) == ANNOUNCED
    assert told_until(BEFORE, 1, RULES.schedule) == BEFORE


class Kept:
    """An account as the ledger stores it, telling as it goes."""

    def __init__(self, rules, began_at):
        self.rules, self.began_at = rules, began_at
        self.model, self.announced, self.until = None, 0, None
        self.shared, self.public = Standing(Summary(), 0, None), Standing(Summary(), 0, None)
        self.namings = UNNAMED
        self.lines, self.entries, self.told = {}, [], []

    def _load(self, named, reach):
        version = len(self.entries)
        recorded_at = self.entries[-1].recorded_at if self.entries else None
        views = {"public": self.public, "shared": self.shared}
        account = Account(ENTITY, version, recorded_at, self.namings, views)
        account.model, account.announced, account.began_at = self.model, self.announced, self.began_at
        self.shared.until = self.until
        outdated = account.outdated(reach, self.rules)
        for key, line in self.lines.items():
            due = line.next_change is not None and line.next_change <= reach
            own = [entry for entry in self.entries if (entry.record, entry.source) == key]
            account.held[key] = Held(line, own if due or outdated or key in named else [])
        return account

    def after(self):
        return START - timedelta(days=1) if self.shared.since is None else self.shared.since + TICK

    def fold(self, now, pushed=()):
        reach = max(now, self.after()) + len(pushed) * TICK
        account = self._load({(one.record, one.source) for one in pushed}, reach)
        for one in pushed:
            try:
                self.entries.append(account.enter(one, max(now, self.after()), self.rules))
            except Refusal:
                continue
        if not account.changed(now, self.rules):
            return
        for line, _ in account.settle(max(now, self.shared.since), self.rules):
            self.lines[line.record, line.source] = line
        self.namings, self.model, self.announced = account.namings, account.model, account.announced
        released = self.rules.schedule.changes(account.settled_at, account.zone)
        self.until = instants.earliest(*(line.next_change for line in self.lines.values()), released)
        self.told += account.noticed

    def expected(self):
        until = told_until(self.until, self.announced, self.rules.schedule)
        return expected(ENTITY, self.entries, self.began_at, until, self.rules)


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
