"""What time alone changes in a record, to the microsecond."""

from datetime import date, timedelta

import orjson
import pytest

from creditsvc.domain import instants
from creditsvc.domain.canonical import canonical
from creditsvc.domain.notices import ENDED, STEPPED, TICK, crossings, expected, told_until
from creditsvc.domain.records import Entry
from tests.making import ENTITY, OTHER_ENTITY, RULES, SOURCE, event
from tests.notices import ANNOUNCED, BEFORE, DUE, FAR, correction, penalty, short, with_release


def entries(*pushed):
    """Events as recorded, each given with the instant it was recorded at."""
    return [
        Entry(place, recorded_at, one.source, one.id, one.type, one.time, one.record, one.data)
        for place, (recorded_at, one) in enumerate(pushed, start=1)
    ]


def crossed(history, first, last=None, rules=RULES, entity=ENTITY):
    return short(sorted(crossings(entity, history, (first, last or first), rules), key=lambda one: one.order))


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
    rest = ["score.stepped -10", "score.stepped 0", "record.retired"]
    assert crossed(awaited, BEFORE, FAR) == rest


@pytest.mark.parametrize("kind", ["record.revoked", "record.repaired"])
def test_withdrawn_records_tell_only_that_their_life_is_over(kind):
    reason = {"reason": "r"} if kind == "record.revoked" else {}
    history = entries((BEFORE, penalty()), (BEFORE + TICK, event(kind, "P1", **reason)))
    assert crossed(history, BEFORE, FAR) == ["record.retired"]
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


def test_a_new_model_is_no_notice_and_a_step_on_its_first_day_is_by_it():
    history = entries((ANNOUNCED - timedelta(days=40), penalty()))
    on_another_day = with_release(date(2027, 3, 1))
    ended = ["publicity.ended", "score.stepped -60"]
    assert crossed(history, ANNOUNCED, DUE - TICK, on_another_day) == []
    assert crossed(history, ANNOUNCED, DUE, on_another_day) == ended
    assert crossed(history, ANNOUNCED, DUE, with_release(date(2027, 6, 1))) == ended
    later = with_release(date(2027, 6, 2))
    assert crossed(history, ANNOUNCED, DUE, later) == ["publicity.ended", "score.stepped -20"]
    rest = ["score.stepped -30", "score.stepped 0", "record.retired"]
    assert crossed(history, DUE + TICK, FAR, later) == rest


def test_a_stored_profile_says_up_to_when_everything_has_been_told():
    schedule = with_release(date(2027, 3, 1)).schedule
    assert told_until(None, 2, schedule) is None
    assert told_until(DUE, 2, schedule) == DUE
    assert told_until(DUE, 1, schedule) == ANNOUNCED
    assert told_until(None, 1, schedule) == ANNOUNCED
    assert told_until(BEFORE, 1, RULES.schedule) == BEFORE
