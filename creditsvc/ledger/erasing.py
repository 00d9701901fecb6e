"""Erasing: what was kept for as long as it may be loses its content, and keeps its place in the log.

A sweep, a record at a time, each in one statement and so in one transaction: killed at any point it has
erased a record whole or not at all. What may be erased the database decides (``erase_record`` in the schema);
here only what has to be kept is worked out.
"""

import asyncio
import logging
from datetime import timedelta
from time import perf_counter

from creditsvc.domain import catalogue, instants
from creditsvc.domain.residue import residue
from creditsvc.domain.schedule import Schedule
from creditsvc.domain.standing import Rules
from creditsvc.ledger import calendars, measures
from creditsvc.ledger.entries import Row, Session, entry
from creditsvc.ledger.releases import OFFICIAL
from creditsvc.store.database import Pool, load_queries
from scoring import engine

SQL = load_queries("erasure")
GROUP = 100
PAUSE_S = 5.0  # between sweeps that left nothing that could be erased
REST = 1  # after a full group it rests so many times as long as it worked

log = logging.getLogger(__name__)


class Erasing:
    """Sweeps until it is told to stop. Several may: what another is at work on is passed over."""

    def __init__(self, pool: Pool, *, after: timedelta, rules: Rules | None = None) -> None:
        self._pool = pool
        self._after = after  # how long what is retired is left before it is erased
        self._rules = rules or _rules()

    async def run(self) -> None:
        """Keep at it. Whatever fails is told and tried again."""
        while True:
            started = perf_counter()
            erased = 0
            try:
                erased = await self.sweep()
            except Exception as error:  # noqa: BLE001  the log goes on, and the next sweep may fare better
                log.warning("erasing: %s", type(error).__name__)
            await asyncio.sleep((perf_counter() - started) * REST if erased == GROUP else PAUSE_S)

    async def sweep(self) -> int:
        """Erase some of what is due; gives how many records."""
        async with self._pool.acquire() as connection:
            due = await connection.fetch(SQL.due, self._after, GROUP)
            erased = 0
            for row in due:
                erased += await self._erase(connection, row)
            measures.ERASURE_OLDEST_SECONDS.set(await connection.fetchval(SQL.oldest))
        return erased

    async def _erase(self, connection: Session, row: Row) -> bool:
        key = (row["entity_id"], row["record"], row["source"])
        rows = await connection.fetch(SQL.entries, row["entity_id"], row["sequences"])
        if any(one["content"] is None for one in rows):
            return False  # another sweep was faster
        zone = instants.zone_of(row["entity_id"])
        kept = residue([entry(one) for one in rows], row["now"], self._rules, zone)
        entries: int = await connection.fetchval(
            SQL.erase,
            *key,
            [one.sequence for one in kept.traces],
            [one.name for one in kept.traces],
            [one.status for one in kept.traces],
            [one.public for one in kept.traces],
            kept.public_changed_at,
        )
        measures.ERASED.inc(entries)
        return entries > 0


def _rules() -> Rules:
    """Take any model: what a record was to the public does not depend on how it was scored."""
    model = engine.load(OFFICIAL, engine.released()[OFFICIAL][-1])
    return Rules(catalogue.load(), Schedule.always(model), calendars.kept())
