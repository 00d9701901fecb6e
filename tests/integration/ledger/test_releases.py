"""Releases of models: announced once, never changed, and no old answer changes with a new one."""

import asyncio
import json
import shutil
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import orjson
import pytest

from creditsvc.domain.schedule import schedule_of
from creditsvc.domain.standing import Rules
from creditsvc.ledger import releases
from creditsvc.ledger.append import refold
from creditsvc.ledger.comparison import compare
from creditsvc.ledger.failures import ReleaseUnknown
from creditsvc.ledger.lookups import Lookups
from creditsvc.ledger.moments import SQL, Moments
from creditsvc.ledger.refolder import Refolder, refold_all
from creditsvc.ledger.releases import OFFICIAL, ReleaseRefused, announce
from creditsvc.settings import Settings
from creditsvc.store.database import append_pool, connect, lookup_pool
from scoring import engine
from tests.making import CATALOGUE, ENTITY, RULES, event, ledger
from tests.processes import PATIENCE_S

CHINA = ZoneInfo("Asia/Shanghai")


@pytest.fixture
def models(tmp_path):
    return shutil.copytree(engine.MODELS, tmp_path / "models")


def release(models, version="2", **changes):
    written = json.loads((models / OFFICIAL / "1" / "model.json").read_text())
    folder = models / OFFICIAL / version
    folder.mkdir(exist_ok=True)
    (folder / "model.json").write_text(json.dumps({**written, "version": version, **changes}))
    (folder / "METHOD.md").write_text("# credit-baseline, version 2\n")


def days_ahead(count):
    return (datetime.now(UTC) + timedelta(days=count)).date().isoformat()


async def announced(dsn, models, notice=timedelta(0)):
    engine.released.cache_clear()  # a service reads the folder once; here it changes under us
    connection = await connect(dsn)
    told = []
    try:
        return await announce(connection, told.append, models, notice), told
    finally:
        await connection.close()


async def test_what_comes_first_was_there_from_the_beginning_and_is_announced_once(database, models):
    found, told = await announced(database, models)
    assert {one.model.name for one in found} >= {OFFICIAL, "eu-2022-695"}
    assert all(one.announced_at is None for one in found)
    assert told == []
    assert await announced(database, models) == (found, [])


async def test_a_released_version_never_changes(database, models):
    await announced(database, models)
    release(models, "1", start="700")
    with pytest.raises(ReleaseRefused, match="never changes"):
        await announced(database, models)


@pytest.mark.parametrize("since", [None, days_ahead(0), days_ahead(-5)])
async def test_a_new_version_comes_into_force_on_a_later_day(database, models, since):
    await announced(database, models)
    release(models, in_force_from=since)
    with pytest.raises(ReleaseRefused, match="must say in_force_from"):
        await announced(database, models)


async def test_an_announcement_changes_no_old_answer_and_every_profile_is_brought_up_to_date(
    database, models
):
    await announced(database, models)
    async with ledger(database) as (writer, reader):
        await writer.submit([event("honour.granted", "H1")])
        old = await reader.moments.at(ENTITY, "public", None)
    assert old.moment.valid_until is None or old.moment.valid_until > datetime.now(UTC) + timedelta(days=30)
    release(models, in_force_from=days_ahead(10), start="500")
    found, told = await announced(database, models)
    assert len(told) == 1
    rules = Rules(CATALOGUE, schedule_of(found, OFFICIAL))
    settings = Settings()
    async with (
        await lookup_pool(database, settings) as looking,
        await append_pool(database, settings) as pool,
    ):

        async def fold_again(entity):
            async with pool.acquire() as connection:
                await refold(connection, [entity], rules)

        lookups = {"public": Lookups(looking, SQL.public_profiles, schedule=rules.schedule, connections=1)}
        moments = Moments(looking, lookups, fold_again, rules)
        assert (
            await moments.current(ENTITY, "public")
        ).outrun is False  # it has been folded again to be read
        new = await moments.at(ENTITY, "public", None)
        (version_2,) = [one for one in found if one.announced_at is not None]
        assert new.moment.valid_from == version_2.announced_at
        assert new.moment.valid_until == version_2.starts(CHINA)
        assert orjson.loads(new.profile)["score"]["version"] == "1"
        assert (await moments.at(ENTITY, "public", old.moment.valid_from)).profile == old.profile
        connection = await connect(database)
        assert tuple(
            await connection.fetchrow(releases.SQL.count_outdated, *rules.schedule.announcements)
        ) == (0, 1)
        await connection.close()


async def test_a_shadow_model_is_compared_before_it_takes_effect(database, models):
    release(models, in_force_from=days_ahead(10), start="500")
    shadow = engine.load(OFFICIAL, "2", models)
    subjects = [f"usdot:{n}" for n in range(1, 251)]
    async with ledger(database) as (writer, _):
        await writer.submit([event("honour.granted", "H1", subject=subject) for subject in subjects])
        await writer.submit([event("abnormal.listed", "A1", subject=subject) for subject in subjects[:50]])
        await writer.submit([event("licence.granted", "L1", subject="usdot:9999")])
    connection = await connect(database)
    told = []
    found = await compare(
        connection,
        (engine.load(OFFICIAL, "1"), shadow),
        CATALOGUE,
        datetime.now(UTC),
        lambda done, total: told.append((done, total)),
    )
    await connection.close()
    assert dict(found.grades) == {("B", "C"): 200, ("C", "C"): 50, ("unrated", "unrated"): 1}
    assert found.moved == 200
    assert len(found.examples["B", "C"]) == 10
    assert told[-1] == (251, 251)


async def test_profiles_are_folded_again_in_the_background_and_may_be_cut_off(database, models, monkeypatch):
    async with ledger(database) as (writer, _):
        for start in range(0, 250, 50):
            await writer.submit(
                [event("honour.granted", "H1", subject=f"usdot:{n + 1}") for n in range(start, start + 50)]
            )
    await announced(database, engine.MODELS)
    release(models, in_force_from=days_ahead(10), start="500")
    found, _ = await announced(database, models)
    monkeypatch.setattr(releases, "load", _always(found))
    told = []

    def progress(done, total):
        told.append((done, total))
        if len(told) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await refold_all(database, Settings(), progress)
    assert told == [(0, 250), (100, 250)]
    del told[:]
    assert await refold_all(database, Settings(), lambda done, total: told.append((done, total))) == 150
    assert told[0] == (100, 250)
    assert told[-1] == (250, 250)


def _always(found):
    async def load(_connection):
        return found

    return load


async def test_who_does_not_know_of_a_release_folds_nothing_and_starts_anew(database, models):
    await announced(database, engine.MODELS)
    renewed = asyncio.Event()
    async with ledger(database) as (writer, reader):
        await writer.submit([event("honour.granted", "H1")])
        release(models, in_force_from=days_ahead(10), start="500")
        found, _ = await announced(database, models, notice=timedelta(seconds=1))
        (refused,) = await writer.submit([event("honour.granted", "H2")])
        assert isinstance(refused, ReleaseUnknown)
        settings = Settings()
        async with await append_pool(database, settings) as pool:
            unaware = Refolder(pool, RULES, renew=renewed.set)
            await asyncio.wait_for(renewed.wait(), PATIENCE_S)
            await unaware.close()
        rules = Rules(CATALOGUE, schedule_of(found, OFFICIAL))
        await asyncio.sleep(1)
        async with await append_pool(database, settings) as pool, pool.acquire() as connection:
            await refold(connection, [ENTITY], rules)
        with pytest.raises(ReleaseUnknown):
            await reader.moments.at(ENTITY, "public", None)


async def test_announced_models_must_be_the_ones_on_disk(database, models):
    await announced(database, models)
    connection = await connect(database)
    release(models, "1", start="700")
    with pytest.raises(ReleaseRefused, match="never changes"):
        await releases.load(connection, models)
    shutil.rmtree(models / OFFICIAL)
    with pytest.raises(ReleaseRefused, match="run the newer one"):
        await releases.load(connection, models)
    await connection.close()
