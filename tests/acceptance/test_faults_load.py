"""A real file loaded while everything dies under it comes to what an undisturbed load does."""

import asyncio
import hashlib
import os
import re
import signal
from itertools import islice
from pathlib import Path

import orjson
import pytest

from tests.processes import Service, service

EXAMPLE = Path(__file__).parents[2] / "examples" / "alimconfiance"
SOURCE = "urn:agency:fr-dgal"
ROWS = 1_200

# What does not depend on when the events came, and in which order between organisations.
PROFILES = (
    "select entity_id, coalesce(shared_profile, public_profile) as shared_profile, public_profile"
    " from entity order by entity_id"
)
RECORDS = """select entity_id, record, source, class, cardinality(sequences) as events, standing, public,
                    objected, listing, since, code, points, points_until, next_change
             from record order by entity_id, record, source"""
EVENTS = "select entity_id, source, id, type, record, content from event order by entity_id, source, id"

# Everything, to the byte.
TABLES = (
    "select * from event order by entity_id, sequence",
    "select * from event_identity order by source, id",
    "select * from record order by entity_id, record, source",
    "select * from entity order by entity_id",
    "select * from entity_name order by entity_id, view, since",
)


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """The head of the real file: enough to be disturbed several times."""
    folder = tmp_path_factory.mktemp("example")
    with (EXAMPLE / "inspections_2017.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = file.read().splitlines(keepends=True)
    (folder / "part.csv").write_text(header + "".join(islice(rows, ROWS)), encoding="utf-8", newline="")
    return folder / "part.csv"


async def load(running: Service, file: Path, key: str, *options: str) -> tuple[int, str]:
    mapping = str(EXAMPLE / "mapping.toml")
    arguments = ("load", str(file), "--mapping", mapping, "--url", running.url, "--batch", "25", *options)
    return await running.command(*arguments, CREDITSVC_KEY=key)


async def summary(running: Service) -> str:
    """The digest of entities with their standing, score and grade, of all records, and of what was said."""
    digest = hashlib.sha256()
    async with running.database() as connection:
        for row in await connection.fetch(PROFILES):
            digest.update(row["entity_id"].encode())
            for view in ("shared_profile", "public_profile"):
                profile = orjson.loads(row[view] or b"{}")
                kept = {
                    name: profile.get(name)
                    for name in ("name", "status", "standing", "score", "listings", "objections")
                }
                digest.update(orjson.dumps(kept, option=orjson.OPT_SORT_KEYS))
        for query in (RECORDS, EVENTS):
            for row in await connection.fetch(query):
                digest.update(repr(tuple(row)).encode())
    return digest.hexdigest()


async def tables(running: Service) -> list[str]:
    async with running.database() as connection:
        return [hashlib.sha256(repr(await connection.fetch(query)).encode()).hexdigest() for query in TABLES]


async def clean(running: Service) -> None:
    status, said = await running.command("fsck")
    assert status == 0, said


@pytest.fixture(scope="module")
async def undisturbed(tmp_path_factory, example):
    async with service(tmp_path_factory.mktemp("undisturbed") / "var") as running:
        key = await running.key("agency", sources=[SOURCE])
        status, said = await load(running, example, key)
        assert status == 0, said
        yield running, key, said, await summary(running)


async def test_a_file_loaded_again_changes_nothing(undisturbed, example):
    running, key, first, _ = undisturbed
    assert counts(first)["duplicates"] == 0
    before = await tables(running)
    status, said = await load(running, example, key, "--no-resume")
    assert status == 0, said
    events = counts(first)["accepted"]
    assert counts(said) == {"rows": ROWS, "accepted": 0, "duplicates": events, "rejected": 0}
    assert await tables(running) == before
    await clean(running)


def counts(said: str) -> dict[str, int]:
    found = re.search(r"([\d,]+) rows: ([\d,]+) accepted, ([\d,]+) duplicates.* ([\d,]+) rejected", said)
    assert found, said
    numbers = (int(number.replace(",", "")) for number in found.groups())
    return dict(zip(("rows", "accepted", "duplicates", "rejected"), numbers, strict=True))


async def recorded(running: Service, number: int, loading: "asyncio.Task[tuple[int, str]]") -> int:
    async with running.database() as connection:
        while True:
            there = await connection.fetchval("select count(*) from event")
            if there >= number:
                return int(there)
            assert not loading.done(), loading.result()
            await asyncio.sleep(0.005)


async def test_everything_is_killed_in_the_middle_of_a_load(undisturbed, example, tmp_path):
    """The service, then PostgreSQL, then the load itself; started again, it goes on where it was."""
    _, _, first, expected = undisturbed
    state = tmp_path / "state"
    options = ("--state", str(state), "--patience", "50")
    async with service(tmp_path / "var") as running:
        key = await running.key("agency", sources=[SOURCE])
        loading = asyncio.create_task(load(running, example, key, *options))
        await recorded(running, 150, loading)
        await running.kill()
        await running.start()
        await recorded(running, 400, loading)
        os.kill(running.postmaster, signal.SIGKILL)
        await running.ready()
        there = await recorded(running, 700, loading)
        loading.cancel()  # which kills it
        await asyncio.wait([loading])
        assert there < ROWS
        assert state.exists()
        status, said = await load(running, example, key, *options)
        assert status == 0, said
        assert counts(said)["rows"] == ROWS
        total = counts(said)["accepted"] + counts(said)["duplicates"]
        assert total == counts(first)["accepted"]
        assert not state.exists()
        assert await summary(running) == expected
        await clean(running)
