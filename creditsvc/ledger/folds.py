"""Whole histories folded for an answer: few long ones at a time, and not at the others' expense."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TypeVar

from creditsvc.domain.records import Entry
from creditsvc.errors import Unavailable
from creditsvc.ledger.entries import entry
from creditsvc.store.database import Pool, load_queries

SQL = load_queries("lookup")
T = TypeVar("T")

SHORT_EVENTS = 500  # more wait for their turn
LOOP_EVENTS = 80  # so many are folded on the loop, which takes some 5 ms; more in a thread beside it
AT_ONCE = 1  # threads share one interpreter: a second would only slow the first and everybody else
MOST_WAITING = 8
EVENTS_PER_UNIT = 100  # what a fold is charged against the caller's rate limit

Charge = Callable[[float], None]


def free(_: float) -> None:
    """Charge nobody."""


class Folds:
    """Loads the events of one entity and folds them."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def fold(
        self, entity: str, until: datetime, size: int, folded: Callable[[list[Entry]], T], charge: Charge
    ) -> T | None:
        """Fold what was recorded by an instant, of a history of ``size`` events; null where that is nothing.

        Raises ``Unavailable`` when too many long histories wait to be folded, and what ``charge`` raises.
        """
        charge(size / EVENTS_PER_UNIT)
        async with self.turn(size):
            async with self._pool.acquire() as connection:
                rows = await connection.fetch(SQL.entries_until, entity, until)
            if not rows:
                return None
            work = lambda: folded([entry(row) for row in rows])  # noqa: E731  it may run elsewhere
            return await in_thread(len(rows), work, LOOP_EVENTS)

    @asynccontextmanager
    async def turn(self, size: int) -> AsyncIterator[None]:
        """Wait for the turn of a long history; a short one needs none."""
        if size <= SHORT_EVENTS:
            yield
            return
        if self._waiting >= MOST_WAITING:
            raise Unavailable("Too many long histories are being worked out; ask again", retry_after_s=2)
        self._waiting += 1
        try:
            async with self._turn:
                yield
        finally:
            self._waiting -= 1


async def in_thread(size: int, work: Callable[[], T], few: int = SHORT_EVENTS) -> T:
    """Do work that goes with so many events: on the loop where they are few, else in a thread."""
    return await asyncio.to_thread(work) if size > few else work()
