"""Erasing on a real database: what is gone, what is kept, and that the log proves what it proved before."""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from creditsvc.domain.canonical import leaf_hash
from creditsvc.domain.views import Viewer
from creditsvc.errors import EventConflict, EventInvalid
from creditsvc.ledger import measures
from creditsvc.ledger.entries import leaf_of
from creditsvc.ledger.erasing import Erasing
from creditsvc.ledger.feed_rules import Reading
from creditsvc.settings import Settings
from creditsvc.store.database import append_pool, erase_pool, lookup_pool, sequence_pool
from creditsvc.store.migrations import migrate, rollback
from tests.checking import Log, found, owner
from tests.erasing import (
    IN_FORCE,
    KEPT,
    OLD,
    PATIENT,
    REPAIRED,
    SOON,
    THEN,
    erase,
    old_log,
    resign,
    rows,
)
from tests.feeding import feed_of, feeding, read_all
from tests.making import ENTITY, OTHER_ENTITY, SOURCE, event, ledger
from tests.processes import PATIENCE_S
from tests.sequencing import sequencer

INSERT = """insert into erasure select entity_id, kind, 99, record, source, commitment, name, status, public,
    touched_public, retired_from from erasure where kind = 'event' limit 1"""
CUT = """select pg_terminate_backend(pid) from pg_stat_activity
    where application_name = 'creditsvc erase' and wait_event_type = 'Lock'"""
CONTENTS = "select sequence from event where entity_id = $1 and content is not null order by sequence"


@pytest.fixture
async def log(database, tmp_path, monkeypatch):
    return await old_log(database, tmp_path, monkeypatch)


async def test_an_older_database_learns_when_its_records_retire(database, tmp_path):
    async with sequencer(database, tmp_path) as one:
        async with ledger(database) as (writer, _):
            await writer.submit([*REPAIRED, *KEPT])
        await one.drain()
        await one.sign()
    before = await rows(Log(database, tmp_path), "select retired_from, erased from record order by record")
    await rollback(database, 4)
    await migrate(database, report=lambda _: None)
    async with ledger(database) as (_, reader):
        await reader.moments.at(ENTITY, "shared", None)
    after = await rows(Log(database, tmp_path), "select retired_from, erased from record order by record")
    assert after == before
    assert await found(Log(database, tmp_path)) == []


async def test_what_is_over_is_erased_whole_and_nothing_else(log):
    assert await found(log, erase_after_days=PATIENT) == []
    before = await rows(log, "select * from entity order by entity_id")
    told = await rows(
        log, "select due, record from notice where type = 'credit.record.retired' order by record"
    )
    assert told == [(IN_FORCE, "P1"), (IN_FORCE, "P2")]  # what came too late has a month of notice
    assert await erase(log, times=2) == [2, 0]
    assert await rows(log, CONTENTS, ENTITY) == [(4,), (5,), (6,)]
    assert await rows(log, CONTENTS, OTHER_ENTITY) == [(1,)]
    assert await rows(log, "select count(*) from event where (content is null) <> (salt is null)") == [(0,)]
    hashes = "select sequence from event_identity where content_sha256 is null order by sequence"
    assert await rows(log, hashes) == [(1,), (2,), (3,)]
    left = await rows(log, "select record from notice where content is not null")
    assert {record for (record,) in left} <= {"P3"}
    assert await rows(log, "select * from entity order by entity_id") == before
    assert await found(log) == []
    await resign(log)
    assert await found(log) == []


async def test_two_at_once_erase_each_record_once(log):
    [one], [other] = await asyncio.gather(erase(log), erase(log))
    [rest] = await erase(log)  # a record at which both met the other at work waits for the next sweep
    assert one + other + rest == 2
    assert await erase(log) == [0]
    assert await found(log) == []


async def test_one_that_is_killed_has_erased_a_record_whole_or_not_at_all(log):
    """The connection is cut while it waits in the midst of its statement, for a row that somebody holds."""
    async with (
        await erase_pool(log.dsn, Settings()) as pool,
        owner(log.dsn) as holder,
        owner(log.dsn) as killer,
    ):
        transaction = holder.transaction()
        await transaction.start()
        await holder.execute("select from event_identity where sequence = 1 for update")
        sweep = asyncio.create_task(Erasing(pool, after=SOON).sweep())
        async with asyncio.timeout(PATIENCE_S):
            while not await killer.fetchval(CUT):
                assert not sweep.done()
                await asyncio.sleep(0.02)
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            await sweep
        await transaction.rollback()
    assert (1,) in await rows(log, CONTENTS, ENTITY)
    assert await found(log, erase_after_days=PATIENT) == []
    await erase(log)
    assert await found(log) == []


async def test_it_is_counted_and_told_for_how_long_the_oldest_has_waited(log):
    before = measures.ERASED._value.get()
    await erase(log, after=timedelta(days=PATIENT))
    waited = (datetime.now(UTC) - IN_FORCE).total_seconds()
    assert measures.ERASURE_OLDEST_SECONDS._value.get() == pytest.approx(waited, abs=60)
    await erase(log)
    assert measures.ERASURE_OLDEST_SECONDS._value.get() == 0
    gone = await rows(log, "select count(*) from erasure")
    assert measures.ERASED._value.get() - before == gone[0][0] > 4


async def test_what_is_sent_again_is_a_duplicate_and_what_is_new_is_refused(log):
    async with ledger(log.dsn) as (writer, _):
        first = (await writer.submit([OLD]))[0].document()
        await erase(log)
        again, other, conflict, more = await writer.submit(
            [
                OLD,
                event("penalty.imposed", "P1", id=OLD.id, severity="serious", decided_on="2020-03-01"),
                event("licence.granted", "L9", id=OLD.id, subject=OTHER_ENTITY),
                event("record.corrected", "P1", reason="r", changes={"title": "t"}),
            ]
        )
        opened = (await writer.submit([event("penalty.imposed", "P1", decided_on="2026-03-01")]))[0]
    salt = first.pop("salt")
    assert salt
    assert again.document() == other.document() == first
    assert first["status"] == "duplicate"
    assert isinstance(conflict, EventConflict)
    for refused in (more, opened):
        assert isinstance(refused, EventInvalid)
        assert refused.violations[0].code == "record-erased"
    assert await found(log) == []


async def test_time_goes_on_after_erasing(log):
    await erase(log)
    async with ledger(log.dsn) as (writer, reader):
        await writer.submit([event("record.revoked", "P3", reason="r"), event("honour.granted", "H1")])
        seen = await reader.moments.at(ENTITY, "shared", None)
        past = await reader.moments.find(ENTITY, "shared", THEN + timedelta(days=30))
    assert seen.moment.version == 8
    assert b"P1" not in past.profile
    await resign(log)
    assert await found(log) == []


async def test_nobody_is_shown_what_was_erased_and_its_leaf_is_proven(log):
    moment = IN_FORCE - timedelta(seconds=1)
    party = Viewer("operator")
    async with ledger(log.dsn) as (_, reader):

        async def shown(at):
            history = await reader.pages.events(ENTITY, party, at, after=0, limit=50)
            records = await reader.pages.records(ENTITY, party, at, after=0, limit=50, event_type=None)
            return [one.row["sequence"] for one in history.items], [item["record"] for item in records.items]

        assert await shown(moment) == ([1, 2, 3, 4, 5], ["P1", "P2", "P3", "L1"])
        assert await shown(datetime.now(UTC)) == ([4, 5, 6], ["P3", "L1", "P4"])  # retired: in no view
        await erase(log)
        assert await shown(moment) == ([4, 5], ["P3", "L1"])
        assert await reader.pages.event(ENTITY, party, moment, 1) is None
    async with owner(log.dsn) as connection:
        query = "select * from leaf_part natural join log_entry order by position"
        for row in await connection.fetch(query):
            place = (row["entity_id"], row["kind"], row["sequence"])
            assert leaf_hash(leaf_of(place, row, row["commitment"])) == row["leaf_hash"]


@pytest.mark.parametrize("erased", [False, True])
async def test_the_feed_tells_that_it_is_over_and_then_only_leaves(log, erased):
    if erased:
        await erase(log)
    size = (await rows(log, "select size from log_state"))[0][0]
    async with await feeding(log.dsn) as pool:
        feed = feed_of(pool)
        auditor = await read_all(feed, Reading(Viewer("auditor"), leaves=True), size)
        own = await read_all(feed, Reading(Viewer("agency", frozenset({SOURCE}))), size)
    assert [item["position"] for item in auditor] == [*range(size)]
    retired = [item for item in own if item.get("event", {}).get("type") == "credit.record.retired"]
    assert len(retired) == (0 if erased else 2)
    kept = {item["event"]["data"]["record"] for item in own if "event" in item and item not in retired}
    assert kept == {"P3", "L1", "L2", "P4"}
    assert all(
        "event" not in item
        for item in auditor
        if item["entity"] == ENTITY and item.get("sequence") in {1, 2, 3}
    )


@pytest.mark.parametrize("pool_of", [append_pool, lookup_pool, sequence_pool, erase_pool])
async def test_no_role_can_erase_by_hand(log, pool_of):
    async with await pool_of(log.dsn, Settings()) as pool, pool.acquire() as connection:
        for statement in (
            "update event set content = null, salt = null",
            "update event_identity set content_sha256 = null",
            "delete from event",
            "delete from erasure",
            "update erasure set commitment = commitment",
            INSERT,
        ):
            with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.ReadOnlySQLTransactionError)):
                await connection.execute(statement)


async def test_the_function_erases_only_what_is_over(log):
    call = "select erase_record($1, $2, $3, $4::bigint[], $5::text[], $5::text[], $6::boolean[], null)"
    async with await erase_pool(log.dsn, Settings()) as pool:
        for record, sequences in (("P3", [4]), ("L1", [5])):
            given = (ENTITY, record, SOURCE, sequences, [None], [False])
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await pool.fetchval(call, *given)
        assert await pool.fetchval(call, ENTITY, "P2", SOURCE, [2], [None], [False]) == 0  # another has come
        assert await pool.fetchval(call, "lei:1", "P2", SOURCE, [2], [None], [False]) == 0
        async with owner(log.dsn) as connection, connection.transaction():
            await connection.execute("select from entity where entity_id = $1 for update", ENTITY)
            assert (
                await asyncio.wait_for(
                    pool.fetchval(call, ENTITY, "P1", SOURCE, [1], [None], [False]), timeout=PATIENCE_S
                )
                == 0
            )
    async with await append_pool(log.dsn, Settings()) as pool:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.fetchval(call, ENTITY, "P1", SOURCE, [1], [None], [False])


async def test_the_owner_too_is_refused_what_is_not_erasing(log):
    await erase(log)
    async with owner(log.dsn) as connection:
        for statement in (
            "update event set content = null, salt = null where sequence = 4",
            "update event set content = '', salt = sha256('')",
            "update event set type = 'x' where content is null",
            "update notice set content = null, salt = null where content is not null",
            "update notice set due = due",
            "update event_identity set content_sha256 = null where content_sha256 is not null",
            "update event_identity set content_sha256 = sha256('')",
            "delete from event where content is null",
            "update erasure set name = 'x'",
            "delete from erasure",
            "truncate erasure",
            "insert into event select * from event where content is null",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)


async def test_what_the_log_has_not_placed_waits(log):
    assert await erase(log, after=timedelta(days=3650)) == [0]
    reason = {"reason": "r"}
    async with ledger(log.dsn) as (writer, _):
        await writer.submit([event("record.corrected", "P1", changes={"title": "t"}, **reason)])
    assert await erase(log, after=timedelta(days=1)) == [1]  # to P1 something has only come
    assert await erase(log) == [0]
    await resign(log)
    assert await erase(log) == [1]
    assert await found(log) == []
