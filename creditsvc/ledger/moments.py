"""Where a view of an entity stands now or stood at an instant, and its profile there.

An answer about an instant is given only once nothing can come to be recorded before it any more; so what
was answered for an instant stays the answer.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from creditsvc.domain.account import account_at
from creditsvc.domain.naming import UNNAMED, Naming, Namings, View
from creditsvc.domain.profile import Moment
from creditsvc.domain.records import Entry
from creditsvc.domain.standing import Rules
from creditsvc.domain.withheld import Withholding, objections
from creditsvc.errors import EntityUnknown, NotFound, Unavailable, Violation
from creditsvc.ledger.failures import ReleaseUnknown
from creditsvc.ledger.folds import SQL, Charge, Folds, free
from creditsvc.ledger.lookups import Lookups, Stored
from creditsvc.store.database import Pool

SETTLE_PAUSE_S = 0.004
SETTLE_ATTEMPTS = 750  # three seconds: longer than any append that is well
CLOCK_TOLERANCE = timedelta(seconds=2)

Refold = Callable[[str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Seen:
    """A profile and where it stands; ``past``: it was asked for as of an instant.

    ``consented``: to the partner who asks; else what asks for consent is not in the profile for one.
    ``events``: in the whole history by now, which is not for show. ``records``: of the view, where counted.
    """

    moment: Moment
    profile: bytes | None
    events: int = field(compare=False)
    past: bool = False
    consented: bool = False
    records: int | None = None


class Moments:
    """Finds the moments of entities, and the horizon behind which the past is settled."""

    def __init__(self, pool: Pool, lookups: dict[View, Lookups], refold: Refold, rules: Rules) -> None:
        self.folds = Folds(pool)
        self._pool = pool
        self._lookups = lookups
        self._refold = refold
        self._rules = rules
        self._withholding = Withholding(rules.catalogue)
        self._settled: datetime | None = None
        self._polling: asyncio.Task[tuple[datetime, datetime]] | None = None

    @property
    def settled(self) -> datetime | None:
        """The latest horizon that is known: nothing was recorded before it that is not there by now."""
        return self._settled

    async def horizon(self) -> tuple[datetime, datetime]:
        """Give the database's clock and the instant before which nothing more can be recorded.

        Whoever asks while a query for it runs shares that: an earlier horizon holds as well.
        """
        if self._polling is None:
            self._polling = asyncio.create_task(self._poll())
            self._polling.add_done_callback(self._polled)
        return await asyncio.shield(self._polling)

    def _polled(self, _: "asyncio.Task[tuple[datetime, datetime]]") -> None:
        self._polling = None

    async def _poll(self) -> tuple[datetime, datetime]:
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

    async def current(self, entity: str, view: View, client: str | None = None) -> Stored | None:
        """Fetch what is stored, folded again first where time has outrun it."""
        stored = await self._lookups[view].get(entity, client)
        if stored is not None and stored.outrun:
            await self._refold(entity)
            stored = await self._lookups[view].get(entity, client)
        if stored is not None and stored.announced > len(self._rules.schedule.releases):
            raise ReleaseUnknown
        return stored

    async def at(
        self,
        entity: str,
        view: View,
        as_of: datetime | None,
        charge: Charge = free,
        client: str | None = None,
    ) -> Seen:
        """Find a profile, now or as of an instant, for a partner by its consent, which is that of now.

        Raises ``EntityUnknown`` where the view shows nothing.
        """
        seen = await self.find(entity, view, as_of, charge, client)
        if seen is None or seen.profile is None:
            raise unknown()
        return seen

    async def find(
        self,
        entity: str,
        view: View,
        as_of: datetime | None,
        charge: Charge = free,
        client: str | None = None,
    ) -> Seen | None:
        """Find a view's moment; one without a profile is that of a view which no longer shows anything."""
        stored = await self.current(entity, view, client)
        if as_of is None:
            seen = _seen(stored)
        else:
            if stored is None or stored.valid_from is None or as_of > stored.recorded_at:
                await self.settle(as_of)
                stored = await self.current(entity, view, client)
            seen = await self._past(entity, view, as_of, stored, charge)
        if client is None or stored is None or seen is None:
            return seen
        return (
            replace(seen, consented=True) if stored.consented else await self._withheld(entity, seen, stored)
        )

    async def _withheld(self, entity: str, seen: Seen, stored: Stored) -> Seen:
        """Take out of a profile what asks for a consent that was not given.

        Only where something of that is objected to is the history folded, at no charge: that would tell.
        """
        if seen.profile is None or not self._withholding.concerns(seen.profile):
            return seen
        at = seen.moment.valid_from

        def objected(entries: list[Entry]) -> int:
            lines = account_at(entity, entries, UNNAMED, at, self._rules).lines
            return sum(line.objected for line in lines if line.record_class in self._withholding.classes)

        count = 0
        if objections(seen.profile):
            count = await self.folds.fold(entity, at, stored.events, objected, free) or 0
        return replace(seen, profile=self._withholding.without(seen.profile, count))

    async def _past(
        self, entity: str, view: View, as_of: datetime, stored: Stored | None, charge: Charge
    ) -> Seen | None:
        kept = _seen(stored, past=True)
        if stored is None or kept is None:  # a view that never showed anything takes no longer than nobody's
            return None
        if _holds(kept.moment, as_of):
            return kept
        namings = await self._namings(entity, as_of)

        def folded(entries: list[Entry]) -> Seen | None:
            past = account_at(entity, entries, namings, as_of, self._rules)
            standing = past.account.views[view]
            moment, count = standing.moment(), standing.summary.records
            if moment is None:
                return None
            profile = past.profile(view, self._rules)
            return Seen(moment, profile, stored.events, past=True, records=count)

        return await self.folds.fold(entity, as_of, stored.events, folded, charge)

    async def _namings(self, entity: str, at: datetime) -> Namings:
        async with self._pool.acquire() as connection:
            rows = await connection.fetch(SQL.namings, entity, at)
        known = {row["view"]: Naming(row["name"], "", row["status"], "") for row in rows}
        return {**UNNAMED, **known}


def unknown() -> EntityUnknown:
    return EntityUnknown("Nothing is on record that may be shown; which is not proof of compliance")


def _seen(stored: Stored | None, *, past: bool = False) -> Seen | None:
    if stored is None or stored.valid_from is None:
        return None
    moment = Moment(stored.version, stored.valid_from, stored.valid_until)
    return Seen(moment, stored.profile, stored.events, past=past)


def _holds(moment: Moment, instant: datetime) -> bool:
    return moment.valid_from <= instant and (moment.valid_until is None or instant < moment.valid_until)
