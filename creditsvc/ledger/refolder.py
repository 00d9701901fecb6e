"""Profiles that time has outrun are folded again: at once where somebody asks, and by a sweep for the rest.

At midnight very many fall due together, so those asked for at the same moment share a transaction.
"""

import asyncio
import logging
from collections.abc import Callable
from time import perf_counter

from creditsvc.domain.catalogue import load as load_catalogue
from creditsvc.domain.schedule import Schedule, schedule_of
from creditsvc.domain.standing import Rules
from creditsvc.ledger import calendars, measures, releases
from creditsvc.ledger.accounts import SQL
from creditsvc.ledger.append import refold
from creditsvc.ledger.entries import Session
from creditsvc.ledger.failures import AGAIN, ReleaseUnknown
from creditsvc.settings import Settings
from creditsvc.store.database import Pool, append_pool
from creditsvc.tasks import ended

log = logging.getLogger(__name__)

GROUP_ENTITIES = 100
SWEEP_PAUSE_S = 5.0  # between sweeps that found little due
SWEEP_REST = 3  # after a full group it rests so many times as long as it worked: look-ups come first
ATTEMPTS = 3
FIRST_PAUSE_S = 0.05


class Refolder:
    """Folds profiles again, in groups; ``renew`` is called when a model is released that it does not know."""

    def __init__(self, pool: Pool, rules: Rules, renew: Callable[[], None] = lambda: None) -> None:
        self._renew = renew
        self._pool = pool
        self._rules = rules
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
            started = perf_counter()
            due: list[str] = []
            try:
                due = await self._due()
                if due:
                    await self._fold(due)
            except ReleaseUnknown:
                log.warning("a model was released that this process does not know: it starts anew")
                self._renew()
                return
            except Exception as error:  # noqa: BLE001  the next sweep may fare better; this one is told of
                log.warning("sweep: %s", type(error).__name__)
            spent_s = perf_counter() - started
            await asyncio.sleep(SWEEP_PAUSE_S if len(due) < GROUP_ENTITIES else spent_s * SWEEP_REST)

    async def _due(self) -> list[str]:
        schedule = self._rules.schedule
        async with self._pool.acquire() as connection:
            if await connection.fetchval(releases.SQL.count_releases, releases.OFFICIAL) > len(
                schedule.releases
            ):
                raise ReleaseUnknown
            return await _due(connection, schedule)

    async def close(self) -> None:
        await ended(self._sweeping)
        if self._running is not None:
            await self._running


async def _due(connection: Session, schedule: Schedule) -> list[str]:
    """Find a group that time or a release has outrun; nothing but what is due is read for it."""
    rows = await connection.fetch(SQL.due_entities, GROUP_ENTITIES)
    if len(rows) < GROUP_ENTITIES:
        left = GROUP_ENTITIES - len(rows)
        rows += await connection.fetch(SQL.outdated_entities, left, *schedule.announcements)
    return list(dict.fromkeys(row["entity_id"] for row in rows))


async def refold_all(dsn: str, settings: Settings, progress: Callable[[int, int], None]) -> int:
    """Fold all profiles that were folded before the last release was announced; gives how many it folded.

    Progress stands in the profiles themselves, so it may be cut off and run again, beside the service too.
    """
    pool = await append_pool(dsn, settings)
    async with pool:
        async with pool.acquire() as connection:
            schedule = schedule_of(await releases.load(connection), releases.OFFICIAL)
            counted = await connection.fetchrow(releases.SQL.count_outdated, *schedule.announcements)
        rules = Rules(load_catalogue(), schedule, calendars.kept())
        outdated, total = counted or (0, 0)
        folded = 0
        while True:
            progress(min(total, total - outdated + folded), total)
            async with pool.acquire() as connection:
                due = await _due(connection, schedule)
                if not due:
                    return folded
                await refold(connection, due, rules)
            folded += len(due)
