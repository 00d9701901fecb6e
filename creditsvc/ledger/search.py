"""Search by name: what bears or bore a name with all of the query's bigrams, and why each matches."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from creditsvc.domain import instants, names
from creditsvc.domain.naming import View
from creditsvc.domain.schedule import Schedule
from creditsvc.domain.views import SILENT
from creditsvc.ledger.closest import Closest
from creditsvc.ledger.entries import Row
from creditsvc.ledger.folds import SQL
from creditsvc.ledger.moments import Moments
from creditsvc.ledger.pages import EPOCH, Cursor, Page
from creditsvc.store.database import Pool

SETTLE_PAUSE_S = 0.004
SETTLE_ATTEMPTS = 250
TICK = timedelta(microseconds=1)
FOREVER = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Found:
    """A page of matches, and the instant since which the whole answer holds."""

    page: Page
    valid_from: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """Since when a view of an entity stands as it does, and whether it shows anything."""

    since: datetime
    shown: bool


class Search:
    """Searches the names of entities of which a view shows anything."""

    def __init__(self, pool: Pool, moments: Moments, schedule: Schedule) -> None:
        self._pool = pool
        self._moments = moments
        self._known = schedule.announcements, len(schedule.releases)
        self._closest = Closest(pool)

    async def find(self, query: str, view: View, as_of: datetime | None, *, after: int, limit: int) -> Found:
        """Find entities by name, the closest first, as of an instant or now."""
        if len(names.normal(query)) < names.SHORTEST_QUERY:
            return Found(Page([], None), EPOCH)  # nothing in it that could match
        wanted = sorted(names.grams(query))
        rows, standing, at = await self._read(view, wanted, as_of)
        # Names only come, and none leaves its place: the closest are these since the last of them changed.
        changed = max((time for row in rows for time in _changes(row) if time <= at), default=EPOCH)
        matching = list(_one_each(rows))
        if view in SILENT:
            changed = max([changed, *(one.since for one in standing.values())])
            matching = [row for row in matching if _is_shown(standing.get(row["entity_id"]))]
        items = [_item(query, row, at) for row in matching[after : after + limit]]
        more = Cursor(changed, after + limit).text() if after + limit < len(matching) else None
        return Found(Page(items, more), changed)

    async def _read(
        self, view: View, wanted: Sequence[str], as_of: datetime | None
    ) -> tuple[list[Row], Mapping[str, Standing], datetime]:
        """Read names and how the view of each stands, and of which settled instant that is.

        Of now it is as of the horizon that was known already, unless anything that is read changed since.
        """
        if as_of is not None:
            await self._moments.settle(as_of)
            rows, at = await self._closest.names(view, wanted, as_of), as_of
        else:
            if self._moments.settled is not None:
                at = self._moments.settled - TICK
                rows = await self._closest.names(view, wanted, FOREVER)
                if not _changed_since(rows, at):
                    standing, apart = await self._stored(rows, view, at)
                    if not apart:
                        return rows, standing, at
            rows, at = await self._settled(view, wanted)
        return rows, await self._standing(rows, view, at), at

    async def _settled(self, view: View, wanted: Sequence[str]) -> tuple[list[Row], datetime]:
        """Read the names once nothing older than what is read can still come."""
        for _ in range(SETTLE_ATTEMPTS):
            _, settled = await self._moments.horizon()
            at = settled - TICK
            rows = await self._closest.names(view, wanted, FOREVER)
            if not _changed_since(rows, at):
                return rows, at
            await asyncio.sleep(SETTLE_PAUSE_S)
        return await self._closest.names(view, wanted, at), at

    async def _standing(self, found: Sequence[Row], view: View, at: datetime) -> Mapping[str, Standing]:
        """Tell how the view of each stands at an instant that is settled, where it may be silent."""
        standing, apart = await self._stored(found, view, at)
        for entity in apart:
            seen = await self._moments.find(entity, view, at)
            if seen is not None:
                standing[entity] = Standing(seen.moment.valid_from, seen.profile is not None)
        return standing

    async def _stored(
        self, found: Sequence[Row], view: View, at: datetime
    ) -> tuple[dict[str, Standing], list[str]]:
        """Tell the same as it is stored, and which stood otherwise at that instant."""
        if view not in SILENT:
            return {}, []
        announcements, releases = self._known
        entities = list({row["entity_id"] for row in found})
        async with self._pool.acquire() as connection:
            rows = await connection.fetch(SQL.public_at, entities, *announcements, at, releases)
        stored = {row["entity_id"]: Standing(row["since"], row["shown"]) for row in rows if not row["apart"]}
        return stored, [row["entity_id"] for row in rows if row["apart"]]


def _changed_since(rows: Sequence[Row], at: datetime) -> bool:
    return any(time > at for row in rows for time in _changes(row))


def _changes(row: Row) -> Iterator[datetime]:
    """Give when a name came into use, and when it went out of it."""
    yield row["since"]
    if row["until"] is not None:
        yield row["until"]


def _is_shown(standing: Standing | None) -> bool:
    return standing is not None and standing.shown


def _one_each(rows: Sequence[Row]) -> Iterator[Row]:
    """Give each entity once, by the closest of its names."""
    seen: set[str] = set()
    for row in rows:
        if row["entity_id"] not in seen:
            seen.add(row["entity_id"])
            yield row


def _item(query: str, row: Row, at: datetime) -> dict[str, Any]:
    former = row["until"] is not None and row["until"] <= at
    return {
        "entity": row["entity_id"],
        "name": row["name"],
        "match": {
            "reason": names.reason(query, row["name"]),
            "former_name": former,
            "until": instants.text(row["until"]) if former else None,
        },
    }
