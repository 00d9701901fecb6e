"""Look-ups that wait at the same moment share one query; the answer is as fresh as the database."""

import asyncio
from datetime import datetime
from time import perf_counter
from typing import NamedTuple

from creditsvc.domain.schedule import Schedule
from creditsvc.ledger.entries import Session
from creditsvc.store.database import Pool

MOST_KEYS = 1_000  # of one query
# While a query is under way, fewer than so many wait for its end, unless it takes too long: most of what a
# look-up costs is its share of a query.
FULL_KEYS = 100
PATIENCE_S = 0.005

Key = tuple[str, str | None]  # of whom, and the partner who asks for it, where that matters


class Stored(NamedTuple):
    """A profile as stored. ``outrun``: past its validity by the database's clock, to be folded again.

    A tuple, in the order of the queries' columns: very many are made.
    """

    version: int
    valid_from: datetime | None
    valid_until: datetime | None
    profile: bytes | None
    recorded_at: datetime
    outrun: bool
    events: int  # in its whole history
    announced: int  # releases of the official model that whoever folded it knew of
    consented: bool  # to the partner who asks, if one does


class Lookups:
    """Fetches stored profiles of one view.

    A look-up joins the next query to start, never one that runs already: so it sees every event whose
    receipt was given before it began.
    """

    def __init__(
        self, pool: Pool, query: str, *, schedule: Schedule, connections: int, patience_s: float = PATIENCE_S
    ) -> None:
        self._pool = pool
        self._patience_s = patience_s
        self._query = query
        self._announcements = schedule.announcements
        self._most = self._free = connections
        self._begun = 0  # how many queries
        self._began_s = 0.0  # when the last of them did
        self._later: asyncio.TimerHandle | None = None
        self._waiting: dict[Key, asyncio.Future[Stored | None]] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def get(self, entity: str, client: str | None = None) -> Stored | None:
        """Fetch one; null where nothing is on record. ``client``: the partner whose consent is looked up."""
        return await asyncio.shield(self.ask(entity, client))

    def ask(self, entity: str, client: str | None = None) -> "asyncio.Future[Stored | None]":
        """Ask for one at the socket, without a task; others may share what is given, so never cancel it."""
        key = (entity, client)
        future = self._waiting.get(key)
        if future is None:
            future = self._waiting[key] = asyncio.get_running_loop().create_future()
            self._start()
        return future

    def _start(self) -> None:
        """Have a query begun for what waits, or look again in a while whether the last one takes too long."""
        if self._free == 0 or not self._waiting:
            return
        under_way = self._free < self._most and perf_counter() - self._began_s < self._patience_s
        if under_way and len(self._waiting) < FULL_KEYS:
            if self._later is None:
                self._later = asyncio.get_running_loop().call_later(self._patience_s, self._look_again)
            return
        self._free -= 1
        self._began_s = perf_counter()
        task = asyncio.create_task(self._run())
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def _look_again(self) -> None:
        self._later = None
        self._start()

    async def _run(self) -> None:
        try:
            async with self._pool.acquire() as connection:
                while self._waiting:
                    self._begun = mine = self._begun + 1
                    answered = await self._answer(connection)
                    followed = self._begun != mine and len(self._waiting) < FULL_KEYS
                    if followed or not answered:
                        return  # whoever began later goes on, or another connection is tried
        except Exception as error:  # noqa: BLE001  no connection could be had
            _fail(self._waiting, error)
            self._waiting = {}
        finally:
            self._free += 1
            self._start()

    async def _answer(self, connection: Session) -> bool:
        """Answer those that wait, by one query; false where it failed."""
        asked = dict(list(self._waiting.items())[:MOST_KEYS])
        for key in asked:
            del self._waiting[key]
        self._began_s = perf_counter()
        try:
            found = await self._fetch(connection, list(asked))
        except Exception as error:  # noqa: BLE001  whoever waits must hear, whatever went wrong
            _fail(asked, error)
            return False
        for key, future in asked.items():
            if not future.done():
                future.set_result(found.get(key))
        return True

    async def _fetch(self, connection: Session, asked: list[Key]) -> dict[Key, Stored]:
        entities, clients = [entity for entity, _ in asked], [client for _, client in asked]
        named = clients if any(clients) else []  # of no partner, as most are: nulls cost as well
        rows = await connection.fetch(self._query, entities, named, *self._announcements)
        return {(entity, client): Stored(*stored) for entity, client, *stored in rows}


def _fail(asked: "dict[Key, asyncio.Future[Stored | None]]", error: Exception) -> None:
    for future in asked.values():
        if not future.done():
            future.set_exception(error)
            future.exception()  # whoever waited may have gone: not worth a warning then
