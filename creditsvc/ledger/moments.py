"""Where a view of an entity stands now or stood at an instant, and its profile there.

An answer about an instant is given only once nothing can come to be recorded before it any more; so what
was answered for an instant stays the answer.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from creditsvc.domain.account import account_at
from creditsvc.domain.profile import Moment, View
from creditsvc.domain.records import Entry
from creditsvc.domain.standing import Rules
from creditsvc.errors import EntityUnknown, NotFound, Unavailable, Violation
from creditsvc.ledger.entries import entry
from creditsvc.ledger.failures import ReleaseUnknown
from creditsvc.ledger.lookups import Lookups, Stored
from creditsvc.store.database import Pool, load_queries

SQL = load_queries("lookup")
SETTLE_PAUSE_S = 0.004
SETTLE_ATTEMPTS = 750  # three seconds: longer than any append that is well
CLOCK_TOLERANCE = timedelta(seconds=2)
INLINE_ENTRIES = 500  # a longer history is folded in a thread, so that the loop goes on

Refold = Callable[[str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Seen:
    """A profile and where it stands; ``past``: it was asked for as of an instant."""

    moment: Moment
    profile: bytes | None
    past: bool = False


class Moments:
    """Finds the moments of entities, and the horizon behind which the past is settled."""

    def __init__(self, pool: Pool, lookups: dict[View, Lookups], refold: Refold, rules: Rules) -> None:
        self._pool = pool
        self._lookups = lookups
        self._refold = refold
        self._rules = rules
        self._settled: datetime | None = None

    async def horizon(self) -> tuple[datetime, datetime]:
        """Give the database's clock and the instant before which nothing more can be recorded."""
        async with self._pool.acquire() as connection:
            row = await connection.fetchrow(SQL.horizon)
        if row is None:
            raise Unavailable("The database gave no time")
        self._settled = max(self._settled, row["settled"]) if self._settled else row["settled"]
        return row["now"], row["settled"]

    async def settle(self, instant: datetime) -> None:
        """Wait until nothing can be recorded at or before an instant any more.

        Raises ``NotFound`` for the future, ``Unavailable`` when a transaction in flight takes too long.
        """
        for _ in range(SETTLE_ATTEMPTS):
            if self._settled is not None and instant < self._settled:
                return
            now, settled = await self.horizon()
            if instant < settled:
                return
            if instant > now + CLOCK_TOLERANCE:
                raise NotFound(
                    "That instant lies in the future",
                    [Violation("/query/as_of", "future", "Ask for an instant that has passed")],
                )
            await asyncio.sleep(SETTLE_PAUSE_S)
        raise Unavailable("Events of that instant are still being recorded", retry_after_s=1)

    async def current(self, entity: str, view: View) -> Stored | None:
        """Fetch what is stored, folded again first where time has outrun it."""
        stored = await self._lookups[view].get(entity)
        if stored is not None and stored.outrun:
            await self._refold(entity)
            stored = await self._lookups[view].get(entity)
        if stored is not None and stored.announced > len(self._rules.schedule.releases):
            raise ReleaseUnknown
        return stored

    async def at(self, entity: str, view: View, as_of: datetime | None) -> Seen:
        """Find a profile, now or as of an instant. Raises ``EntityUnknown`` where the view shows nothing."""
        seen = await self.find(entity, view, as_of)
        if seen is None or seen.profile is None:
            raise EntityUnknown("Nothing is on record that may be shown; which is not proof of compliance")
        return seen

    async def find(self, entity: str, view: View, as_of: datetime | None) -> Seen | None:
        """Find a view's moment; one without a profile is that of a view which no longer shows anything."""
        stored = await self.current(entity, view)
        if as_of is None:
            return _seen(stored)
        if stored is None or as_of > stored.recorded_at:
            await self.settle(as_of)
            stored = await self.current(entity, view)
        return await self._past(entity, view, as_of, stored)

    async def _past(self, entity: str, view: View, as_of: datetime, stored: Stored | None) -> Seen | None:
        if stored is None:
            return None
        kept = _seen(stored, past=True)
        if kept is not None and _holds(kept.moment, as_of):
            return kept
        entries = await self.entries(entity, as_of)
        if not entries:
            return None
        if len(entries) > INLINE_ENTRIES:
            return await asyncio.to_thread(self._fold, entity, entries, as_of, view)
        return self._fold(entity, entries, as_of, view)

    async def entries(self, entity: str, until: datetime) -> list[Entry]:
        async with self._pool.acquire() as connection:
            return [entry(row) for row in await connection.fetch(SQL.entries_until, entity, until)]

    def _fold(self, entity: str, entries: list[Entry], as_of: datetime, view: View) -> Seen | None:
        past = account_at(entity, entries, as_of, self._rules)
        moment = past.account.views[view].moment()
        if moment is None:
            return None
        return Seen(moment, past.profile(view, self._rules), past=True)


def _seen(stored: Stored | None, *, past: bool = False) -> Seen | None:
    if stored is None or stored.valid_from is None:
        return None
    moment = Moment(stored.version, stored.valid_from, stored.valid_until)
    return Seen(moment, stored.profile, past=past)


def _holds(moment: Moment, instant: datetime) -> bool:
    return moment.valid_from <= instant and (moment.valid_until is None or instant < moment.valid_until)
