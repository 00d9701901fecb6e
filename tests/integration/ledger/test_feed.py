"""The change feed over a real log: what each reader is shown, page by page, and what a page costs."""

import asyncio
import random

import orjson
import pytest

from creditsvc.errors import Internal, RateLimited
from creditsvc.ledger import feed as feed_module
from creditsvc.ledger.feed import BYTES_MAX, SCAN_MAX
from creditsvc.ledger.feed_items import EARLIER_BYTES_MAX, ITEM_BYTES
from creditsvc.ledger.feed_rules import Filter, Reading
from creditsvc.store.database import connect
from creditsvc.verifier.log import parse_checkpoint
from creditsvc.verifier.tree import root_of
from tests.chance import SEEDS
from tests.feeding import (
    READERS,
    SHARED,
    check_contents,
    feed_of,
    feeding,
    notice_of,
    read_all,
    shown,
    slowly,
    well_formed,
    whole_log,
)
from tests.making import CATALOGUE, ENTITY, OTHER_ENTITY, OTHER_SOURCE, SOURCE, event, ledger
from tests.sequencing import sequenced, settled

PARTNER = READERS["partner"]


@pytest.fixture
async def log(database, tmp_path):
    """Record groups of events one after the other, and wait until the log has them; then the feed."""
    async with (
        sequenced(database, tmp_path),
        ledger(database) as (writer, _),
        await feeding(database) as pool,
    ):

        async def enter(*groups):
            for group in groups:
                for outcome in await writer.submit(group if isinstance(group, list) else [group]):
                    assert outcome.status == "accepted", outcome
            return await settled(database)

        enter.feed = feed_of(pool)
        enter.writer = writer
        enter.dsn = database
        yield enter


def penalty(record="P1", **given):
    return event("penalty.imposed", record, severity="minor", decided_on="2026-06-01", **given)


def corrected(record="P1", **given):
    return event("record.corrected", record, reason="更正", changes={"title": "改"}, **given)


def revoked(record="P1", **given):
    return event("record.revoked", record, reason="撤销", **given)


async def test_what_was_awaited_comes_with_what_opens_its_record(log):
    size = await log(corrected(), event("objection.opened", "P1"), penalty(), corrected())
    items = await read_all(log.feed, PARTNER, size)
    assert [shown(item) for item in items] == [(2, ["event"], [0, 1]), (3, ["event"], [])]
    check_contents(items, await whole_log(log.dsn))
    for who in ("agency", "operator"):
        items = await read_all(log.feed, READERS[who], size)
        assert [shown(item) for item in items] == [(n, ["event"], []) for n in range(4)]
    items = await read_all(log.feed, READERS["auditor"], size)
    assert [shown(item) for item in items] == [
        (0, ["leaf"], []),
        (1, ["leaf"], []),
        (2, ["event"], [0, 1]),
        (3, ["event"], []),
    ]


async def test_who_was_shown_a_record_is_told_that_it_was_withdrawn_and_nothing_else(log):
    read = await log(penalty(), corrected())
    before = await read_all(log.feed, PARTNER, read)
    size = await log(revoked(id="r1"), corrected(), event("record.repaired", "P1"))
    after = await read_all(log.feed, PARTNER, size, start=read)
    assert [shown(item) for item in before + after] == [
        (0, ["event"], []),
        (1, ["event"], []),
        (2, ["withdrawn"], []),
    ]
    assert after[0]["withdrawn"]["type"] == "credit.record.revoked"
    assert "撤销" not in str(after)
    # Whoever comes later reads the same of it, and nothing of what it was.
    assert await read_all(log.feed, PARTNER, size) == after


async def test_a_withdrawal_that_has_no_checkpoint_yet_hides_at_once(database, tmp_path):
    async with ledger(database) as (writer, _), await feeding(database) as pool:
        async with sequenced(database, tmp_path):
            await writer.submit([penalty()])
            size = await settled(database)
        assert len((await feed_of(pool).page(PARTNER, 0, size, limit=9)).items) == 1
        await writer.submit([revoked()])
        assert (await feed_of(pool).page(PARTNER, 0, size, limit=9)).items == []


async def test_what_was_withdrawn_when_it_opened_is_never_mentioned(log):
    size = await log(revoked(), penalty(), corrected())
    assert await read_all(log.feed, PARTNER, size) == []
    assert [shown(item)[1] for item in await read_all(log.feed, READERS["auditor"], size)] == [["leaf"]] * 3
    assert len(await read_all(log.feed, READERS["operator"], size)) == 3


async def test_notices_are_shown_to_whoever_sees_the_record_now(log):
    await log(penalty(), penalty("P2"), corrected("P3"))
    for record in ("P1", "P2"):
        await notice_of(log.dsn, ENTITY, record)
    size = await log(revoked("P2"))
    stored = await whole_log(log.dsn)
    for reading in READERS.values():
        items = await read_all(log.feed, reading, size)
        assert [shown(item) for item in items] == slowly(stored, reading)
        check_contents(items, stored)
    items = await read_all(log.feed, PARTNER, size)
    assert [item["event"]["data"]["record"] for item in items if "notice" in item] == ["P1"]


async def test_filters_leave_out_and_never_skip(log):
    size = await log(
        [penalty(), penalty(subject=OTHER_ENTITY, source=OTHER_SOURCE)],
        [corrected("H"), event("honour.granted", "H")],
        [penalty("P9", subject=OTHER_ENTITY), revoked("P9", subject=OTHER_ENTITY)],
    )
    stored = await whole_log(log.dsn)
    everything = await read_all(log.feed, PARTNER, size)

    async def places(**asked):
        reading = Reading(SHARED, Filter(**{name: frozenset(value) for name, value in asked.items()}))
        page = await log.feed.page(reading, 0, size, limit=1000)
        assert page.next == size
        items = well_formed(page.items)
        assert all(item in everything for item in items)
        return {item["position"] for item in items}

    of = {(row["entity_id"], row["record"], row["type"].split(".")[2]): row["position"] for row in stored}
    gone = of[OTHER_ENTITY, "P9", "revoked"]
    others = {row["position"] for row in stored if row["entity_id"] == OTHER_ENTITY} - {
        of[OTHER_ENTITY, "P9", "imposed"]
    }
    assert await places(entities=[OTHER_ENTITY]) == others
    assert await places(entities=[OTHER_ENTITY, ENTITY]) == {item["position"] for item in everything}
    assert await places(sources=[OTHER_SOURCE]) == {
        row["position"] for row in stored if row["source"] == OTHER_SOURCE
    }
    assert await places(types=["credit.record.corrected"]) == {of[ENTITY, "H", "granted"], gone}
    assert await places(types=["credit.honour.granted"]) == {of[ENTITY, "H", "granted"], gone}
    assert gone in await places(types=["credit.penalty.imposed"])
    for nothing in ("credit.record.expired", "credit.record.revoked", "credit.tax.examined"):
        assert await places(types=[nothing]) == {gone}
    assert await places(entities=["usdot:1"]) == set()
    assert await places(entities=[ENTITY], sources=[OTHER_SOURCE]) == set()


def befalls(chance, number, subject, source):
    """What befalls a record, in an order that makes sense."""
    common = {"subject": subject, "source": source}
    found = [
        penalty(number, **common) if chance.random() < 0.7 else event("honour.granted", number, **common)
    ]
    for n in range(chance.choice([0, 0, 1, 2, 4])):
        later = {**common, "time": f"2026-07-{10 + n}T00:00:00Z"}
        match chance.choice(["corrected", "corrected", "objected", "revoked", "repaired"]):
            case "corrected":
                found.append(corrected(number, **later))
            case "objected":
                found.append(event("objection.opened", number, objection=f"O{n}", **later))
            case "revoked":
                found.append(revoked(number, **later))
            case _ if found[0].type == "credit.penalty.imposed":
                found.append(event("record.repaired", number, **later))
            case _:
                found.append(corrected(number, **later))
    return found


class Follower:
    """Reads on and on while things happen, pages of any length, and keeps what it was shown."""

    def __init__(self, feed, reading, chance):
        self.feed, self.reading, self.chance = feed, reading, chance
        self.items = []
        self.next = 0

    async def read_on(self, size):
        while self.next < size:
            page = await self.feed.page(
                self.reading, self.next, size, limit=self.chance.choice([1, 2, 7, 100])
            )
            self.items += well_formed(page.items)
            self.next = page.next

    def check(self, log):
        """Nothing twice or out of order; all of what is on show, and the end of what is not any more."""
        positions = [item["position"] for item in self.items]
        assert positions == sorted(set(positions))
        whole = [
            one["position"]
            for item in self.items
            for one in (item, *item.get("earlier", ()))
            if "event" in one
        ]
        assert len(whole) == len(set(whole))
        must = {
            place
            for position, ways, brought in slowly(log, self.reading)
            for place in (position, *brought)
            if "event" in ways
        }
        assert must <= set(whole)
        told = {item["position"] for item in self.items if "withdrawn" in item}
        ends = {position: ways for position, ways, _ in slowly(log, self.reading) if "withdrawn" in ways}
        assert told == set(ends)
        ended = {(log[place]["entity_id"], log[place]["record"], log[place]["source"]) for place in told}
        for place in set(whole) - must:
            row = log[place]
            assert (row["entity_id"], row["record"], row["source"]) in ended, "shown once, and not taken back"
        if self.reading.leaves or self.reading.viewer.who == "operator":
            assert positions == list(range(len(log)))


@pytest.mark.parametrize("seed", SEEDS)
async def test_whatever_happens_everybody_is_shown_what_the_rules_say(log, seed):
    chance = random.Random(seed)
    subjects = [ENTITY, OTHER_ENTITY, "usdot:830331"]
    events = [
        one
        for n in range(40)
        for one in befalls(chance, f"R{n}", chance.choice(subjects), chance.choice([SOURCE, OTHER_SOURCE]))
    ]
    for _ in range(len(events)):  # many come before what they amend
        here = chance.randrange(len(events))
        there = min(len(events) - 1, here + chance.randint(0, 6))
        events[here], events[there] = events[there], events[here]
    events = [one for one in events if chance.random() < 0.95]  # some wait for ever
    followers = [Follower(log.feed, reading, random.Random(seed)) for reading in READERS.values()]
    size = 0
    while events:
        length = chance.choice([1, 3, 10])
        group, events = events[:length], events[length:]
        await log.writer.submit(group)
        if chance.random() < 0.3:
            opened = [row for row in await whole_log(log.dsn) if row["type"] == "credit.penalty.imposed"]
            if opened:
                row = chance.choice(opened)
                await notice_of(log.dsn, row["entity_id"], row["record"], row["source"])
        if chance.random() < 0.5:
            size = await settled(log.dsn)
        await asyncio.gather(*(one.read_on(size) for one in followers if chance.random() < 0.7))
    size = await settled(log.dsn)
    stored = await whole_log(log.dsn)
    assert len(stored) == size
    for one in followers:
        await one.read_on(size)
        one.check(stored)
        check_contents(one.items, stored)
        limit = chance.choice([1, 3, 1000])
        items = await read_all(log.feed, one.reading, size, limit=limit)
        assert [shown(item) for item in items] == slowly(stored, one.reading)
    connection = await connect(log.dsn)
    note = await connection.fetchval("select note from log_checkpoint where size = $1", size)
    await connection.close()
    auditor = next(one for one in followers if one.reading.leaves)
    leaves = [stored[item["position"]]["leaf_hash"] for item in auditor.items]
    assert root_of(leaves) == parse_checkpoint(note).root


def long_texts(*names):
    return {name: "长" * CATALOGUE.fields[name].limits["max_length"] for name in names}


async def test_a_page_is_bounded_in_bytes_and_what_it_leaves_comes_next(log):
    texts = long_texts("title", "note", "basis", "reason", "content")
    events = [event("honour.granted", "H", subject=f"usdot:{n}", **texts) for n in range(1, 401)]
    size = await log(*(events[n : n + 80] for n in range(0, 400, 80)))
    page = await log.feed.page(PARTNER, 0, size, limit=1000)
    contents = [len(row["content"]) for row in await whole_log(log.dsn)]
    written = sum(contents[: page.next]) + ITEM_BYTES * page.next
    assert written <= BYTES_MAX < written + contents[page.next] + ITEM_BYTES
    assert len(orjson.dumps(page.items)) <= BYTES_MAX
    rest = await read_all(log.feed, PARTNER, size, limit=1000, start=page.next)
    assert len(page.items) + len(rest) == size == 400


async def test_very_many_earlier_events_come_by_name_alone(log):
    texts = long_texts("note", "reason")
    changes = long_texts("title", "note", "basis", "facts", "content")
    waiting = [event("record.corrected", "P1", changes=changes, **texts) for _ in range(120)]
    size = await log(waiting[:60], waiting[60:], penalty())
    (item,) = await read_all(log.feed, PARTNER, size)
    whole = [one for one in item["earlier"] if "event" in one]
    assert [one["position"] for one in item["earlier"]] == list(range(120))
    stored = await whole_log(log.dsn)
    contents = sum(len(row["content"]) for row in stored[: len(whole)])
    assert contents <= EARLIER_BYTES_MAX < contents + len(stored[0]["content"])
    assert whole == item["earlier"][: len(whole)]
    check_contents([item], stored)


async def test_records_of_very_many_events_bound_a_page_too(log, monkeypatch):
    monkeypatch.setattr(feed_module, "GROUP_EVENTS", 20)
    monkeypatch.setattr(feed_module, "EVENTS_MAX", 50)
    size = await log(*([penalty(f"P{n}"), *(corrected(f"P{n}") for _ in range(9))] for n in range(12)))
    charged = []
    page = await log.feed.page(PARTNER, 0, size, limit=1000, charge=charged.append)
    assert 0 < page.next < size
    assert [item["position"] for item in page.items] == list(range(page.next))
    assert sum(charged) >= page.next / 100
    rest = await read_all(log.feed, PARTNER, size, limit=1000, start=page.next)
    assert len(page.items) + len(rest) == size == 120


async def test_whoever_has_spent_their_limit_gets_what_was_found_by_then(log):
    size = await log([penalty(f"P{n}") for n in range(40)])

    def charging(most):
        spent = []

        def charge(units):
            if units == 0:
                return
            if len(spent) == most:
                raise RateLimited("spent")
            spent.append(units)

        return charge

    with pytest.raises(RateLimited):
        await log.feed.page(PARTNER, 0, size, limit=10, charge=charging(0))
    reading = Reading(SHARED, Filter(types=frozenset({"credit.honour.granted"})))
    page = await log.feed.page(reading, 0, size, limit=10, charge=charging(1))
    assert (page.items, page.next) == ([], 10)


async def charge_of(log, size, **given):
    """What a page comes to for a partner who asks for one organisation: its items, and the charge."""
    charged = []
    reading = Reading(SHARED, Filter(entities=frozenset({OTHER_ENTITY})))
    page = await log.feed.page(reading, 0, size, charge=charged.append, **given)
    return [item["position"] for item in page.items], round(sum(charged), 6)


async def test_what_a_page_is_charged_does_not_tell_what_it_hides(log):
    other = {"subject": OTHER_ENTITY}
    size = await log(*([penalty(f"P{n}")] for n in range(3)), [penalty(f"Q{n}") for n in range(300)])
    nothing = await charge_of(log, size, limit=100)
    assert nothing == ([], 0.303)
    size += 60
    hidden = [corrected("W", **other) for _ in range(60)]
    assert await log(hidden) == size
    assert await charge_of(log, size, limit=100) == ([], 0.363)
    await log(penalty("S", **other), [corrected("W", **other) for _ in range(30)])
    for end, limit in ((size + 1, 100), (size + 1, 1), (size + 31, 1)):
        assert await charge_of(log, end, limit=limit) == ([size], round(end / 1000 + 0.01, 6))
    whole = []
    await log.feed.page(PARTNER, 0, size, limit=1000, charge=whole.append)
    assert round(sum(whole), 6) == size / 100


async def test_a_request_looks_at_so_many_positions_and_no_more(log, monkeypatch):
    monkeypatch.setattr(feed_module, "SCAN_MAX", 30)
    size = await log([penalty(f"P{n}") for n in range(70)], event("honour.granted", "H"))
    for asked in (
        Filter(types=frozenset({"credit.honour.granted"})),
        Filter(entities=frozenset({OTHER_ENTITY})),
    ):
        nexts, start = [], 0
        while start < size:
            start = (await log.feed.page(Reading(SHARED, asked), start, size, limit=100)).next
            nexts.append(start)
        assert nexts == [30, 60, 71]
    assert SCAN_MAX == 10_000


async def test_what_the_log_names_and_nobody_stored_is_not_passed_over(log):
    size = await log(penalty(), penalty("P2"))
    connection = await connect(log.dsn)
    await connection.execute("alter table event disable trigger user")
    await connection.execute("delete from event where sequence = 2")
    await connection.close()
    with pytest.raises(Internal):
        await log.feed.page(PARTNER, 0, size, limit=10)
