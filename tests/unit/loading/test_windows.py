"""From rows to what is sent: corrections of repeated rows, and the order in which things go out."""

from itertools import pairwise

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditsvc.errors import Violation
from creditsvc.loading.mapping import FileMapping
from creditsvc.loading.reading import SourceRow
from creditsvc.loading.repeats import RepeatFinder, digest_of
from creditsvc.loading.windows import Sending, Settled, batches, prepared, windows

MAPPING = FileMapping.parse("""
[event]
id = "{no}/{seen}"
source = "urn:agency:example"
type = "credit.inspection.completed"
subject = "siren:{siren}"
time = { from = "{day}", instant = "%Y-%m-%d", zone = "Europe/Paris" }
[event.data]
record = "{no}"
outcome = "{outcome}"
site = { name = "{site?}", locality = "{town?}" }
[repeat]
time = { from = "{seen}", instant = "%Y-%m-%d", zone = "Europe/Paris" }
reason = "published again on {seen}"
""")


def row(number, no="A", outcome="good", seen="2017-04-11", siren="552081317", **more):
    values = {"no": no, "outcome": outcome, "seen": seen, "siren": siren, "day": "2017-03-02", **more}
    return SourceRow(number, values)


def ready(rows, after=0):
    finder = RepeatFinder(0)
    for one in rows:
        identity = MAPPING.identity(one.values) if one.fault is None else None
        if identity is not None:
            finder.see(digest_of(identity))
    return list(prepared(MAPPING, rows, finder.repeated, after))


def event(sending):
    assert isinstance(sending, Sending)
    return orjson.loads(sending.content)


def test_repeated_row_becomes_the_correction_of_its_record():
    rows = [
        row(1, site="Shop"),
        row(2, no="B"),
        row(3, outcome="bad", seen="2017-06-07", town="Brest"),
        row(4, outcome="bad", seen="2017-07-01", siren="552 081 317"),
    ]
    first, other, second, third = map(event, ready(rows))
    assert first["type"] == other["type"] == "credit.inspection.completed"
    assert second == first | {
        "id": "A/2017-06-07",
        "type": "credit.record.corrected",
        "time": "2017-06-07T00:00:00+02:00",
        "data": {
            "record": "A",
            "reason": "published again on 2017-06-07",
            "changes": {"outcome": "bad", "site": {"locality": "Brest"}},
        },
    }
    assert third["data"]["changes"] == {"site": None}, "against the row before, not against the first"


def test_row_that_changes_nothing_is_not_sent():
    assert [type(one) for one in ready([row(1), row(2, seen="2017-06-07")])] == [Sending, Settled]


def test_same_number_of_another_organisation_is_another_record():
    kinds = [event(one)["type"] for one in ready([row(1), row(2, siren="732829320", outcome="bad")])]
    assert kinds == ["credit.inspection.completed"] * 2


def test_row_that_was_rejected_is_not_what_the_next_one_is_compared_with():
    rows = [row(1), row(2, outcome="bad", seen="yesterday"), row(3, outcome="bad", seen="2017-07-01")]
    _, refused, corrected = ready(rows)
    assert isinstance(refused, Settled)
    assert refused.outcome.violations[0].pointer == "/time"
    assert event(corrected)["data"]["changes"] == {"outcome": "bad"}


def test_fault_of_reading_rejects_the_row_and_no_other():
    fault = Violation("", "row-malformed", "…")
    got = ready([row(1), SourceRow(2, {}, fault), row(3, no="B")])
    assert [one.outcome.violations for one in got if isinstance(one, Settled)] == [(fault,)]


@given(
    st.lists(st.tuples(st.sampled_from("ABC"), st.sampled_from("xyz")), max_size=30),
    st.integers(min_value=0, max_value=30),
)
def test_taking_up_a_load_anywhere_sends_the_same(told, after):
    rows = [row(n, no=no, outcome=outcome, seen=f"2017-05-{n:02}") for n, (no, outcome) in enumerate(told, 1)]
    assert ready(rows, after) == [one for one in ready(rows) if one.row > after]


@given(st.lists(st.sampled_from("ABCDEFGH"), max_size=60), st.integers(1, 5), st.integers(1, 9))
def test_dealing_out_loses_nothing_and_keeps_the_order_of_each_organisation(entities, lanes, rows_max):
    sendings = [Sending(n, entity, b"{}") for n, entity in enumerate(entities, 1)]
    seen = []
    for window in windows(sendings, rows_max):
        assert 1 <= window.rows <= rows_max
        dealt = [[one for batch in batches(lane, 3, 10**6) for one in batch] for lane in window.lanes(lanes)]
        for entity in set(entities):
            in_lanes = [lane for lane in dealt if any(one.entity == entity for one in lane)]
            assert len(in_lanes) <= 1
        assert all(a.row < b.row for lane in dealt for a, b in pairwise(lane))
        seen += [one.row for lane in dealt for one in lane]
    assert sorted(seen) == [one.row for one in sendings]


def test_batches_hold_to_both_limits():
    lane = [Sending(n, "e", b"x" * size) for n, size in enumerate([40, 40, 40, 500, 10], 1)]
    assert [[one.row for one in batch] for batch in batches(lane, 2, 100)] == [[1, 2], [3], [4], [5]]


@pytest.mark.parametrize("file_bytes", [0, 10**9])
def test_finder_misses_no_repeated_row_and_names_few_others(file_bytes):
    finder = RepeatFinder(file_bytes)
    digests = [digest_of(("s", "t", "e", str(n))) for n in range(5_000)]
    for digest in digests + digests[::50]:
        finder.see(digest)
    assert set(digests[::50]) <= finder.repeated
    assert len(finder.repeated) < 200
