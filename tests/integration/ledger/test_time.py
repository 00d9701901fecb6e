"""What time alone changes: nobody ever reads what time has outrun, and the past stays as it was."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import asyncpg
import orjson
import pytest

from creditsvc.ledger.accounts import SQL
from creditsvc.ledger.fsck import check
from creditsvc.ledger.refolder import Refolder
from scoring.periods import after_months
from tests.making import ENTITY, event, ledger
from tests.processes import PATIENCE_S

DAYS = 400
LONG_AGO = """select clock_timestamp() - interval '400 days' as now,
                     $2::interval < '0' as behind, count(*) as released,
                     null::timestamptz as began_at
              from model_release where name = $1"""


@pytest.fixture
async def long_ago(database, monkeypatch):
    """A penalty that was recorded 400 days ago, when its public term had ten days to go."""
    today = datetime.now(ZoneInfo("Asia/Shanghai")).date()
    decided = today - timedelta(days=DAYS + 355)
    with monkeypatch.context() as patched:
        patched.setitem(SQL._texts, "now", LONG_AGO)
        async with ledger(database) as (writer, _):
            time = f"{decided.isoformat()}T00:00:00+08:00"
            one = event(
                "penalty.imposed", "P1", severity="general", decided_on=decided.isoformat(), time=time
            )
            await writer.submit([one])
    return database, decided


async def stored(dsn):
    connection = await asyncpg.connect(dsn, server_settings={"search_path": "creditsvc"})
    row = await connection.fetchrow(
        """select shared_from, shared_until, public_profile, shared_until <= clock_timestamp() as outrun
           from entity"""
    )
    await connection.close()
    return row


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo("Asia/Shanghai")).astimezone(UTC)


async def test_a_stale_profile_is_never_read_and_its_past_stays(long_ago):
    dsn, decided = long_ago
    row = await stored(dsn)
    terms = [midnight(after_months(decided, months)) for months in (12, 24, 36)]
    # By the rule set until 2025-06-21 it is public for three years from its recording, since then for
    # one from its decision.
    recorded_on = row["shared_from"].astimezone(ZoneInfo("Asia/Shanghai")).date()
    counted_from_recording = decided < date(2025, 6, 22)
    public_until = midnight(after_months(recorded_on, 36)) if counted_from_recording else terms[0]
    async with ledger(dsn) as (_, reader):
        seen = await reader.moments.at(ENTITY, "shared", None)
        now = datetime.now(UTC)
        crossed = [term for term in terms if term <= now]
        assert seen.moment.valid_from == crossed[-1]
        assert seen.moment.valid_until > now
        assert orjson.loads(seen.profile)["score"]["value"] == 600 - 40 / 2 ** len(crossed)
        public = await reader.moments.find(ENTITY, "public", None)
        assert (public.profile is None) == (public_until <= now)
        before = await reader.moments.at(ENTITY, "public", row["shared_from"])
        assert before.profile == row["public_profile"]
        at_boundary = await reader.moments.at(ENTITY, "shared", crossed[-1])
        assert at_boundary.profile == seen.profile
        just_before = await reader.moments.at(ENTITY, "shared", crossed[0] - timedelta(microseconds=1))
        assert orjson.loads(just_before.profile)["score"]["value"] == 560
    assert await check(dsn, progress=lambda *_: None) == []


async def test_a_batch_reads_no_stale_profile_either(long_ago, monkeypatch):
    dsn, _ = long_ago
    monkeypatch.setattr(Refolder, "_sweep", lambda _: asyncio.Event().wait())  # or it might be first
    old = (await stored(dsn))["public_profile"]
    async with ledger(dsn) as (_, reader):
        profiles = await reader.batches.profiles(["usdot:1", ENTITY], "a partner")
        assert list(profiles) == [ENTITY]
        assert not (await stored(dsn))["outrun"]
        assert profiles[ENTITY] != old
        assert profiles[ENTITY] == (await reader.moments.at(ENTITY, "shared", None)).profile


async def test_what_is_decided_on_a_later_day_becomes_public_on_it(database, monkeypatch):
    decided = datetime.now(ZoneInfo("Asia/Shanghai")).date() - timedelta(days=DAYS - 10)
    begins = midnight(decided)
    with monkeypatch.context() as patched:
        patched.setitem(SQL._texts, "now", LONG_AGO)
        async with ledger(database) as (writer, _):
            one = event(
                "penalty.imposed",
                "P1",
                severity="serious",
                decided_on=decided.isoformat(),
                time=f"{decided - timedelta(days=20)}T00:00:00Z",
            )
            await writer.submit([one, event("record.corrected", "P1", reason="r", changes={"title": "t"})])
    assert (await stored(database))["public_profile"] is None
    assert await check(database, progress=lambda *_: None) == []
    async with ledger(database) as (_, reader):
        now = await reader.moments.at(ENTITY, "public", None)
        assert orjson.loads(now.profile)["standing"]["penalty"] == 1
        first = await reader.moments.at(ENTITY, "public", begins)
        assert first.moment.valid_from == begins
        before = await reader.moments.find(ENTITY, "public", begins - timedelta(microseconds=1))
        assert (before.profile, before.moment.valid_until) == (None, begins)
        shared = await reader.moments.at(ENTITY, "shared", begins - timedelta(microseconds=1))
        assert shared.moment.valid_until == begins
    assert await check(database, progress=lambda *_: None) == []


async def test_the_sweep_brings_up_to_date_what_nobody_asks_for(long_ago):
    dsn, _ = long_ago
    assert (await stored(dsn))["outrun"]
    async with ledger(dsn):
        async with asyncio.timeout(PATIENCE_S):
            while (await stored(dsn))["outrun"]:  # noqa: ASYNC110  nobody tells
                await asyncio.sleep(0.05)
    assert await check(dsn, progress=lambda *_: None) == []


async def test_an_event_that_comes_after_a_boundary_finds_the_account_as_of_then(long_ago):
    dsn, _ = long_ago
    async with ledger(dsn) as (writer, reader):
        await writer.submit([event("honour.granted", "H1")])
        profile = orjson.loads((await reader.moments.at(ENTITY, "shared", None)).profile)
        assert profile["score"]["value"] == 600 - 10 + 20  # the second boundary was crossed 24 days ago
        assert profile["version"] == 2
    assert await check(dsn, progress=lambda *_: None) == []
