"""Processes for the work on sheets: each lives for one order, few at once, none for long."""

import asyncio
import logging
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from tempfile import TemporaryDirectory
from typing import Any

import orjson
from aiohttp import web

from creditsvc.errors import Internal, Unavailable
from creditsvc.handin import bounds

AT_ONCE = 1  # in each worker: beside it requests are to be answered
WAITING_MAX = 4
OF_ONE_CLIENT_MAX = 2  # one that is worked on or stands in the queue, and one behind it
WAIT_MAX_S = 30.0
RETRY_AFTER_S = 10

log = logging.getLogger("creditsvc.web")


@dataclass(slots=True)
class _OfOne:
    """The orders of one client."""

    inside: int = 0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Apart:
    """Has orders carried out by `creditsvc.handin.apart`, in processes that are ended with this worker."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._inside = 0
        self._of_client: dict[str, _OfOne] = {}
        self._running: set[Process] = set()

    async def perform(
        self, client: str, order: Mapping[str, Any], content: bytes
    ) -> tuple[dict[str, Any], bytes]:
        """Have an order of a client carried out; one at a time of each, so that none keeps the others out.

        Raises ``SheetUnreadable``; ``Unavailable`` when too many wait, or the process was ended by others.
        """
        async with self._admitted(client):
            return await self._performed(order, content)

    async def close(self) -> None:
        for process in self._running:
            with suppress(ProcessLookupError):
                process.kill()

    @asynccontextmanager
    async def _admitted(self, client: str) -> AsyncIterator[None]:
        async with AsyncExitStack() as held:
            try:
                async with asyncio.timeout(WAIT_MAX_S):
                    await held.enter_async_context(self._place_of(client))
                    await held.enter_async_context(self._place())
            except TimeoutError:
                raise _full() from None
            yield

    @asynccontextmanager
    async def _place_of(self, client: str) -> AsyncIterator[None]:
        """Wait for the client's own other order: only then does this one stand in the queue of all."""
        own = self._of_client.setdefault(client, _OfOne())
        if own.inside >= OF_ONE_CLIENT_MAX:
            raise _full()
        own.inside += 1
        try:
            async with own.turn:
                yield
        finally:
            own.inside -= 1
            if not own.inside:
                del self._of_client[client]

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        if self._inside >= AT_ONCE + WAITING_MAX:
            raise _full()
        self._inside += 1
        try:
            async with self._turn:
                yield
        finally:
            self._inside -= 1

    async def _performed(self, order: Mapping[str, Any], content: bytes) -> tuple[dict[str, Any], bytes]:
        with TemporaryDirectory(prefix="creditsvc-sheet-") as folder:
            return await self._carried_out(order, content, folder)

    async def _carried_out(
        self, order: Mapping[str, Any], content: bytes, folder: str
    ) -> tuple[dict[str, Any], bytes]:
        # With none of the service's environment: its database and its secrets are not for this process.
        environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONUTF8": "1"}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "creditsvc.handin.apart"),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            env=environment | {"TMPDIR": folder},
        )
        self._running.add(process)
        try:
            async with asyncio.timeout(bounds.TIME_MAX_S):
                written, _ = await process.communicate(orjson.dumps(order) + b"\n" + content)
        except TimeoutError:
            raise bounds.too_slow() from None
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await asyncio.shield(process.wait())
            self._running.discard(process)
        return _read(written, process.returncode)


def _read(written: bytes, status: int | None) -> tuple[dict[str, Any], bytes]:
    line, ended, given = written.partition(b"\n")
    if not ended:  # killed before it said anything
        log.error("the work on a sheet ended early", extra={"fields": {"status": status}})
        raise Unavailable("The work on the sheet was broken off.", retry_after_s=1)
    said: dict[str, Any] = orjson.loads(line)
    if "failed" in said:
        log.error("the work on a sheet failed", extra={"fields": said["failed"]})
        raise Internal("The service failed on this sheet; the request id finds it in the logs.")
    if "unreadable" in said:
        code, figures = said["unreadable"]
        raise bounds.unreadable(code, **figures)
    if status != 0:
        log.error("the work on a sheet ended early", extra={"fields": {"status": status}})
        raise Unavailable("The work on the sheet was broken off.", retry_after_s=1)
    return said, given


def _full() -> Unavailable:
    return Unavailable("Too many sheets are being checked.", retry_after_s=RETRY_AFTER_S)


APART: web.AppKey[Apart] = web.AppKey("apart", Apart)


async def prepare(app: web.Application) -> AsyncIterator[None]:
    app[APART] = Apart()
    yield
    await app[APART].close()
