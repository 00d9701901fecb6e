"""Who would have a record hidden or erased before its time: its holder, and who has the appending role."""

import logging
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from creditsvc.domain.parties import party
from creditsvc.domain.views import Viewer
from creditsvc.ledger import measures
from creditsvc.ledger.feed_rules import Filter, Reading
from creditsvc.ledger.open_cases import lapse
from creditsvc.settings import Settings
from creditsvc.store.database import append_pool
from tests.checking import Log, found, owner
from tests.erasing import PATIENT, THEN, clock_at, erase, old_log, resign, rows
from tests.feeding import feed_of, feeding, read_all
from tests.making import ENTITY, SOURCE, event, ledger
from tests.sequencing import sequencer
from tests.tampering import unguarded

PENALTY = event("penalty.imposed", "P1", severity="serious", decided_on="2025-12-01")
OBJECTION = event(
    "objection.opened", "P1", source=party(ENTITY), objection="O1", ground="wrong", record_source=SOURCE
)
LONG_AGO = {"decided_on": "1990-01-01", "severity": "minor", "category": "警告"}
AWAY = event("record.corrected", "P1", reason="r", changes=LONG_AGO)
REFUSAL = event("objection.decided", "P1", objection="O1", decision="refused", reason="r")
TOLD = "select type, due from notice where record = 'P1' and type = 'credit.record.retired'"
CONTENTS = "select count(*) from event where content is not null"
OVER = (
    "update record set retired_from = now() - interval '1 year', next_change = null, class = null"
    " where record = 'P3'"
)


def day(number):
    """Noon of a day of January 2026 at the organisation's place."""
    return datetime(2026, 1, number, 4, tzinfo=UTC)


@pytest.fixture
async def log(database, tmp_path, monkeypatch):
    return await old_log(database, tmp_path, monkeypatch)


async def story(database, tmp_path, monkeypatch, *told):
    """A log of what was told on which day of January 2026; then somebody looks, today."""
    async with sequencer(database, tmp_path) as one:
        async with owner(database) as connection, unguarded(connection):
            await connection.execute("update log_identity set began_at = $1", THEN)
        for number, said in told:
            with clock_at(day(number), monkeypatch):
                async with ledger(database) as (writer, _):
                    assert [one.status for one in await writer.submit([said])] == ["accepted"]
        async with ledger(database) as (_, reader):
            await reader.moments.at(ENTITY, "shared", None)
        await one.drain()
        await one.sign()
    return Log(database, tmp_path)


async def test_its_holder_cannot_correct_a_record_away_that_is_objected_to(database, tmp_path, monkeypatch):
    log = await story(database, tmp_path, monkeypatch, (10, PENALTY), (12, OBJECTION), (15, AWAY))
    async with ledger(log.dsn) as (_, reader):
        seen = await reader.pages.records(
            ENTITY, Viewer("entity"), datetime.now(UTC), after=0, limit=50, event_type=None
        )
    assert [(item["record"], item["state"]) for item in seen.items] == [("P1", "standing")]
    assert await rows(log, TOLD) == []
    assert await erase(log) == [0]
    assert await found(log, erase_after_days=PATIENT) == []


@pytest.mark.parametrize(
    ("told", "end"),
    [
        ([(15, AWAY)], datetime(2026, 2, 15, 16, tzinfo=UTC)),
        ([(12, OBJECTION), (15, AWAY), (25, REFUSAL)], datetime(2026, 2, 24, 16, tzinfo=UTC)),
    ],
)
async def test_whoever_was_shown_it_hears_that_it_is_over(database, tmp_path, monkeypatch, told, end):
    """A month after the correction, and once the time to appeal is over: time has it end, and no event."""
    log = await story(database, tmp_path, monkeypatch, (10, PENALTY), *told)
    assert await rows(log, TOLD) == [("credit.record.retired", end)]
    size = (await rows(log, "select size from log_state"))[0][0]
    async with await feeding(log.dsn) as pool:
        filtered = Reading(Viewer("partner"), Filter(types=frozenset({PENALTY.type})))
        items = await read_all(feed_of(pool), filtered, size)
    told_of = [item["event"]["type"] for item in items if "event" in item]
    assert told_of.count("credit.record.retired") == 1
    async with ledger(log.dsn) as (_, reader):
        views = [
            await reader.pages.records(ENTITY, Viewer("operator"), at, after=0, limit=50, event_type=None)
            for at in (end - timedelta(microseconds=1), end)
        ]
    assert [len(view.items) for view in views] == [1, 0]
    assert await found(log, erase_after_days=PATIENT) == []
    async with await append_pool(log.dsn, Settings()) as pool, pool.acquire() as connection:
        await lapse(connection, 100)  # as is done beside: the time to appeal is over
    assert await erase(log) == [1]
    await resign(log)
    assert await found(log) == []


async def test_a_row_that_says_so_has_nothing_erased(log, caplog):
    """Whoever has the appending role may write the row of a record, and nothing else that erasing asks."""
    before = await rows(log, CONTENTS)
    async with await append_pool(log.dsn, Settings()) as pool:
        await pool.execute(OVER)
    caplog.set_level(logging.ERROR)
    assert await erase(log) == [2]  # what is over is erased all the same
    assert [after for (after,) in await rows(log, CONTENTS)] == [before[0][0] - 3]
    assert measures.ERASURE_REFUSED._value.get() == 1
    refusals = [one.getMessage() for one in caplog.records if "refused for record" in one.getMessage()]
    assert refusals == [
        f"erasing: refused for record P3 of {ENTITY} by {SOURCE}: its events do not say that its time is over"
    ]
    faults = await found(log, erase_after_days=PATIENT)
    assert [fault for fault in faults if "P3" in fault], faults


@pytest.mark.parametrize(("record", "sequences"), [("P1", "{4}"), ("P1", "{1,4}"), ("P2", "{2}")])
async def test_a_row_that_claims_other_events_has_nothing_erased(log, record, sequences):
    async with await append_pool(log.dsn, Settings()) as pool:
        await pool.execute(
            "update record set sequences = $1::text::bigint[] where record = $2", sequences, record
        )
    assert await erase(log) == [1]
    assert measures.ERASURE_REFUSED._value.get() == 1


async def test_the_function_asks_for_the_notice_and_for_all_events(log):
    call = "select erase_record($1, $2, $3, $4::bigint[], $5::text[], $5::text[], $6::boolean[], null)"
    async with await append_pool(log.dsn, Settings()) as pool:
        await pool.execute(OVER)
        await pool.execute("update record set sequences = '{2}' where record = 'P2'")
    async with owner(log.dsn) as connection:
        await connection.execute("set role creditsvc_erase")
        for record, sequences, why in (("P3", [4], "no notice"), ("P2", [2], "other events")):
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match=why):
                await connection.fetchval(call, ENTITY, record, SOURCE, sequences, [None], [False])


async def test_a_case_whose_clock_was_struck_out_still_holds(database, tmp_path, monkeypatch):
    log = await story(database, tmp_path, monkeypatch, (10, PENALTY), (12, OBJECTION), (15, AWAY))
    async with await append_pool(log.dsn, Settings()) as pool:
        await pool.execute("delete from open_case")
        await pool.execute(OVER.replace("P3", "P1"))
    assert await erase(log) == [0]
    assert measures.ERASURE_REFUSED._value.get() == 1
