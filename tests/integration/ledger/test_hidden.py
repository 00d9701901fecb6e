"""What a view doesn't see tells it nothing: not by a name, a version, an instant, nor a search."""

import asyncio

import orjson
import pytest

from creditsvc.errors import Unavailable
from creditsvc.ledger.folds import MOST_WAITING, SHORT_EVENTS, Folds
from creditsvc.ledger.fsck import check
from creditsvc.ledger.pages import EPOCH
from creditsvc.store.database import connect
from creditsvc.store.migrations import migrate, rollback
from tests.making import ENTITY, OTHER_SOURCE, event, ledger

HIDDEN = {"severity": "minor", "decided_on": "2026-06-01"}


async def profile(reader, view):
    seen = await reader.moments.find(ENTITY, view, None)
    return None if seen is None or seen.profile is None else orjson.loads(seen.profile)


async def find(reader, query, view="public"):
    return await reader.search.find(query, view, None, after=0, limit=10)


async def test_a_hidden_record_names_nobody_to_the_public(database):
    async with ledger(database) as (writer, reader):
        await writer.submit(
            [event("honour.granted", "H1", entity_name="公开名称公司", time="2026-01-01T00:00:00Z")]
        )
        before = await reader.moments.at(ENTITY, "public", None)
        found = await find(reader, "公开名称")
        await writer.submit(
            [
                event(
                    "penalty.imposed", "P1", entity_name="隐藏名称公司", time="2026-06-01T00:00:00Z", **HIDDEN
                )
            ]
        )
        assert await reader.moments.at(ENTITY, "public", None) == before
        assert await find(reader, "公开名称") == found
        nothing = await find(reader, "隐藏名称")
        assert (nothing.page.items, nothing.valid_from) == ([], EPOCH)
        assert (await profile(reader, "shared"))["name"] == "隐藏名称公司"
        assert len((await find(reader, "隐藏名称", "shared")).page.items) == 1


async def test_what_all_may_see_is_stored_once_and_the_rest_by_itself(database):
    columns = ("naming", "summary", "profile")

    async def stored(view):
        connection = await connect(database)
        try:
            row = await connection.fetchrow("select * from entity")
            return tuple(row[f"{view}_{name}"] for name in columns)
        finally:
            await connection.close()

    async with ledger(database) as (writer, reader):
        await writer.submit([event("honour.granted", "H1", entity_name="公开名称公司")])
        assert None not in await stored("public")
        assert await stored("shared") == (None,) * 3
        assert await profile(reader, "shared") == await profile(reader, "public")
        assert orjson.loads((await stored("public"))[2]) == await profile(reader, "shared")
        await writer.submit([event("penalty.imposed", "P1", entity_name="隐藏名称公司", **HIDDEN)])
        assert not {None, *await stored("public")} & {*await stored("shared")}
        assert (await profile(reader, "shared"))["standing"]["penalty"] == 1
        assert (await profile(reader, "public"))["standing"]["penalty"] == 0
        assert await check(database, progress=lambda done, total: None) == []


async def test_what_is_stored_once_is_stored_twice_again_for_the_schema_before(database):
    async with ledger(database) as (writer, _):
        await writer.submit([event("honour.granted", "H1", entity_name="公开名称公司")])
    await rollback(database, 8)
    connection = await connect(database)
    try:
        assert await connection.fetchval(
            "select shared_profile = public_profile and shared_summary = public_summary"
            " and shared_naming = public_naming from entity"
        )
    finally:
        await connection.close()
    await migrate(database, report=lambda _: None)
    assert await check(database, progress=lambda done, total: None) == []


async def test_the_name_of_one_with_nothing_public_is_as_unknown_as_any(database):
    async with ledger(database) as (writer, reader):
        await writer.submit([event("penalty.imposed", "P1", entity_name="绝密测试公司", **HIDDEN)])
        hidden, unknown = await find(reader, "绝密测试"), await find(reader, "从未听说")
        assert hidden == unknown


async def test_an_amendment_without_its_record_names_nobody(database):
    async with ledger(database) as (writer, reader):
        await writer.submit(
            [event("honour.granted", "H1", entity_name="真名公司", time="2026-01-01T00:00:00Z")]
        )
        changes = {"entity_name": "冒名公司"}
        stray = event(
            "record.corrected",
            "X1",
            source=OTHER_SOURCE,
            reason="x",
            changes=changes,
            time="2026-06-01T00:00:00Z",
        )
        await writer.submit([stray])
        for view in ("public", "shared"):
            assert (await profile(reader, view))["name"] == "真名公司"
        # When its record comes, it counts as it would have in order.
        late = event(
            "honour.granted", "X1", source=OTHER_SOURCE, entity_name="别名公司", time="2026-05-01T00:00:00Z"
        )
        await writer.submit([late])
        assert (await profile(reader, "public"))["name"] == "冒名公司"


async def test_a_record_that_becomes_public_brings_its_name(database):
    async with ledger(database) as (writer, reader):
        await writer.submit([event("penalty.imposed", "P1", entity_name="后来公开公司", **HIDDEN)])
        assert await profile(reader, "public") is None
        await writer.submit([event("record.corrected", "P1", reason="更正", changes={"severity": "serious"})])
        assert (await profile(reader, "public"))["name"] == "后来公开公司"
        assert len((await find(reader, "后来公开")).page.items) == 1


async def test_few_long_histories_are_folded_at_a_time_and_charged_by_length():
    folds = Folds(None)
    held, charged = asyncio.Event(), []

    async def long():
        async with folds.turn(SHORT_EVENTS + 1):
            await held.wait()

    waiting = [asyncio.create_task(long()) for _ in range(MOST_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        async with folds.turn(SHORT_EVENTS + 1):
            pass
    async with folds.turn(SHORT_EVENTS):
        pass  # a short one needs no turn
    held.set()
    await asyncio.gather(*waiting)
    async with folds.turn(SHORT_EVENTS + 1):
        pass

    def charge(units):
        charged.append(units)
        raise Unavailable("enough")

    with pytest.raises(Unavailable):
        await folds.fold(ENTITY, EPOCH, 20_000, len, charge)
    assert charged == [200]
