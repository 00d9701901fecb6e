"""A log of the size that fsck is tried on: made once a run, copied for each test that spoils it."""

import asyncio
import itertools
import shutil
from urllib.parse import urlsplit

import asyncpg
import pytest

from tests.checking import Log, events, owner
from tests.conftest import drop, on_database
from tests.making import ledger
from tests.sequencing import sequencer

SIZES = (100, 260, 300)  # of its checkpoints
_copies = itertools.count()


@pytest.fixture(scope="session")
async def filled(make_database, server_dsn, tmp_path_factory):
    """A log with three checkpoints; beside it the same database when it had only two."""
    dsn, data_dir = await make_database(), tmp_path_factory.mktemp("filled")
    earlier = "fsck_earlier"
    async with owner(server_dsn) as connection:
        async with ledger(dsn) as (writer, _), sequencer(dsn, data_dir) as one:
            await one.sign()
            for size, before in zip(SIZES[:2], (0, *SIZES), strict=False):
                await writer.submit(events(size - before))
                await one.drain()
                await one.sign()
        await copy(connection, dsn, earlier)
        async with ledger(dsn) as (writer, _), sequencer(dsn, data_dir) as one:
            await writer.submit(events(SIZES[2] - SIZES[1]))
            await one.drain()
            await one.sign()
        yield Log(dsn, data_dir), Log(on_database(dsn, earlier), data_dir)
        await drop(connection, earlier)


async def copy(connection, dsn, name):
    """Copy a database as soon as nobody is connected to it any more."""
    for _ in range(600):
        try:
            await connection.execute(f"create database {name} template {urlsplit(dsn).path[1:]}")
        except asyncpg.ObjectInUseError:
            await asyncio.sleep(0.05)
        else:
            return
    raise TimeoutError(f"{dsn} is still in use")


@pytest.fixture
async def log(filled, server_dsn, tmp_path):
    """A copy of that log, to do with as one likes."""
    async for made in _copied(filled[0], server_dsn, tmp_path):
        yield made


@pytest.fixture
async def set_back(filled, server_dsn, tmp_path):
    """The database as it was, beside the files as they are."""
    async for made in _copied(filled[1], server_dsn, tmp_path):
        yield made


async def _copied(source, server_dsn, tmp_path):
    name = f"fsck_{next(_copies)}"
    shutil.copytree(source.data_dir / "log", tmp_path / "log")
    async with owner(server_dsn) as connection:
        await copy(connection, source.dsn, name)
        yield Log(on_database(source.dsn, name), tmp_path)
        await drop(connection, name)
