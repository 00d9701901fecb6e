"""What the feed shows of a record: held to what `Viewer.sees` says of it at every step."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from creditsvc.domain import instants
from creditsvc.domain.records import Entry as Recorded
from creditsvc.domain.records import fold
from creditsvc.domain.standing import evaluate
from creditsvc.domain.views import Viewer
from creditsvc.ledger.feed_rules import NOTICE_TYPES, Course, Entry, Filter, Reading, Told
from creditsvc.ledger.feed_tips import KNOWN_MAX, Completeness
from tests.making import CATALOGUE, ENTITY, RULES, SOURCE, event

START = datetime(2026, 7, 1, tzinfo=UTC)
SHARED = Viewer("partner")
KINDS = {
    "opens": "penalty.imposed",
    "states": "registration.changed",
    "corrects": "record.corrected",
    "revokes": "record.revoked",
    "repairs": "record.repaired",
    "objects": "objection.opened",
    "decides": "objection.decided",
    "shields": "record.shielded",
    "unshields": "record.unshielded",
}
GIVEN = {
    "opens": {"severity": "minor", "decided_on": "2026-06-01"},
    "corrects": {"reason": "更正", "changes": {"title": "改"}},
    "revokes": {"reason": "撤销"},
    "states": {"entity_name": "某某有限公司"},
}
roles = st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=8)


def recorded(names):
    """The events of one record, in the order of the log."""
    found = []
    for n, name in enumerate(names, 1):
        one = event(KINDS[name], "R1", **GIVEN.get(name, {}))
        at = START + timedelta(seconds=n)
        found.append(Recorded(n, at, one.source, one.id, one.type, one.time, one.record, one.data))
    return found


def told(entries, placed=None):
    placed = len(entries) if placed is None else placed
    return [
        Told(one.sequence + 9 if one.sequence <= placed else None, one.sequence, one.type, 100)
        for one in entries
    ]


def course(entries, placed=None):
    return Course.of(told(entries, placed), CATALOGUE)


def at(one, kind="event"):
    return Entry(one.sequence + 9, kind, one.type, one.holder, one.source)


def sees(entries):
    if not entries:
        return False
    record = fold(entries, CATALOGUE)
    zone = instants.zone_of(ENTITY)
    return SHARED.sees(record, evaluate(record, START + timedelta(days=1), RULES, zone), CATALOGUE)


def slowly(entries, place, now):
    """What is shown at a place, by the one question of what its reader sees before, after, and now."""
    before, after = sees(entries[:place]), sees(entries[: place + 1])
    if not now:
        return ("withdrawn" if before and not after else None), []
    if not all(sees(entries[:length]) for length in range(place + 1, len(entries) + 1)):
        return None, []
    return "whole", [] if before else entries[:place]


def shown(reading, entries, place, placed=None):
    showing, earlier = reading.show(at(entries[place]), course(entries, placed))
    return showing, [entries[one.sequence - 1] for one in earlier]


@given(roles)
def test_it_is_what_the_reader_sees_before_after_and_now(names):
    entries = recorded(names)
    now = sees(entries)
    for place in range(len(entries)):
        assert shown(Reading(SHARED), entries, place) == slowly(entries, place, now)


@given(roles)
def test_a_notice_is_shown_to_whoever_sees_the_record_now(names):
    entries = recorded(names)
    notice = Entry(99, "notice", "credit.record.expired", SOURCE, SOURCE)
    expected = "whole" if sees(entries) else None
    assert Reading(SHARED).show(notice, course(entries)) == (expected, ())
    assert Reading(SHARED, leaves=True).show(notice, course(entries)) == (expected or "leaf", ())


@given(roles, st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=8))
def test_whoever_reads_on_while_events_come_is_told_each_thing_once(names, visits):
    """At each visit so many events are recorded, and so many of them have a position."""
    entries = recorded([name for name in names if not name.endswith("shields")])
    heard, gone, read, known = [], False, 0, 0
    for more, waiting in [*visits, (8, 0)]:
        known = min(known + more, len(entries))
        placed = max(read, known - waiting)
        for place in range(read, placed):
            showing, earlier = shown(Reading(SHARED), entries[:known], place, placed)
            heard += [*earlier, entries[place]] if showing == "whole" else []
            gone = gone or showing == "withdrawn"
        read = placed
    assert [one.sequence for one in heard] == sorted({one.sequence for one in heard})
    if sees(entries):
        assert heard == entries
        assert not gone
    elif heard:
        assert gone, "whoever was shown the record hears that it was withdrawn"


@given(roles, st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=8))
def test_whoever_reads_a_record_that_was_shielded_and_returned_has_it_all_in_the_end(names, visits):
    entries = recorded(names)
    heard, read, known = [], 0, 0
    for more, waiting in [*visits, (8, 0)]:
        known = min(known + more, len(entries))
        placed = max(read, known - waiting)
        for place in range(read, placed):
            showing, earlier = shown(Reading(SHARED), entries[:known], place, placed)
            heard = [] if showing == "withdrawn" else heard
            if showing == "whole":
                heard = [*earlier, entries[place]] if earlier else [*heard, entries[place]]
        read = placed
    if sees(entries):
        assert heard == entries
    else:
        assert heard == []


@given(roles, st.sampled_from(["operator", "agency"]))
def test_a_party_is_shown_everything_at_its_place(names, who):
    entries = recorded(names)
    viewer = Viewer("operator") if who == "operator" else Viewer("agency", frozenset({SOURCE}))
    for place in range(len(entries)):
        assert shown(Reading(viewer), entries, place) == ("whole", [])


@given(roles)
def test_an_auditor_is_shown_every_place(names):
    entries = recorded(names)
    for place in range(len(entries)):
        showing, earlier = shown(Reading(SHARED, leaves=True), entries, place)
        expected, brought = shown(Reading(SHARED), entries, place)
        assert (showing, earlier) == (expected or "leaf", brought)


def test_a_record_that_was_withdrawn_when_it_opened_is_never_mentioned():
    entries = recorded(["revokes", "opens", "corrects", "repairs"])
    assert [shown(Reading(SHARED), entries, place) for place in range(4)] == [(None, [])] * 4


def test_of_a_record_withdrawn_twice_the_first_time_is_told():
    entries = recorded(["opens", "repairs", "revokes"])
    assert [shown(Reading(SHARED), entries, place)[0] for place in range(3)] == [None, "withdrawn", None]


def only(*types, leaves=False, sources=None):
    return Reading(SHARED, Filter(types=frozenset(types) or None, sources=sources), leaves=leaves)


def test_a_filter_of_types_takes_what_an_event_brings_along():
    entries = recorded(["corrects", "opens"])
    assert shown(only("credit.record.corrected"), entries, 1) == ("whole", entries[:1])
    assert shown(only("credit.penalty.imposed"), entries, 1) == ("whole", entries[:1])
    assert shown(only("credit.honour.granted"), entries, 1) == (None, [])


def test_whoever_was_told_of_a_record_by_its_type_hears_of_its_withdrawal():
    entries = recorded(["opens", "corrects", "revokes", "objects"])
    for asked in (*(one.type for one in entries[:3]), *NOTICE_TYPES):
        assert shown(only(asked), entries, 2)[0] == "withdrawn"


def test_no_filter_of_types_tells_what_type_a_withdrawn_record_was_of():
    entries = recorded(["opens", "corrects", "revokes"])
    for leaves in (False, True):
        for place in range(3):
            ways = {shown(only(asked, leaves=leaves), entries, place)[0] for asked in CATALOGUE.types}
            assert ways == ({"withdrawn"} if place == 2 else {None})
    elsewhere = frozenset({"urn:agency:other"})
    assert shown(only(entries[0].type, sources=elsewhere), entries, 2)[0] is None


def test_a_filter_tells_an_auditor_no_more_of_what_is_hidden_than_its_leaf():
    entries = recorded(["corrects"])
    notice = Entry(99, "notice", "credit.record.expired", SOURCE, SOURCE)
    here, elsewhere = frozenset({SOURCE}), frozenset({"urn:agency:other"})
    assert shown(only(entries[0].type, leaves=True), entries, 0)[0] is None
    assert shown(only(leaves=True, sources=here), entries, 0)[0] == "leaf"
    assert shown(only(leaves=True, sources=elsewhere), entries, 0)[0] is None
    assert only(leaves=True, sources=here).show(notice, course(entries))[0] is None


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans()), max_size=200))
def test_until_when_a_checkpoint_is_complete_is_always_true_of_its_size(steps):
    """The log grows, is signed, and is looked at in any order; event n is recorded at second n."""
    known = Completeness()
    size = placed = 0
    for grows, idles, signs in steps:
        placed += grows
        size = placed if signs else size
        complete_until = START + timedelta(seconds=placed) if idles < 3 else None
        tip = known.learn(size, placed, complete_until)
        assert tip.size == size
        if tip.complete_until is not None:
            assert tip.complete_until <= START + timedelta(seconds=size)
        if signs and complete_until is not None:
            assert tip.complete_until == complete_until
    assert len(known._known) <= KNOWN_MAX + 1


def test_a_checkpoint_that_reaches_what_the_log_was_is_as_complete_as_that():
    known = Completeness()
    assert known.learn(10, 20, START).complete_until is None
    assert known.learn(15, 30, START + timedelta(seconds=1)).complete_until is None
    assert known.learn(25, 40, START + timedelta(seconds=2)).complete_until == START
    assert known.learn(30, 50, START + timedelta(seconds=3)).complete_until == START + timedelta(seconds=1)


def test_what_was_known_of_a_log_that_was_set_back_is_forgotten():
    known = Completeness()
    known.learn(30, 30, START)
    assert known.learn(10, 20, START).complete_until is None
    assert known.learn(20, 30, None).complete_until == START
