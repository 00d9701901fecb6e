"""Push-back: a receipt promises a place in the log in time, so none is given while the log cannot keep up."""

import asyncio
import logging

from creditsvc.errors import Unavailable
from creditsvc.ledger import measures
from creditsvc.ledger.failures import AGAIN
from creditsvc.store.database import Pool, load_queries
from creditsvc.tasks import ended

log = logging.getLogger(__name__)

SQL = load_queries("sequence")
LOOK_EVERY_S = 1.0
RETRY_AFTER_S = 5


class Backlog:
    """Watches what waits for the log; one watch for each process, so that an append costs nothing more."""

    def __init__(self, pool: Pool, *, longest_s: float, most_pending: int) -> None:
        self._pool = pool
        self._longest_s = longest_s
        self._most_pending = most_pending
        self._full = False
        self._watching = asyncio.create_task(self._watch(), name="backlog")

    def refuse_if_full(self) -> None:
        """Raise ``Unavailable`` while too much waits, or has for too long."""
        if self._full:
            raise Unavailable(
                "Too many events are waiting for their place in the log; send this again later",
                retry_after_s=RETRY_AFTER_S,
            )

    async def _watch(self) -> None:
        while True:
            try:
                await self.look()
            except AGAIN as error:  # what the database cannot tell, an append will find out
                log.warning("backlog: %s", type(error).__name__)
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """See how much waits."""
        async with self._pool.acquire() as connection:
            row = await connection.fetchrow(SQL.backlog)
        pending, oldest_s = (0, 0.0) if row is None else (row["pending"], row["oldest_s"] or 0.0)
        measures.LOG_OLDEST_SECONDS.set(max(0.0, oldest_s))
        full = pending >= self._most_pending or oldest_s > self._longest_s
        if full != self._full:
            log.warning("the log %s", "falls behind: events are put off" if full else "keeps up again")
        self._full = full

    async def close(self) -> None:
        await ended(self._watching)
