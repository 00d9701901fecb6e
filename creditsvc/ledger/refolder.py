"""Profiles that time has outrun are folded again: at once where somebody asks, and by a sweep for the rest.

At midnight very many fall due together, so those asked for at the same moment share a transaction.
"""

import asyncio
import logging
from contextlib import suppress

from creditsvc.domain.standing import Rules
from creditsvc.ledger import measures
from creditsvc.ledger.accounts import SQL
from creditsvc.ledger.append import refold
from creditsvc.ledger.failures import AGAIN
from creditsvc.store.database import Pool

log = logging.getLogger(__name__)

GROUP_ENTITIES = 100
SWEEP_PAUSE_S = 5.0  # between sweeps that found nothing due
ATTEMPTS = 3
FIRST_PAUSE_S = 0.05


class Refolder:
    """Folds profiles again, in groups."""

    def __init__(self, pool: Pool, rules: Rules) -> None:
        self._pool = pool
        self._rules = rules
        self._announced = len(rules.schedule.releases)
        self._asked: dict[str, asyncio.Future[None]] = {}
        self._running: asyncio.Task[None] | None = None
        self._sweeping = asyncio.create_task(self._sweep(), name="sweep")

    async def refold(self, entity: str) -> None:
        """Fold one profile again; whoever wants the same one shares the work."""
        future = self._asked.get(entity)
        if future is None:
            future = self._asked[entity] = asyncio.get_running_loop().create_future()
        if self._running is None:
            self._running = asyncio.create_task(self._run(), name="refold")
        await asyncio.shield(future)

    async def _run(self) -> None:
        while self._asked:
            taken = dict(list(self._asked.items())[:GROUP_ENTITIES])
            for entity in taken:
                del self._asked[entity]
            try:
                await self._fold(sorted(taken))
            except Exception as error:  # noqa: BLE001  whoever waits must hear, whatever went wrong
                for future in taken.values():
                    future.set_exception(error)
                    future.exception()  # whoever waited may have gone
            else:
                for future in taken.values():
                    future.set_result(None)
        self._running = None

    async def _fold(self, entities: list[str]) -> None:
        pause_s = FIRST_PAUSE_S
        for attempt in range(ATTEMPTS):
            try:
                async with self._pool.acquire() as connection:
                    await refold(connection, entities, self._rules)
            except AGAIN:
                if attempt == ATTEMPTS - 1:
                    raise
                await asyncio.sleep(pause_s)
                pause_s *= 2
            else:
                measures.REFOLDED.inc(len(entities))
                return

    async def _sweep(self) -> None:
        """Fold what has fallen due though nobody asked, so that whatever reads the tables finds it in step.

        Every worker sweeps; what another has locked is passed over, so they share the work.
        """
        while True:
            try:
                async with self._pool.acquire() as connection:
                    due = [
                        row["entity_id"]
                        for row in await connection.fetch(SQL.due_entities, GROUP_ENTITIES, self._announced)
                    ]
                if due:
                    await self._fold(due)
            except AGAIN as error:
                log.warning("sweep: %s", type(error).__name__)
                due = []
            if len(due) < GROUP_ENTITIES:
                await asyncio.sleep(SWEEP_PAUSE_S)

    async def close(self) -> None:
        self._sweeping.cancel()
        with suppress(asyncio.CancelledError):
            await self._sweeping
        if self._running is not None:
            await self._running
