"""When the legal life of a record is over, to the day in the authority's zone, and what changes there."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from time import process_time

import orjson
import pytest

from creditsvc.domain import catalogue
from creditsvc.domain.account import Account, Standing, account_at
from creditsvc.domain.catalogue import CatalogueInvalid
from creditsvc.domain.naming import UNNAMED, VIEWS
from creditsvc.domain.notices import ENDED, RETIRED, expected
from creditsvc.domain.parties import party
from creditsvc.domain.profile import Summary
from creditsvc.domain.publicity import publicity
from creditsvc.domain.records import Entry, Erased, fold
from creditsvc.domain.replay import replay
from creditsvc.domain.residue import residue
from creditsvc.domain.retention import retired_from
from creditsvc.domain.standing import evaluate
from creditsvc.domain.views import WHO, Viewer
from creditsvc.errors import EventInvalid
from tests.making import CATALOGUE, ENTITY, OTHER_ENTITY, OTHER_SOURCE, RULES, SOURCE, event
from tests.publicity import CHINA, FRANCE, PUBLISHED, TICK, midnight, penalty_of, record_of

WARNING = {"category": "警告"}
GENERAL = {"severity": "general", "decided_on": "2026-05-01"}  # public until 2027-05-02 by its rule
LONG_AGO = datetime(2024, 6, 1, tzinfo=UTC)
PENALTY = CATALOGUE.retention["penalty"]


def over(record, zone=CHINA):
    return retired_from(record, CATALOGUE, zone)


def penalty(**given):
    return event("penalty.imposed", "P1", **{**GENERAL, **given})


@pytest.mark.parametrize(
    ("record", "day"),
    [
        (penalty_of(**GENERAL), "2032-05-02"),  # its last public day is 2027-05-01
        (penalty_of(**GENERAL, public_until="2027-01-31"), "2032-02-01"),
        (penalty_of("minor", "2026-05-01"), "2031-05-02"),  # never public: from the decision
        (penalty_of("minor", "2024-02-29", **WARNING), "2029-03-01"),
        (penalty_of("minor", "2015-03-01", **WARNING), "2026-12-21"),  # over when it came: a month of notice
        (
            penalty_of("minor", "2015-03-01", published=LONG_AGO, **WARNING),
            "2026-01-01",
        ),  # not before the rule
    ],
)
def test_a_penalty_is_kept_for_five_years_after_its_publicity(record, day):
    assert over(record) == midnight(day)


def test_days_are_those_of_the_authoritys_place():
    record = penalty_of("minor", "2026-05-01", OTHER_ENTITY)
    assert over(record, FRANCE) == midnight("2031-05-02", FRANCE)
    assert midnight("2031-05-02", FRANCE) != midnight("2031-05-02", CHINA)


@pytest.mark.parametrize("kind", ["record.revoked", "record.repaired"])
def test_what_was_withdrawn_is_kept_for_a_year_after_that_and_no_longer_than_if_it_had_stood(kind):
    reason = {"reason": "r"} if kind == "record.revoked" else {}
    withdrawal = event(kind, "P1", **reason)
    # The service heard of it a microsecond before the 21st.
    late = record_of(penalty(), withdrawal, published=PUBLISHED - TICK)
    assert late.withdrawn_at == PUBLISHED
    assert over(late) == midnight("2027-11-21")
    assert over(record_of(penalty(), withdrawal)) == midnight("2027-11-22")
    old = penalty(severity="minor", decided_on="2021-12-31", **WARNING)
    assert over(record_of(old)) == over(record_of(old, withdrawal)) == midnight("2027-01-01")
    honour = event("honour.granted", "P1")
    assert over(record_of(honour)) is None
    assert over(record_of(honour, withdrawal)) == midnight("2027-11-22")


@pytest.mark.parametrize("kind", ["inspection.completed", "licence.granted"])
def test_a_class_without_a_rule_is_kept_for_good(kind):
    opening = event(kind, "R1")
    assert over(record_of(opening)) is None
    assert over(record_of(opening, event("record.revoked", "R1", reason="r"))) is None


def test_what_awaits_its_record_has_no_rule():
    assert over(record_of(event("record.revoked", "P1", reason="r"))) is None


@pytest.mark.parametrize(("decided_on", "day"), [("9990-01-01", "9995-01-02"), ("9994-01-01", None)])
def test_no_year_is_beyond_the_calendar(decided_on, day):
    record = penalty_of("minor", "2026-05-01", **WARNING)
    record = replace(record, data={**record.data, "decided_on": decided_on})
    assert over(record) == (None if day is None else midnight(day))


def objection(**given):
    return event("objection.opened", "P1", objection="O1", ground="wrong", **given)


def recorded(*told):
    """A record by what was told of it, and the day on which the service heard each: at noon in China."""
    entries = [
        Entry(n, midnight(day) + NOON, one.source, one.id, one.type, one.time, one.record, one.data)
        for n, (day, one) in enumerate(told, start=1)
    ]
    return fold(entries, CATALOGUE)


def corrected(**changes):
    return event("record.corrected", "P1", reason="r", changes=changes)


def decided(decision, number="O1"):
    reason = {"reason": "r"} if decision == "refused" else {}
    return event("objection.decided", "P1", objection=number, decision=decision, **reason)


def appealed(number="O1"):
    return event("objection.appealed", "P1", objection=number)


NOON = timedelta(hours=12)
OLD = penalty(severity="minor", decided_on="2021-12-31", **WARNING)  # by the rule until the end of 2026
HEARD = ("2026-06-01", OLD)
AWAY = corrected(decided_on="1990-01-01")


def test_an_open_case_holds_it_back_whatever_is_corrected():
    held = recorded(HEARD, ("2026-11-23", objection()))
    assert held.cases[0].open
    assert over(held) is None
    assert evaluate(held, datetime(2040, 1, 1, tzinfo=UTC), RULES, CHINA).state == "standing"
    assert over(recorded(HEARD, ("2026-11-23", objection()), ("2026-11-24", AWAY))) is None
    late = recorded(HEARD, ("2027-01-01", objection()))
    assert late.cases[0].open
    assert over(late) == midnight("2027-01-01")


def test_what_held_it_lets_go_with_its_day_and_with_the_time_to_appeal():
    held = (HEARD, ("2026-12-20", objection()))
    withdrawn = event("objection.withdrawn", "P1", objection="O1")
    assert over(recorded(*held, ("2026-12-30", withdrawn))) == midnight("2027-01-01")
    assert over(recorded(*held, ("2027-01-01", withdrawn))) == midnight("2027-01-02")
    assert over(recorded(*held, ("2027-03-05", decided("upheld")))) == midnight("2027-03-06")
    refused = (*held, ("2027-03-05", decided("refused")))  # thirty days to appeal: until 4 April
    assert over(recorded(*refused)) == midnight("2027-04-05")
    assert over(recorded(*refused, ("2027-04-04", appealed()))) is None
    again = (*refused, ("2027-04-04", appealed()), ("2027-05-01", decided("refused")))
    assert over(recorded(*again)) == midnight("2027-05-02")
    revoked = recorded(*held, ("2027-03-05", event("record.revoked", "P1", reason="r")))
    assert revoked.cases[0].state == "closed"
    assert over(revoked) == midnight("2027-03-06")  # and not at once, so that its end is told


def test_the_end_of_a_time_to_appeal_is_a_boundary_that_time_crosses():
    record = recorded(HEARD, ("2026-12-20", objection()), ("2027-03-05", decided("refused")))
    end = midnight("2027-04-05")
    before, after = (evaluate(record, at, RULES, CHINA) for at in (end - TICK, end))
    assert (before.state, before.next_change) == ("standing", end)
    assert (after.state, after.changed_at) == ("retired", end)


def test_one_objection_after_another_does_not_keep_it():
    told = [HEARD, ("2026-12-20", objection())]
    for month in range(1, 10):
        number = f"O{month + 1}"
        told.append((f"2027-0{month}-01", event("objection.opened", "P1", objection=number, ground="wrong")))
    assert over(recorded(*told)) is None
    withdrawn = event("objection.withdrawn", "P1", objection="O1")
    record = recorded(*told, ("2027-10-01", withdrawn))
    assert sum(case.open for case in record.cases) == 9
    assert over(record) == midnight("2027-10-02")


@pytest.mark.parametrize(
    ("told", "day"),
    [
        ([("2026-06-10", AWAY)], "2026-07-11"),
        ([("2026-06-10", corrected(title="t"))], "2027-01-01"),
        ([("2026-12-20", corrected(title="t"))], "2027-01-01"),  # puts nothing off
        ([("2026-12-20", AWAY)], "2027-01-01"),  # nor does what makes its time shorter
        ([("2026-06-10", AWAY), ("2026-07-01", corrected(decided_on="1980-01-01"))], "2026-07-11"),
        ([("2026-06-10", AWAY), ("2026-07-01", corrected(decided_on="1999-01-01"))], "2026-07-11"),
        ([("2026-06-10", AWAY), ("2026-08-01", corrected(decided_on="1999-01-01"))], "2026-07-11"),
        ([("2026-06-10", AWAY), ("2026-07-01", corrected(decided_on="2021-12-31"))], "2027-01-01"),
        ([("2026-06-10", AWAY), ("2026-08-01", corrected(decided_on="2021-12-31"))], "2027-01-01"),
        ([("2026-06-10", AWAY), ("2026-07-11", event("record.revoked", "P1", reason="r"))], "2026-07-11"),
    ],
)
def test_no_event_ends_it_at_once_and_none_puts_its_end_off(told, day):
    assert over(recorded(HEARD, *told)) == midnight(day)


def test_a_correction_every_month_does_not_keep_it():
    months = [f"{2026 + month // 12}-{month % 12 + 1:02}-20" for month in range(6, 60)]
    assert over(recorded(HEARD, *((day, AWAY) for day in months))) == midnight("2026-08-21")
    # To and fro: never beyond what was ever claimed.
    changes = (AWAY, corrected(decided_on="2021-12-31"))
    told = [(day, changes[number % 2]) for number, day in enumerate(months)]
    ends = [over(recorded(HEARD, *told[:length])) for length in range(1, len(told) + 1)]
    assert max(ends) == midnight("2027-01-01")
    assert ends[-1] == midnight("2027-01-01")


def test_a_thousand_corrections_are_followed_in_no_time():
    told = [("2027-02-01", AWAY)] * 999
    record = recorded(("2027-02-01", OLD), *told)
    started = process_time()
    assert over(record) == midnight("2027-03-02")
    assert process_time() - started < 1


def test_whatever_the_order_of_arrival_the_record_is_the_same():
    told = [
        event("penalty.imposed", "P1", time="2026-05-01T00:00:00Z", **GENERAL),
        event("record.corrected", "P1", time="2026-05-02T00:00:00Z", reason="r", changes={"title": "a"}),
        event("record.corrected", "P1", time="2026-05-03T00:00:00Z", reason="r", changes={"title": "b"}),
    ]
    for order in permutations(told):
        assert recorded(*(("2026-06-01", one) for one in order)).data["title"] == "b"


def entered(*events, at=PUBLISHED, pause=TICK):
    """An account with one old penalty, after somebody else has spoken of it; null what is refused."""
    account = Account(ENTITY, 0, None, UNNAMED, {view: Standing(Summary(), 0, None) for view in VIEWS})
    account.agencies = frozenset({OTHER_SOURCE})
    outcomes = []
    for one in events:
        try:
            outcomes.append(account.enter(one, at + len(outcomes) * pause, RULES).sequence)
        except EventInvalid as refused:
            outcomes.append(refused.violations[0].code)
    return outcomes


def test_of_what_retired_its_holder_may_still_speak_and_others_hear_that_there_is_none():
    old = penalty(severity="minor", decided_on="2015-03-01", **WARNING)
    itself = objection(source=party(ENTITY), record_source=SOURCE)
    other = objection(source=OTHER_SOURCE, record_source=SOURCE)
    correction = event("record.corrected", "P1", reason="r", changes={"decided_on": "2026-05-01"})
    past = timedelta(days=60)
    assert entered(old, itself, other, correction, itself, pause=past) == [
        1,
        "record-unknown",
        "record-unknown",
        2,
        3,
    ]
    assert entered(old, itself, correction) == [1, 2, 3]  # it came too late, and so has its month


def test_it_crosses_by_time_alone():
    record = penalty_of("minor", "2026-05-01")
    end = midnight("2031-05-02")
    before, after = (evaluate(record, at, RULES, CHINA) for at in (end - TICK, end))
    assert (before.state, before.next_change, before.retired_from) == ("standing", end, end)
    assert (after.state, after.changed_at, after.next_change) == ("retired", end, None)
    assert (after.public, after.standing, after.contribution, after.public_changed_at) == (
        False,
        False,
        None,
        None,
    )
    for who in WHO:
        assert not Viewer(who, frozenset({record.source})).sees(record, after, CATALOGUE), who
    for who in ("entity", "operator", "agency"):
        assert Viewer(who, frozenset({record.source})).sees(record, before, CATALOGUE), who


def test_what_the_public_saw_changed_when_publicity_ended_and_not_when_it_retired():
    record = penalty_of(**GENERAL)
    after = evaluate(record, over(record), RULES, CHINA)
    assert after.changed_at == over(record)
    assert after.public_changed_at == publicity(record, CATALOGUE, CHINA).public_until


def test_a_withdrawn_record_has_no_other_boundary():
    record = record_of(penalty(), event("record.revoked", "P1", reason="r"))
    end = over(record)
    before, after = (evaluate(record, at, RULES, CHINA) for at in (end - TICK, end))
    assert (before.state, before.changed_at, before.next_change) == ("revoked", None, end)
    assert (after.state, after.changed_at, after.next_change) == ("retired", end, None)
    own = Viewer("agency", frozenset({record.source}))
    assert own.sees(record, before, CATALOGUE)
    assert not own.sees(record, after, CATALOGUE)


def entries(*events):
    return [
        Entry(n, PUBLISHED + n * TICK, one.source, one.id, one.type, one.time, one.record, one.data)
        for n, one in enumerate(events, start=1)
    ]


def test_the_log_is_told_once_and_nothing_else_from_then_on():
    told = expected(ENTITY, entries(penalty()), PUBLISHED, None, RULES)
    assert [notice.type for notice in told if notice.type in {ENDED, RETIRED}] == [ENDED, RETIRED]
    assert told[-1].due == over(penalty_of(**GENERAL)) == midnight("2032-05-02")
    assert b'"record":"P1"' in told[-1].content


def test_what_is_erased_leaves_names_flags_and_instants_as_they_were():
    events = [
        penalty(entity_name="甲公司"),
        event("licence.granted", "L1", entity_name="乙公司"),
        event("record.corrected", "P1", reason="r", changes={"entity_name": "丙公司", "title": "t"}),
        event("licence.granted", "L2"),
    ]
    whole = entries(*events)
    at = over(penalty_of(**GENERAL)) + timedelta(days=1)
    own = [one for one in whole if one.record == "P1"]
    replayed = replay(ENTITY, whole, RULES)
    whole = [replace(one, touches_public=replayed.touches[one.sequence - 1]) for one in whole]
    kept = residue(own, at, RULES, CHINA)
    assert [(one.name, one.public) for one in kept.traces] == [("甲公司", True), ("丙公司", True)]
    assert kept.public_changed_at == midnight("2027-05-02")
    traces = {trace.sequence: trace for trace in kept.traces}
    left = [_erased(one, traces.get(one.sequence), kept) for one in whole]
    assert replay(ENTITY, left, RULES) == replayed
    pasts = [account_at(ENTITY, some, UNNAMED, at, RULES) for some in (whole, left)]
    first, second = (past.account.views for past in pasts)
    for view in ("public", "shared"):
        assert first[view].moment() == second[view].moment()
        assert pasts[0].profile(view, RULES) == pasts[1].profile(view, RULES)
    assert [line.record for line in pasts[1].lines] == ["L1", "L2"]


def _erased(one, trace, kept):
    if trace is None:
        return one
    due = over(penalty_of(**GENERAL))
    erased = Erased(trace.public, one.touches_public, due, kept.public_changed_at)
    return replace(one, data={"entity_name": trace.name}, erased=erased)


def put(*path):
    *way, last, value = path

    def spoil(written):
        place = written
        for name in way:
            place = place[name]
        place[last] = value

    return spoil


@pytest.mark.parametrize(
    ("spoil", "place"),
    [
        (put("classes", "penalty", "retention", "none"), "/classes/penalty/retention"),
        (put("classes", "licence", "retention", "penalty"), "/classes/licence/retention"),
        (put("retention", "penalty", "months", 0), "/retention/penalty/months"),
        (put("retention", "withdrawn", "withdrawn_months", 1201), "/retention/withdrawn/withdrawn_months"),
        (put("retention", "penalty", "notice_months", 0), "/retention/penalty/notice_months"),
        (put("retention", "penalty", "days", 3), "/retention/penalty/days"),
    ],
)
def test_a_catalogue_whose_rules_cannot_be_meant_is_refused(spoil, place):
    written = orjson.loads(orjson.dumps(CATALOGUE.file))
    spoil(written)
    with pytest.raises(CatalogueInvalid) as refused:
        catalogue.read(orjson.dumps(written))
    assert [at for at, _ in refused.value.problems] == [place]


def test_every_rule_says_whose_it_is():
    for rule in CATALOGUE.retention.values():
        assert rule.source == "Ours"
        assert rule.notes
        assert all(note.startswith("Ours: ") for note in rule.notes)
    assert PENALTY.months == 60
