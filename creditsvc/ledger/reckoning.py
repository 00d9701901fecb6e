"""Clocks are reckoned anew when their calendar has grown, taken off when time has ended them, and counted.

A calendar grows with a new version of what is installed, so with a start. Then every clock that counts
working days is reckoned again, for an edition may also put right what an earlier one had wrong.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, time
from time import perf_counter

from creditsvc.domain.account import RecordKey
from creditsvc.domain.standing import Rules
from creditsvc.ledger import measures, open_cases
from creditsvc.ledger.append import refold
from creditsvc.store.database import Pool
from creditsvc.tasks import ended

BATCH = 500  # clocks reckoned in one transaction
GROUP_RECORDS = 100  # folded in one transaction
PAUSE_S = 300.0  # between sweeps that found little: another host may have an older calendar
REST = 3  # after a full batch it rests so many times as long as it worked: look-ups come first
COUNT_PAUSE_S = 15.0
FAILED_PAUSE_S = 5.0

log = logging.getLogger(__name__)


class Reckoning:
    """Sweeps and counts for as long as it is open. Every worker has one; they share the work."""

    def __init__(self, appending: Pool, looking: Pool, rules: Rules, *, by_agency: bool = False) -> None:
        self._by_agency = by_agency
        self._appending = appending
        self._looking = looking
        self._rules = rules
        for zone, calendar in rules.calendars.items():
            until = datetime.combine(calendar.known_until, time(), UTC)
            measures.CALENDAR_KNOWN_UNTIL.labels(zone).set(until.timestamp())
        self._running = [
            asyncio.create_task(self._repeat("reckoning", self._sweep)),
            asyncio.create_task(self._repeat("counting desks", self._count)),
        ]

    async def close(self) -> None:
        await ended(*self._running)

    async def _repeat(self, what: str, once: Callable[[], Awaitable[float]]) -> None:
        while True:
            try:
                pause_s = await once()
            except Exception as error:  # noqa: BLE001  the next time may fare better; this one is told of
                log.warning("%s: %s", what, type(error).__name__)
                pause_s = FAILED_PAUSE_S
            await asyncio.sleep(pause_s)

    async def _sweep(self) -> float:
        """Do a batch; gives the seconds until the next."""
        started = perf_counter()
        more = await reckon(self._appending, self._rules)
        more = await list_old(self._appending, self._rules) or more
        more = await lapse(self._appending) or more
        return (perf_counter() - started) * REST if more else PAUSE_S

    async def _count(self) -> float:
        async with self._looking.acquire() as connection:
            rows = await connection.fetch(open_cases.SQL.count)
        counted = (measures.Counted(*row) for row in rows)
        measures.OPEN_CASES.tell(
            [one if self._by_agency else one._replace(agency=measures.ALL) for one in counted]
        )
        return COUNT_PAUSE_S


async def reckon(pool: Pool, rules: Rules, batch: int = BATCH) -> bool:
    """Reckon a batch of clocks anew by the calendars of now; whether there is likely more."""
    async with pool.acquire() as connection:
        reckoned = await open_cases.reckon(connection, rules, batch)
    if reckoned:
        measures.CLOCKS_RECKONED.inc(reckoned)
        log.info("clocks reckoned by a newer calendar", extra={"fields": {"clocks": reckoned}})
    return reckoned == batch


async def lapse(pool: Pool, batch: int = BATCH) -> bool:
    """Take off a batch of what only time has ended; whether there is likely more."""
    async with pool.acquire() as connection:
        return await open_cases.lapse(connection, batch) == batch


async def list_old(pool: Pool, rules: Rules) -> bool:
    """List objections that older software has folded, which knew no clocks; whether there is likely more."""
    async with pool.acquire() as connection:
        rows = await connection.fetch(open_cases.SQL.unlisted, GROUP_RECORDS)
        if not rows:
            return False
        named: dict[str, set[RecordKey]] = {}
        for row in rows:
            named.setdefault(row["entity_id"], set()).add((row["record"], row["source"]))
        await refold(connection, sorted(named), rules, named)
    return len(rows) == GROUP_RECORDS
