"""Faults of the way to the database, made to order: the n-th call fails, or the wire is cut."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

import asyncpg

When = Literal["before", "after"]

# What a broken connection, a server that dies and a call that takes too long come out as.
ERRORS: dict[str, Callable[[], Exception]] = {
    "does not exist": lambda: asyncpg.ConnectionDoesNotExistError("connection was closed"),
    "interface": lambda: asyncpg.InterfaceError("connection is closed"),
    "internal": lambda: asyncpg.InternalClientError("got result for unknown protocol state"),
    "os": lambda: ConnectionResetError("reset by peer"),
    "timeout": TimeoutError,
    "shut down": lambda: asyncpg.AdminShutdownError("terminating connection"),
    "deadlock": lambda: asyncpg.DeadlockDetectedError("deadlock detected"),
}


@dataclass
class Faults:
    """Which call on the database fails, counted from when it was last set; without a number none does."""

    at: int = 0
    when: When = "before"
    error: Callable[[], Exception] = TimeoutError
    closes: bool = True  # the connection is gone afterwards
    lasting: bool = False  # every call after it fails as well
    calls: list[str] = field(default_factory=list)
    hit: bool = False

    def set(self, at: int, when: When, error: Callable[[], Exception], **given: bool) -> None:
        self.at, self.when, self.error = at, when, error
        self.closes, self.lasting = given.get("closes", True), given.get("lasting", False)
        self.calls.clear()
        self.hit = False

    def heal(self) -> None:
        self.set(0, "before", TimeoutError)

    async def pass_through(
        self, connection: asyncpg.Connection, name: str, call: Callable[[], Awaitable[Any]]
    ) -> Any:
        """Make a call, or have it fail as ordered."""
        self.calls.append(name)
        number = len(self.calls)
        later = self.lasting and self.hit and number > self.at
        if self.at == 0 or (number != self.at and not later):
            return await call()
        self.hit = True
        if self.when == "after" and not later:
            await call()
        if self.closes:
            connection.terminate()
        raise self.error()


def faulty_pools(monkeypatch, faults: Faults) -> None:
    """Have every pool made from here on make connections whose calls go through ``faults``."""

    class FaultyConnection(asyncpg.Connection):
        """The real connection; asyncpg's own BEGIN and COMMIT come by `execute` too."""

        async def execute(self, query, *args, **given):
            return await faults.pass_through(self, query, partial(super().execute, query, *args, **given))

        async def fetch(self, query, *args, **given):
            return await faults.pass_through(self, query, partial(super().fetch, query, *args, **given))

        async def fetchrow(self, query, *args, **given):
            return await faults.pass_through(self, query, partial(super().fetchrow, query, *args, **given))

        async def fetchval(self, query, *args, **given):
            return await faults.pass_through(self, query, partial(super().fetchval, query, *args, **given))

    create = asyncpg.create_pool
    monkeypatch.setattr(asyncpg, "create_pool", partial(create, connection_class=FaultyConnection))


Cut = Literal["before", "inside", "after", "silence", "silence from the next"]


class Wire:
    """A proxy on loopback in front of the server's socket, which can be cut around the reply to a statement.

    ``cuts``: what happens at the next statements that read ``statement``, one each: cut before it reaches the
    server; after a byte of the reply; after the whole reply has left the server and none has arrived; or
    ``silence``: the server does it, and nothing comes through any more, ever; or not after its reply.
    """

    def __init__(self, upstream: Path) -> None:
        self._upstream = upstream
        self.statement = "COMMIT;"
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.cuts: list[Cut] = []
        self.done: list[Cut] = []
        self.mute = False  # what the server says on connections that are open now is not passed on

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_unix_connection(self._upstream)
        self._writers |= {writer, far_writer}
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
        cut: list[Cut] = []
        with contextlib.suppress(OSError, asyncio.CancelledError):
            down = asyncio.create_task(self._down(far_reader, writer, cut))
            up = asyncio.create_task(self._up(reader, far_writer, cut))
            _, rest = await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
            for one in rest:
                one.cancel()
            await asyncio.gather(up, down, return_exceptions=True)
        for one in (writer, far_writer):
            one.transport.abort()

    async def _up(self, reader, far_writer, cut) -> None:
        while data := await reader.read(65536):
            if self.cuts and data.endswith(self.statement.encode() + b"\0"):
                cut.append(self.cuts.pop(0))
                self.done.append(cut[0])
                if cut[0] == "before":
                    return
            far_writer.write(data)
            await far_writer.drain()

    async def _down(self, far_reader, writer, cut) -> None:
        while data := await far_reader.read(65536):
            if self.mute or (cut and cut[0] == "silence"):
                cut[:] = ["silence"]
                continue
            if cut and cut[0] == "silence from the next":
                cut[:] = ["silence"]
            elif cut:
                writer.write(data[:1] if cut[0] == "inside" else b"")
                await writer.drain()
                return
            writer.write(data)
            await writer.drain()

    def close(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        for task in self._tasks:
            task.cancel()


@asynccontextmanager
async def wire(dsn: str) -> AsyncIterator[tuple[Wire, str]]:
    """A wire to the server of a DSN, and the DSN that goes through it."""
    parts = urlsplit(dsn)
    given = parse_qs(parts.query)
    proxy = Wire(Path(given["host"][0]) / f".s.PGSQL.{given['port'][0]}")
    listening = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    try:
        yield proxy, f"postgresql://{parts.username}@127.0.0.1:{port}{parts.path}?sslmode=disable"
    finally:
        listening.close()
        proxy.close()
