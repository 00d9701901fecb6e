"""Erasing: what was kept for as long as it may be loses its content, and keeps its place in the log.

A sweep, a record at a time, each in one statement and so in one transaction: killed at any point it has
erased a record whole or not at all. The row of a record only names it for erasing: that its time is over has
to follow from its events, which are folded here, and from a notice, which the database looks for
(``erase_record`` in the schema). Where either does not bear the row out nothing is erased, and that is told.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from time import perf_counter
from zoneinfo import ZoneInfo

import asyncpg

from creditsvc.domain import catalogue, instants
from creditsvc.domain.records import Entry, fold
from creditsvc.domain.residue import residue
from creditsvc.domain.retention import retired_from
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

Key = tuple[str, str, str]  # entity, record, the source that holds it


class _Refused(Exception):  # noqa: N818  told and counted, and never seen elsewhere
    """The row of a record says that it is over, and something else does not."""


class Erasing:
    """Sweeps until it is told to stop. Several may: what another is at work on is passed over."""

    def __init__(self, pool: Pool, *, after: timedelta, rules: Rules | None = None) -> None:
        self._pool = pool
        self._after = after  # how long what is retired is left before it is erased
        self._rules = rules or _rules()
        self._refused: frozenset[Key] = frozenset()  # by the last sweep, which told of them

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
            erased, refused = 0, dict[Key, str]()
            for row in due:
                key = (row["entity_id"], row["record"], row["source"])
                try:
                    erased += await self._erase(connection, key, row)
                except (_Refused, asyncpg.InsufficientPrivilegeError) as why:
                    refused[key] = str(why)
            self._tell(refused)
            measures.ERASURE_OLDEST_SECONDS.set(await connection.fetchval(SQL.oldest))
        return erased

    def _tell(self, refused: Mapping[Key, str]) -> None:
        for key in refused.keys() - self._refused:
            log.error("erasing: refused for record %s of %s by %s: %s", key[1], key[0], key[2], refused[key])
        self._refused = frozenset(refused)
        measures.ERASURE_REFUSED.set(len(refused))

    async def _erase(self, connection: Session, key: Key, row: Row) -> bool:
        rows = await connection.fetch(SQL.entries, row["entity_id"], row["sequences"])
        if any(one["content"] is None for one in rows):
            return False  # another sweep was faster
        zone = instants.zone_of(row["entity_id"])
        events = [entry(one) for one in rows]
        self._check(events, key, row["now"], zone)
        kept = residue(events, row["now"], self._rules, zone)
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

    def _check(self, events: Sequence[Entry], key: Key, now: datetime, zone: ZoneInfo) -> None:
        """Refuse what its events do not say is over; the row of a record may say anything."""
        if not events or any(one.key != key[1:] for one in events):
            raise _Refused("its events are of another record")
        record = fold(events, self._rules.catalogue)
        over = retired_from(record, self._rules.catalogue, zone)
        if over is None or max(over, record.recorded_at) > now - self._after:
            raise _Refused("its events do not say that its time is over")
        if any(case.open for case in record.cases):
            raise _Refused("a case is open on it")


def _rules() -> Rules:
    """Take any model: what a record was to the public does not depend on how it was scored."""
    model = engine.load(OFFICIAL, engine.released()[OFFICIAL][-1])
    return Rules(catalogue.load(), Schedule.always(model), calendars.kept())
