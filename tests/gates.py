"""Holding a request up inside the database: a test meets it there, however fast or slow the machine is."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import asyncpg

from tests.processes import PATIENCE_S

UNREACHABLE = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError)
# By pg_locks: of who is connected a transaction sees what it saw first.
WAITING = "select exists (select from pg_locks where not granted and $1 = any(pg_blocking_pids(pid)))"


class Gate:
    """A row that an append needs, held by a transaction of ours."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self._held = connection.transaction()

    async def close(self, entity: str) -> None:
        """From now on nobody records an event of this organisation; whoever tries waits."""
        await self._held.start()
        await self._connection.execute(
            "insert into entity (entity_id) values ($1) on conflict do nothing", entity
        )
        await self._connection.execute("select from entity where entity_id = $1 for update", entity)

    async def reached(self, has_ended: Callable[[], object]) -> None:
        """Wait until somebody waits at the gate: what is being sent cannot be answered any more."""
        async with asyncio.timeout(PATIENCE_S):
            while not await self._connection.fetchval(WAITING, self._connection.get_server_pid()):
                assert not has_ended(), "it was answered, and never came by the gate"
                await asyncio.sleep(0.005)

    async def open(self) -> None:
        """Let everybody pass; nothing to do once the server has gone, and the lock with it."""
        with suppress(*UNREACHABLE):
            await self._held.rollback()


@asynccontextmanager
async def gate(connection: asyncpg.Connection, entity: str) -> AsyncIterator[Gate]:
    one = Gate(connection)
    await one.close(entity)
    try:
        yield one
    finally:
        await one.open()
