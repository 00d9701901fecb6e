"""What is offered in a case is what the machine of moves allows, to whom it allows it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from creditsvc.domain.cases import Case
from creditsvc.domain.moves import CLOSED, MOVES
from creditsvc.domain.offers import DECISIONS, Matter, meant, offers
from creditsvc.domain.parties import party
from creditsvc.domain.records import REPAIRED, Record
from creditsvc.domain.workdays import UNKNOWN, Calendar, left
from tests.making import CATALOGUE, ENTITY, OTHER_SOURCE, SOURCE

NOW = datetime(2026, 11, 23, 4, tzinfo=UTC)
ZONE = ZoneInfo("Asia/Shanghai")
OWN = party(ENTITY)
STATES = {
    kind: sorted({state for one in moves.values() for state in one.before} | {"upheld", "denied", "granted"})
    for kind, moves in MOVES.items()
}
CASES = [(kind, state) for kind, states in STATES.items() for state in states]


def matter(kind: str, state: str, handler: str = SOURCE, **given: object) -> Matter:
    case = Case(
        kind=kind,
        number="1",
        by=OWN,
        handler=handler,
        state=state,
        ground=None,
        opened_at=NOW,
        routed_at=NOW,
        since=NOW,
        handled=frozenset({SOURCE, handler}),
    )
    record = Record(
        number="P1",
        source=SOURCE,
        type="credit.penalty.imposed",
        record_class="penalty",
        time=NOW,
        state="standing",
        data={},
        objections=frozenset(),
        opened_at=NOW,
        recorded_at=NOW,
        sequences=(1,),
    )
    return Matter(ENTITY, record, replace(case, **given), CATALOGUE)


def named(found: Matter, *sources: str, at: datetime = NOW) -> set[str]:
    return {one.name for one in offers(found, frozenset(sources), at, ZONE)}


def allowed(kind: str, state: str, mover: str) -> set[str]:
    found = {move for move, one in MOVES[kind].items() if one.mover == mover and state in one.before}
    if "decide" in found:
        found = found - {"decide"} | (set(DECISIONS) if state != CLOSED else {"upheld"})
    return found


@pytest.mark.parametrize(("kind", "state"), CASES)
def test_each_is_offered_what_the_table_allows(kind, state):
    found = matter(kind, state, OTHER_SOURCE)
    assert named(found, OTHER_SOURCE) == allowed(kind, state, "handler")
    assert named(found, OWN) == allowed(kind, state, "applicant")
    assert named(found, "urn:agency:stranger") == named(found) == set()


def test_the_record_is_its_holders_to_put_right():
    assert named(matter("objection", "upheld", OTHER_SOURCE), SOURCE) == {"correct", "revoke"}
    assert named(matter("repair", "accepted", OTHER_SOURCE), SOURCE) == {"grant"}
    over = matter("objection", "upheld")
    over = replace(over, record=replace(over.record, state=REPAIRED))
    assert named(over, SOURCE) == set()


def test_what_may_be_once_or_in_time_is_offered_so():
    assert named(matter("objection", "refused", appealed_at=NOW), OWN) == set()
    assert named(matter("objection", "refused"), OWN, at=NOW + timedelta(days=29)) == {"appeal"}
    assert named(matter("objection", "refused"), OWN, at=NOW + timedelta(days=31)) == set()
    assert "extend" not in named(matter("repair", "accepted", extended=True), SOURCE)


def test_what_somebody_means_is_found_whether_or_not_they_may():
    found = matter("objection", "refused")
    offer = meant(found, "upheld", frozenset({"urn:agency:stranger"}))
    assert offer is not None
    assert (offer.type.name, offer.decision, offer.source) == (
        "credit.objection.decided",
        "upheld",
        "urn:agency:stranger",
    )
    for name in ("open", "decide", "grant", "", "x"):
        assert meant(found, name, frozenset({SOURCE})) is None


@pytest.mark.parametrize(
    ("at", "days"),
    [
        (
            datetime(2026, 11, 30, 16, tzinfo=UTC),
            5,
        ),  # with Monday a week on: no weekend counts
        (datetime(2026, 11, 23, 16, tzinfo=UTC), 0),  # the end of today
        (datetime(2026, 11, 22, 16, tzinfo=UTC), -1),  # it was over with Sunday
        (datetime(2026, 11, 18, 16, tzinfo=UTC), -3),  # with Wednesday
    ],
)
def test_days_that_are_left(at, days):
    assert left(NOW, at, ZONE, UNKNOWN) == days


def test_days_off_do_not_count():
    day = NOW.date() + timedelta(days=1)
    known = Calendar(known_from=NOW.date(), known_until=NOW.date() + timedelta(days=30), off=frozenset({day}))
    assert left(NOW, datetime(2026, 11, 30, 16, tzinfo=UTC), ZONE, known) == 4
