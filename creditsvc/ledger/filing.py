"""The sweep that files accesses under each organisation that they were about, and removes what is too old."""

import asyncio
import logging
from time import perf_counter

from creditsvc.ledger import measures
from creditsvc.ledger.accesses import SQL
from creditsvc.store.database import Pool
from creditsvc.tasks import ended

GROUP_ENTITIES = 1_000  # filed, or removed, in one transaction
PAUSE_S = 2.0  # between sweeps that found little
REST = 5  # after a full group it rests so many times as long as it worked: look-ups come first
REMOVE_EVERY_S = 600.0

log = logging.getLogger(__name__)


class Filing:
    """Sweeps for as long as it is open. Every worker has one; what another has taken is passed over."""

    def __init__(self, pool: Pool, *, kept_years: int) -> None:
        self._pool = pool
        self._kept_years = kept_years
        self._remove_at_s = 0.0
        self._sweeping = asyncio.create_task(self._sweep(), name="filing")

    async def close(self) -> None:
        await ended(self._sweeping)

    async def _sweep(self) -> None:
        while True:
            started = perf_counter()
            more = False
            try:
                more = await self._file()
                if started >= self._remove_at_s:
                    removed_all = await self._remove()
                    self._remove_at_s = started + REMOVE_EVERY_S if removed_all else 0.0
                    more = more or not removed_all
            except Exception as error:  # noqa: BLE001  the next sweep may fare better; this one is told of
                log.warning("filing: %s", type(error).__name__)
            await asyncio.sleep((perf_counter() - started) * REST if more else PAUSE_S)

    async def _file(self) -> bool:
        """File a group; whether there is likely more."""
        async with self._pool.acquire() as connection:
            filed: int = await connection.fetchval(SQL.file, GROUP_ENTITIES)
        measures.ACCESSES_FILED.inc(filed)
        return filed > 1  # one alone may be a batch, or the last: it can wait

    async def _remove(self) -> bool:
        """Remove a group of what is too old; whether that was all."""
        async with self._pool.acquire() as connection:
            removed: int = await connection.fetchval(SQL.remove_old, self._kept_years, GROUP_ENTITIES)
        measures.ACCESSES_REMOVED.inc(removed)
        return removed < GROUP_ENTITIES
