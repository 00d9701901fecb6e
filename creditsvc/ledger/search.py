"""Search by name: what bears or bore a name with all of the query's bigrams, and why each matches."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from creditsvc.domain import instants, names
from creditsvc.domain.naming import View
from creditsvc.domain.views import SILENT
from creditsvc.ledger.entries import Row
from creditsvc.ledger.folds import SQL
from creditsvc.ledger.moments import Moments
from creditsvc.ledger.pages import EPOCH, Cursor, Page
from creditsvc.store.database import Pool

MOST_CANDIDATES = 200  # of one query: who has more matches is asked for a longer name
SETTLE_PAUSE_S = 0.004
SETTLE_ATTEMPTS = 250
TICK = timedelta(microseconds=1)
FOREVER = datetime(9999, 1, 1, tzinfo=UTC)


_MATCHING: Mapping[View, str] = {"public": SQL.matching_public_names, "shared": SQL.matching_shared_names}


@dataclass(frozen=True, slots=True)
class Found:
    """A page of matches, and the instant since which the whole answer holds."""

    page: Page
    valid_from: datetime


class Search:
    """Searches the names of entities of which a view shows anything."""

    def __init__(self, pool: Pool, moments: Moments) -> None:
        self._pool = pool
        self._moments = moments

    async def find(self, query: str, view: View, as_of: datetime | None, *, after: int, limit: int) -> Found:
        """Find entities by name, the closest first, as of an instant or now."""
        if len(names.normal(query)) < names.SHORTEST_QUERY:
            return Found(Page([], None), EPOCH)  # nothing in it that could match
        wanted = sorted(names.grams(query))
        if as_of is not None:
            await self._moments.settle(as_of)
            rows, at = await self._rows(view, wanted, as_of, as_of), as_of
        else:
            rows, at = await self._settled(view, wanted)
        changed = max((row["changed"] for row in rows if row["changed"]), default=EPOCH)
        items: list[dict[str, Any]] = []
        for row in _one_each(rows, at):
            if view in SILENT:
                shown = await self._moments.find(row["entity_id"], view, at)
                if shown is None:
                    continue
                changed = max(changed, shown.moment.valid_from)
                if shown.profile is None:
                    continue
            items.append(_item(query, row, at))
        more = Cursor(changed, after + limit).text() if after + limit < len(items) else None
        return Found(Page(items[after : after + limit], more), changed)

    async def _rows(self, view: View, wanted: Sequence[str], at: datetime, upto: datetime) -> list[Row]:
        async with self._pool.acquire() as connection:
            return await connection.fetch(_MATCHING[view], wanted, MOST_CANDIDATES, at, upto)

    async def _settled(self, view: View, wanted: Sequence[str]) -> tuple[list[Row], datetime]:
        """Read the names once nothing older than what is read can still come."""
        for _ in range(SETTLE_ATTEMPTS):
            _, settled = await self._moments.horizon()
            at = settled - TICK
            rows = await self._rows(view, wanted, at, FOREVER)
            if not any(row["pending"] for row in rows):
                break
            await asyncio.sleep(SETTLE_PAUSE_S)
        return rows, at


def _one_each(rows: Sequence[Row], at: datetime) -> Iterator[Row]:
    """Give each entity once, by the closest of its names."""
    seen: set[str] = set()
    for row in rows:
        if row["since"] <= at and row["entity_id"] not in seen:
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
