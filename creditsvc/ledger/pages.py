"""Lists, a page at a time: an entity's records and its history as a viewer sees them at a moment.

What a page is charged follows from what it shows. What it goes through and does not show costs the caller
nothing, since they could tell it by that; where it is much, it waits for its turn.
"""

import re
from base64 import b64encode
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any, Self

from creditsvc.domain import instants
from creditsvc.domain.account import RecordKey
from creditsvc.domain.records import Entry, Record, fold
from creditsvc.domain.standing import Evaluation, Rules, evaluate
from creditsvc.domain.views import Seen, Viewer, record_item
from creditsvc.errors import Malformed, Violation
from creditsvc.ledger.entries import Row, entry, told
from creditsvc.ledger.folds import EVENTS_PER_UNIT, LOOP_EVENTS, SQL, Charge, Folds, free, in_thread
from creditsvc.store.database import Pool

CHUNK = 200
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


_CURSOR = re.compile(r"([0-9]{1,16})-([0-9]{1,15})")


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page begins: the instant that the whole list is of, and the place in it."""

    as_of: datetime
    after: int

    def text(self) -> str:
        return f"{instants.microseconds(self.as_of)}-{self.after}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a cursor: microseconds since 1970, and a place; raises ``Malformed`` for anything else."""
        found = _CURSOR.fullmatch(text)
        if found is None:
            raise Malformed(
                "The cursor is not one that this service gave",
                [Violation("/query/cursor", "cursor", "Send `next` of the page before, or leave it out")],
            )
        return cls(EPOCH + timedelta(microseconds=int(found[1])), int(found[2]))


@dataclass(frozen=True, slots=True)
class Page:
    """Items, each with its place, and where the next page begins."""

    items: list[Any]
    next: str | None


@dataclass(frozen=True, slots=True)
class Shown:
    """An event as it is stored, the record that it is of, and which members of that the viewer sees."""

    row: Row
    record: Record
    seen: Seen


@dataclass(frozen=True, slots=True)
class Looked:
    """A record as a viewer sees it (``item``), and as it is."""

    item: dict[str, Any]
    record: Record
    evaluation: Evaluation
    seen: Seen


class Pages:
    """Reads lists of one entity. Every item is as it stood at the instant given, whatever comes later."""

    def __init__(self, pool: Pool, folds: Folds, rules: Rules) -> None:
        self._pool = pool
        self._folds = folds
        self._rules = rules

    async def records(  # noqa: PLR0913  a page is of something, for somebody, of a moment, from a place on
        self,
        entity: str,
        viewer: Viewer,
        at: datetime,
        *,
        after: int,
        limit: int,
        event_type: str | None,
        charge: Charge = free,
    ) -> Page:
        """List records in the order in which the service first heard of them."""
        found = (
            (sequence, item)
            async for sequence, record, item in self._records(entity, viewer, at, (after, limit), charge)
            if event_type is None or record.type == event_type
        )
        return await _page(found, at, limit)

    async def _records(
        self, entity: str, viewer: Viewer, at: datetime, place: tuple[int, int], charge: Charge
    ) -> AsyncIterator[tuple[int, Record, dict[str, Any]]]:
        after, limit = place
        hidden = 0
        catalogue, zone = self._rules.catalogue, instants.zone_of(entity)
        for chunk in _chunks(limit):
            async with self._pool.acquire() as connection:
                rows = await connection.fetch(SQL.openings, entity, after, at, chunk)
            keys = [(row["record"], row["source"]) for row in rows]
            folded = await self._folded(entity, keys, at, hidden)
            for row in rows:
                record, evaluation = folded[row["record"], row["source"]]
                if seen := viewer.seen(record, evaluation, catalogue):
                    charge(len(record.sequences) / EVENTS_PER_UNIT)
                    yield row["sequence"], record, record_item(record, evaluation, seen, catalogue, zone)
                else:
                    hidden += len(record.sequences)
            if len(rows) < chunk:
                return
            after = rows[-1]["sequence"]

    async def record(self, entity: str, viewer: Viewer, at: datetime, key: RecordKey) -> Looked | None:
        """Give one record, if the viewer sees it."""
        found = (await self._folded(entity, [key], at, 0)).get(key)
        if found is None:
            return None
        record, evaluation = found
        catalogue, zone = self._rules.catalogue, instants.zone_of(entity)
        seen = viewer.seen(record, evaluation, catalogue)
        item = record_item(record, evaluation, seen, catalogue, zone)
        return Looked(item, record, evaluation, seen) if seen else None

    async def history(
        self, entity: str, viewer: Viewer, at: datetime, *, after: int, limit: int, charge: Charge = free
    ) -> Page:
        """List events, oldest first, of the records that the viewer sees."""
        page = await self.events(entity, viewer, at, after=after, limit=limit, charge=charge)
        return Page([event_item(one) for one in page.items], page.next)

    async def events(
        self, entity: str, viewer: Viewer, at: datetime, *, after: int, limit: int, charge: Charge = free
    ) -> Page:
        """List the same as they are stored (``Shown``)."""
        return await _page(self._events(entity, viewer, at, (after, limit), charge), at, limit)

    async def event(self, entity: str, viewer: Viewer, at: datetime, sequence: int) -> Shown | None:
        """Give one event as it is stored, if the viewer's history has it."""
        rows = [
            row for row in await self._stored(entity, at, (sequence - 1, 1)) if row["sequence"] == sequence
        ]
        shown = await self._seen(entity, viewer, at, rows, 0)
        return shown[0] if shown else None

    async def erased(
        self, entity: str, viewer: Viewer, at: datetime, span: tuple[int, int], limit: int
    ) -> list[Row]:
        """Give what is left of erased events in a span of sequences, behind its first up to its last.

        Only to auditors, and to those who were party to the record: a leaf tells who said something when.
        """
        sources = sorted(viewer.sources) if viewer.who == "agency" else None
        if sources is None and viewer.who != "auditor" and not viewer.is_party(""):
            return []
        async with self._pool.acquire() as connection:
            return await connection.fetch(SQL.erased, entity, *span, at, sources, limit)

    async def _events(
        self, entity: str, viewer: Viewer, at: datetime, place: tuple[int, int], charge: Charge
    ) -> AsyncIterator[tuple[int, Shown]]:
        after, limit = place
        hidden = 0
        charged: set[RecordKey] = set()
        for chunk in _chunks(limit):
            rows = await self._stored(entity, at, (after, chunk))
            shown = await self._seen(entity, viewer, at, rows, hidden)
            for one in shown:
                if (key := (one.row["record"], one.row["holder"])) not in charged:
                    charged.add(key)
                    charge(len(one.record.sequences) / EVENTS_PER_UNIT)
                yield one.row["sequence"], one
            hidden += len(rows) - len(shown)
            if len(rows) < chunk:
                return
            after = rows[-1]["sequence"]

    async def _stored(self, entity: str, at: datetime, place: tuple[int, int]) -> list[Row]:
        after, count = place
        async with self._pool.acquire() as connection:
            return await connection.fetch(SQL.history, entity, after, at, count)

    async def _seen(
        self, entity: str, viewer: Viewer, at: datetime, rows: list[Row], hidden: int
    ) -> list[Shown]:
        """Leave out events of records that the viewer does not see: the one rule for every answer."""
        folded = await self._folded(entity, {(row["record"], row["holder"]) for row in rows}, at, hidden)
        found = ((row, *folded[row["record"], row["holder"]]) for row in rows)
        return [
            Shown(row, record, seen)
            for row, record, evaluation in found
            if (seen := viewer.seen(record, evaluation, self._rules.catalogue))
        ]

    async def _folded(
        self, entity: str, keys: Iterable[RecordKey], at: datetime, hidden: int
    ) -> dict[RecordKey, tuple[Record, Evaluation]]:
        """Fold records; ``hidden``: events that the page has gone through already and did not show."""
        ordered = sorted(keys)
        async with self._pool.acquire() as connection:
            rows = await connection.fetch(
                SQL.records_entries, entity, [key[0] for key in ordered], [key[1] for key in ordered], at
            )
        async with self._folds.turn(len(rows) + hidden):
            return await in_thread(len(rows), lambda: self._evaluated(entity, rows, at), LOOP_EVENTS)

    def _evaluated(
        self, entity: str, rows: Iterable[Row], at: datetime
    ) -> dict[RecordKey, tuple[Record, Evaluation]]:
        entries: dict[RecordKey, list[Entry]] = {}
        for one in sorted(map(entry, rows), key=attrgetter("sequence")):
            entries.setdefault(one.key, []).append(one)
        zone = instants.zone_of(entity)
        folded = {key: fold(found, self._rules.catalogue) for key, found in entries.items()}
        return {key: (record, evaluate(record, at, self._rules, zone)) for key, record in folded.items()}


def _chunks(limit: int) -> Iterator[int]:
    """Say how many rows to fetch at a time: what the page needs, then more, since some are not for show."""
    size = min(limit + 1, CHUNK)
    while True:
        yield size
        size = min(size * 2, CHUNK)


async def _page(found: AsyncIterator[tuple[int, Any]], at: datetime, limit: int) -> Page:
    items: list[Any] = []
    last = 0
    async for place, item in found:
        if len(items) == limit:
            return Page(items, Cursor(at, last).text())
        items.append(item)
        last = place
    return Page(items, None)


def event_item(shown: Shown) -> dict[str, Any]:
    """Write an event as histories list it."""
    row = shown.row
    return {
        "sequence": row["sequence"],
        "recorded_at": instants.text(row["recorded_at"]),
        "leaf_hash": b64encode(row["leaf_hash"]).decode(),
        **told(row, shown.seen),
    }
