"""Statistics: each event counted once wherever counting is cut off; what is counted follows from the log."""

import asyncio
import random
import re
from collections import Counter
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from creditsvc.ledger import fsck, statistics
from creditsvc.ledger.statistics import Cell, Statistics, read, total
from creditsvc.settings import Settings
from creditsvc.store.database import connect, lookup_pool, sequence_pool
from tests.faults import ERRORS, Faults, faulty_pools
from tests.making import ENTITY, OTHER_ENTITY, event, ledger
from tests.processes import PATIENCE_S
from tests.sequencing import entity, sequencer

KINDS = ("penalty.imposed", "inspection.completed", "licence.granted", "honour.granted")
HIDDEN = {"severity": "minor", "decided_on": "2026-06-01"}  # not for the public
NOW = timedelta(0)
OPERATIONS = Path(__file__).parents[3] / "docs/operations.md"


@asynccontextmanager
async def counting(dsn, **given):
    """Counting to be driven step by step."""
    async with await sequence_pool(dsn, Settings()) as pool:
        yield Statistics(pool, grades_every=NOW, **given)


@asynccontextmanager
async def owner(dsn):
    connection = await connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


async def counted(dsn):
    async with owner(dsn) as connection:
        return {
            (row["month"].isoformat(), row["type"]): row["events"]
            for row in await connection.fetch("select month, type, events from statistic")
        }


async def in_full(dsn):
    """The same by one count over everything; all that these tests push is of one time zone."""
    async with owner(dsn) as connection:
        rows = await connection.fetch(
            "select date_trunc('month', time at time zone 'America/New_York')::date as month, type,"
            " count(*) as events from event where touches_public group by 1, 2"
        )
    return {(row["month"].isoformat(), row["type"]): row["events"] for row in rows}


async def push(writer, number, chance, first=0):
    """Events of many months and types, some of which the public never sees."""
    events = []
    for n in range(first, first + number):
        kind = chance.choice(KINDS)
        given = {"severity": "minor" if n % 3 else "serious"} if kind == "penalty.imposed" else {}
        time = f"202{chance.randrange(6)}-{chance.randrange(1, 13):02}-01T0{chance.randrange(10)}:00:00Z"
        events.append(event(kind, f"N{n}", subject=entity(n % 9), time=time, **given))
    outcomes = await writer.submit(events)
    assert not [one for one in outcomes if isinstance(one, Exception)]


async def test_counts_are_those_of_a_full_count(database, tmp_path):
    chance = random.Random(7)
    async with (
        ledger(database) as (writer, _),
        sequencer(database, tmp_path, batch=40) as log,
        counting(database, batch=16) as one,
        counting(database, batch=9) as other,
    ):
        await asyncio.gather(one.begin(), other.begin())
        for first in range(0, 300, 100):
            await push(writer, 100, chance, first)
            while await log.drain():
                await asyncio.gather(one.count_events(), other.count_events())
        while any(await asyncio.gather(one.count_events(), other.count_events())):
            pass
    whole = await in_full(database)
    assert await counted(database) == whole
    assert 0 < sum(whole.values()) < 300, "some are not for the public"
    async with owner(database) as connection:
        assert await connection.fetchval(
            "select position = (select size from log_state) from statistic_state"
        )


# What operators are told to do.
ANEW = re.search(r"```sql\n(.*?statistic_state.*?)```", OPERATIONS.read_text(encoding="utf-8"), re.DOTALL)[1]
TAMPERING = {
    "one too many": (
        (
            "update statistic set events = events + 1"
            " where (month, type) = (select month, type from statistic limit 1)"
        ),
        r"statistics: credit\.\S+ in 20\d\d-\d\d: (\d+) are counted, and there are (\d+)",
    ),
    "one removed": (
        "delete from statistic where (month, type) = (select month, type from statistic limit 1)",
        r"statistics: credit\.\S+ in 20\d\d-\d\d: 0 are counted, and there are [1-9]\d*",
    ),
    "one that never was": (
        "insert into statistic values ('1999-01-01', 'credit.penalty.imposed', 7)",
        r"statistics: credit\.penalty\.imposed in 1999-01: 7 are counted, and there are 0",
    ),
    "counted beyond the log": (
        "update statistic_state set position = position + 1_000",
        r"statistics: are counted up to position \d+, where the log does not reach",
    ),
}


@pytest.mark.parametrize("name", TAMPERING)
async def test_fsck_counts_again(database, tmp_path, name):
    tampering, fault = TAMPERING[name]
    async with (
        ledger(database) as (writer, _),
        sequencer(database, tmp_path) as log,
        counting(database, batch=20) as one,
        owner(database) as connection,
    ):
        await one.begin()
        await push(writer, 60, random.Random(3))
        await log.drain()
        for whole in (False, True):  # part of the log is counted, then all of it
            await one.count_events()
            while whole and await one.count_events():
                pass
            assert await fsck.check(database, progress=lambda done, total: None) == []
        await connection.execute(tampering)
        (found,) = await fsck.check(database, progress=lambda done, total: None)
        assert re.fullmatch(fault, found), found
        await connection.execute(ANEW)
        while await one.count_events():
            pass
        assert await fsck.check(database, progress=lambda done, total: None) == []


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("error", ["does not exist", "timeout"])
async def test_killed_between_any_two_steps_each_is_counted_once(
    database, tmp_path, monkeypatch, when, error
):
    faults, chance = Faults(), random.Random(11)
    async with ledger(database) as (writer, _), sequencer(database, tmp_path) as log:
        faulty_pools(monkeypatch, faults)
        async with counting(database, batch=10, page=4) as dying:
            await dying.begin()
            at, hits = 1, 0
            while True:
                await push(writer, 20, chance, 20 * at)
                await log.drain()
                faults.set(at, when, ERRORS[error])
                try:
                    await dying.count_events()
                    await dying.count_grades()
                    await dying.count_events()
                    await dying.count_grades()
                except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                    hits += 1
                was_hit = faults.hit
                faults.heal()
                if not was_hit:
                    break
                at += 1
            while await dying.count_events():
                pass
            while await dying.count_grades():  # the one that was cut off
                pass
            while await dying.count_grades():
                pass
    assert hits >= 15, "every call of the steps has failed once"
    assert await counted(database) == await in_full(database)
    async with owner(database) as connection:
        counts = await read(connection, None)
        assert sum(counts.grades.values()) == await connection.fetchval(
            "select count(*) from entity where public_profile is not null"
        )


async def test_a_month_is_that_of_where_the_organisation_is(database, tmp_path):
    async with ledger(database) as (writer, _), sequencer(database, tmp_path) as log:
        await writer.submit(
            [
                event("honour.granted", f"H{n}", subject=who, time="2026-02-28T23:30:00Z")
                for n, who in enumerate((ENTITY, OTHER_ENTITY, entity(1)))
            ]
        )
        await log.drain()
        async with counting(database) as one:
            await one.begin()
            await one.count_events()
    months = Counter({month: events for (month, _), events in (await counted(database)).items()})
    assert months == {"2026-03-01": 2, "2026-02-01": 1}, "it is March in China and in France"


async def test_what_the_public_never_saw_is_counted_nowhere(database, tmp_path):
    async with ledger(database) as (writer, _), sequencer(database, tmp_path) as log:
        await writer.submit(
            [event("penalty.imposed", f"P{n}", subject=entity(n), **HIDDEN) for n in range(9)]
        )
        await log.drain()
        async with counting(database, page=2) as one:
            await one.begin()
            await one.count_events()
            while await one.count_grades():
                pass
    async with await lookup_pool(database, Settings()) as pool, pool.acquire() as connection:
        counts = await read(connection, None)
    assert (counts.position, counts.types, counts.grades) == (9, {}, {})


async def test_grades_are_those_that_the_public_sees(database, tmp_path):
    async with ledger(database) as (writer, reader), sequencer(database, tmp_path):
        await writer.submit(
            [event("inspection.completed", f"I{n}", subject=entity(n)) for n in range(7)]
            + [event("penalty.imposed", "P", subject=entity(0), severity="serious", decided_on="2026-06-01")]
        )
        async with counting(database, page=3) as one:
            await one.begin()
            pages = 1
            while await one.count_grades():
                pages += 1
        seen = Counter()
        for number in range(7):
            profile = await reader.public_profiles.get(entity(number))
            seen[statistics.orjson.loads(profile.profile)["score"]["grade"]] += 1
    async with owner(database) as connection:
        counts = await read(connection, None)
    assert (counts.grades, pages) == (dict(seen), 3)


async def test_it_runs_beside_until_it_is_stopped(database, tmp_path, monkeypatch):
    monkeypatch.setattr(statistics, "PAUSE_S", 0.02)
    async with (
        ledger(database) as (writer, _),
        sequencer(database, tmp_path) as log,
        counting(database) as one,
    ):
        running = asyncio.create_task(one.run())
        await push(writer, 50, random.Random(3))
        await log.drain()
        async with asyncio.timeout(PATIENCE_S):
            while await counted(database) != await in_full(database):  # noqa: ASYNC110  another connection's work
                await asyncio.sleep(0.02)
        running.cancel()
    assert await counted(database)


def test_small_cells_are_not_told_and_no_sum_gives_them_away():
    assert [Cell.of(n).shown for n in (0, 1, 4, 5, 6)] == [0, None, None, 5, 6]
    assert total(map(Cell.of, (7, 3, 0, 9))) == Cell(16)
    assert total(map(Cell.of, (3, 4))) == Cell(None)
    assert total(()) == Cell(0)
