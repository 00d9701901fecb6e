"""Sixteen writers whose commits come late and out of order: the feed shows every event once, in order."""

import asyncio
import random
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import pytest

from creditsvc.errors import Refusal
from creditsvc.ledger.append import append
from creditsvc.ledger.feed_tips import Tips
from creditsvc.settings import Settings
from creditsvc.store.database import append_pool, connect, lookup_pool
from tests.chance import SEEDS
from tests.feeding import READERS, check_contents, feed_of, shown, slowly, well_formed, whole_log
from tests.making import OTHER_SOURCE, RULES, SOURCE, event
from tests.sequencing import sequenced, settled

WRITERS = 16
GROUPS = 8  # of each writer, a transaction each
SUBJECTS = [f"usdot:{n}" for n in range(1, 61)]
LONGEST_COMMIT_S = 0.3
NUMBERED = """
    create table numbered (id bigserial primary key, entity_id text, sequence bigint);
    create function number() returns trigger language plpgsql security definer
        set search_path = creditsvc, pg_temp as $$
    begin
        insert into numbered (entity_id, sequence) values (new.entity_id, new.sequence);
        return new;
    end
    $$;
    create trigger numbers after insert on event for each row execute function number();"""
BY_NUMBER = "select id as mark, entity_id, sequence from numbered where id > $1 order by id"
BY_TIME = """
    select recorded_at as mark, entity_id, sequence from event where recorded_at > $1
    order by recorded_at, entity_id, sequence"""


async def write(pool, number, chance):
    """Transactions that have entered their events, and commit when they please."""
    for n in range(GROUPS):
        source = chance.choice([SOURCE, OTHER_SOURCE])
        events = []
        for subject in chance.sample(SUBJECTS, 3):
            record = f"R{number}-{n}"
            kinds = [event("honour.granted", record, subject=subject, source=source)]
            changes = {"title": "改"}
            kinds.append(
                event(
                    "record.corrected", record, subject=subject, source=source, reason="更正", changes=changes
                )
            )
            events += kinds if chance.random() < 0.5 else kinds[::-1]
        async with pool.acquire() as connection, connection.transaction():
            outcomes = await append(connection, events, RULES)
            assert not any(isinstance(one, Refusal) for one in outcomes), outcomes
            await asyncio.sleep(chance.random() ** 2 * LONGEST_COMMIT_S)


class Watermark:
    """What many do: read all that is greater than the greatest read so far."""

    def __init__(self, query, mark):
        self.query, self.mark = query, mark
        self.found = []

    async def follow(self, connection, done):
        while True:
            last = done.is_set()
            for row in await connection.fetch(self.query, self.mark):
                self.mark = row["mark"]
                self.found.append((row["entity_id"], row["sequence"]))
            if last:
                return
            await asyncio.sleep(0.005)


async def follow(pool, reading, limit, done, seen):
    """Read the feed as the interface does: wait for a checkpoint, read up to it, and on."""
    tips, feed = Tips(pool, lambda: False), feed_of(pool)
    items, start = [], 0
    try:
        while True:
            tip = await tips.look()
            if start == tip.size:
                if done.is_set() and tip.size == done.size:
                    return items
                seen.add(tip)
                tip = await tips.beyond(tip, "key", 0.2, lambda: False)
            seen.add(tip)
            page = await feed.page(reading, start, tip.size, limit=limit)
            assert start <= page.next <= tip.size
            items += well_formed(page.items)
            start = page.next
    finally:
        await tips.close()


class Done(asyncio.Event):
    """That all has been written, and how long the log is then."""

    size = -1


@pytest.mark.parametrize("seed", SEEDS)
async def test_every_event_once_and_in_order_however_late_it_is_committed(database, tmp_path, seed):
    connection = await connect(database)
    await connection.execute(NUMBERED)
    written, done = asyncio.Event(), Done()
    by_number, by_time = Watermark(BY_NUMBER, 0), Watermark(BY_TIME, datetime(2000, 1, 1, tzinfo=UTC))
    seen = set()
    settings = Settings(append_connections=WRITERS, lookup_connections=8)
    async with AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(sequenced(database, tmp_path))
        appending = await stack.enter_async_context(await append_pool(database, settings))
        looking = await stack.enter_async_context(await lookup_pool(database, settings))
        second = await connect(database)
        stack.push_async_callback(second.close)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(by_number.follow(connection, written))
            tasks.create_task(by_time.follow(second, written))
            readers = {
                who: tasks.create_task(follow(looking, reading, 7 * (place + 1), done, seen))
                for place, (who, reading) in enumerate(READERS.items())
            }
            async with asyncio.TaskGroup() as writing:
                for number in range(WRITERS):
                    chance = random.Random(seed * WRITERS + number)
                    writing.create_task(write(appending, number, chance))
            written.set()
            done.size = await settled(database)
            done.set()
    log = await whole_log(database)
    stored = {(row["entity_id"], row["sequence"]) for row in await connection.fetch("select * from event")}
    await connection.close()
    assert len(stored) == WRITERS * GROUPS * 6
    # The race is there: whoever reads by a number or a time loses some of it for good.
    assert len(set(by_number.found)) < len(stored)
    assert len(set(by_time.found)) < len(stored)
    # The log has each once, and so have its readers, in its order and in each organisation's.
    assert len(log) == len(stored)
    assert {(row["entity_id"], row["sequence"]) for row in log} == stored
    last = {}
    for row in log:
        assert row["sequence"] == last.get(row["entity_id"], 0) + 1
        last[row["entity_id"]] = row["sequence"]
    told = [tip for tip in seen if tip.complete_until is not None]
    assert len(told) > 3
    for tip in told:
        late = [row for row in log[tip.size :] if row["recorded_at"] < tip.complete_until]
        assert not late, "complete until then, it said, at this size"
    for who, reader in readers.items():
        items = reader.result()
        assert [shown(item) for item in items] == slowly(log, READERS[who])
        check_contents(items, log)
    assert [item["position"] for item in readers["operator"].result()] == list(range(len(log)))
