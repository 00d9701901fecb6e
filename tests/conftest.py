"""Fixtures that every test may use. The rules:

- Nothing is mocked below us: a test that needs PostgreSQL gets one, the embedded server, started once a run.
- A test that writes takes `database`, a fresh one that nobody else sees; a test that only reads may share one
  that its module makes by `make_database`. No test depends on what another left behind.
- What a fixture starts, it ends, by the object or the process number it holds.
- Fixtures for one folder live in that folder; here is only what several need.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count
from urllib.parse import urlsplit

import asyncpg
import hypothesis
import pytest

from creditsvc.store.embedded import EmbeddedServer
from creditsvc.store.migrations import migrate
from tests.chance import CAMPAIGN

# No test asserts a time: it may share its core with another. What is tried is the same in every run, as is
# all that is done at random, so that a failure comes of what was changed; a campaign tries something else.
hypothesis.settings.register_profile(
    "untimed", deadline=None, derandomize=not CAMPAIGN, max_examples=100 if CAMPAIGN else 40
)
hypothesis.settings.load_profile("untimed")

MakeDatabase = Callable[[], Awaitable[str]]


def on_database(dsn: str, name: str) -> str:
    """The same server's DSN for another database."""
    return urlsplit(dsn)._replace(path=f"/{name}").geturl()


async def drop(connection: asyncpg.Connection, name: str) -> None:
    """Drop a database, whoever is connected; an autovacuum worker, which we may not end, ends by itself."""
    for _ in range(600):
        try:
            await connection.execute(f"drop database if exists {name} with (force)")
        except asyncpg.InsufficientPrivilegeError:
            await asyncio.sleep(0.1)
        else:
            return
    raise TimeoutError(f"{name} is still in use")


@pytest.fixture(scope="session")
async def server_dsn(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The login role's DSN on a server of this test run; its own database is only for making others."""
    server = await EmbeddedServer.start(tmp_path_factory.mktemp("server"))
    try:
        yield server.dsn
    finally:
        await server.stop()


@pytest.fixture(scope="session")
async def make_database(server_dsn: str) -> AsyncIterator[MakeDatabase]:
    """Make databases with the current schema and nothing in it; each is a copy of one migrated template."""
    connection = await asyncpg.connect(server_dsn)
    await connection.execute("create database template_migrated")
    await migrate(on_database(server_dsn, "template_migrated"), report=lambda _: None)
    numbers = count(1)
    made = ["template_migrated"]

    async def make() -> str:
        name = f"test_{next(numbers)}"
        await connection.execute(f"create database {name} template template_migrated")
        made.append(name)
        return on_database(server_dsn, name)

    try:
        yield make
    finally:
        for name in made:
            await drop(connection, name)
        await connection.close()


@pytest.fixture
async def database(make_database: MakeDatabase, server_dsn: str) -> AsyncIterator[str]:
    """The DSN of a fresh database for one test, with the current schema; dropped after it."""
    dsn = await make_database()
    yield dsn
    connection = await asyncpg.connect(server_dsn)
    try:
        await drop(connection, urlsplit(dsn).path[1:])
    finally:
        await connection.close()
