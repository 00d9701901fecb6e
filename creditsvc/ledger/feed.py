"""The change feed: the log by position, as each reader may see it, a page at a time.

A page never looks beyond the newest checkpoint, below which positions neither change nor come to be filled
later; ``next`` counts on over everything that was looked at, shown or not. What a page costs depends on what
it looks at, which is bounded, and never on how long the log is. What it is charged depends on how many
positions it looks at and on what it shows, and never on what it does not show: a charge tells.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any

from creditsvc.domain.account import RecordKey
from creditsvc.domain.catalogue import Catalogue
from creditsvc.errors import Internal, RateLimited
from creditsvc.ledger.entries import Row
from creditsvc.ledger.feed_items import Pick, Place, item
from creditsvc.ledger.feed_rules import Course, Entry, Reading, Told
from creditsvc.ledger.folds import Charge, free
from creditsvc.ledger.turns import in_turns
from creditsvc.store.database import Pool, load_queries

SQL = load_queries("feed")

SCAN_MAX = 10_000  # positions that one request looks at
EVENTS_MAX = 50_000  # and events of the records that stand there
BYTES_MAX = 8 * 1024 * 1024  # of one page, unless its only item is longer
CHUNK = 200  # positions read at a time: a few milliseconds on the loop
GROUP_EVENTS = 2_000  # events of records read at a time, for the same reason; one has half at most
# What is charged against the caller's rate limit: positions, and what is shown. Where only some organisations
# are asked for most positions are none of theirs and cost little; there each item pays for itself.
POSITIONS_PER_UNIT, ITEMS_PER_UNIT = 100, 100
NAMED_POSITIONS_PER_UNIT = 1_000
NAMED_WINDOW = 1_000  # positions charged at a time then, wherever among them something stands

Key = tuple[str, RecordKey]  # entity, record


@dataclass(frozen=True, slots=True)
class Page:
    """Items in the order of their positions, and the position to ask from next."""

    items: list[dict[str, Any]]
    next: int


@dataclass(slots=True)
class _Making:
    """A page in the making; ``next`` is the first position that it has not dealt with."""

    next: int
    limit: int
    items: list[dict[str, Any]] = field(default_factory=list)
    bytes: int = 0
    events: int = 0
    full: bool = False

    def take(self, pick: Pick) -> bool:
        """Take it if there is room; the first always has."""
        if self.bytes and self.bytes + pick.bytes > BYTES_MAX:
            return False
        self.bytes += pick.bytes
        return True


class Feed:
    """Reads the log for whoever asks."""

    def __init__(self, pool: Pool, catalogue: Catalogue) -> None:
        self._pool = pool
        self._catalogue = catalogue
        # Pages leave connections to the other reads, and take turns at what they have, query by query.
        self._turn = asyncio.Semaphore(max(1, pool.get_max_size() // 2))

    async def page(
        self,
        reading: Reading,
        start: int,
        end: int,
        *,
        limit: int,
        charge: Charge = free,
    ) -> Page:
        """Give what a reader is shown from ``start`` on and before ``end``, a checkpoint's size.

        Looks at no more than ``SCAN_MAX`` positions. Raises what ``charge`` raises, unless the page has
        come some way by then: it ends there. ``Internal`` when what the log names is not stored.
        """
        page = _Making(start, limit)
        end = min(end, start + SCAN_MAX)
        chunk = min(limit, CHUNK)
        while page.next < end and not page.full and page.events < EVENTS_MAX:
            try:
                await self._window(page, reading, end, chunk, charge)
            except RateLimited:
                if page.next == start:
                    raise
                break
            chunk = min(2 * chunk, CHUNK)
        return Page(page.items, page.next)

    async def _window(self, page: _Making, reading: Reading, end: int, chunk: int, charge: Charge) -> None:
        """Charge for some positions, wherever things stand among them, and go through them."""
        named = reading.filter.entities is not None
        window, per_unit = (NAMED_WINDOW, NAMED_POSITIONS_PER_UNIT) if named else (chunk, POSITIONS_PER_UNIT)
        end = min(end, page.next + window)
        charge((end - page.next) / per_unit)
        while page.next < end and not page.full and page.events < EVENTS_MAX:
            await self._chunk(page, reading, end, chunk, charge)

    async def _chunk(self, page: _Making, reading: Reading, end: int, chunk: int, charge: Charge) -> None:
        entities = reading.filter.entities
        named = None if entities is None else sorted(entities)
        rows = await self._fetch(SQL.positions, page.next, end, named, chunk)
        through = rows[-1]["position"] + 1 if len(rows) == chunk else end
        for group in _groups(rows, reading):
            if page.events >= EVENTS_MAX:
                return
            await self._group(page, reading, group, charge)
            if page.full:
                return
        page.next = through

    async def _group(self, page: _Making, reading: Reading, rows: Sequence[Row], charge: Charge) -> None:
        courses = await self._courses(page, reading, rows)
        picks: list[Pick] = []
        following = page.next
        async for row in in_turns(rows):
            pick = _pick(row, courses.get(_key(row)), reading)
            if pick is not None:
                if not page.take(pick):
                    page.full = True
                    break
                picks.append(pick)
            following = row["position"] + 1
            if len(page.items) + len(picks) == page.limit:
                page.full = True
                break
        charge(_shown(picks, reading) / ITEMS_PER_UNIT)
        page.items += await self._items(picks, reading)
        page.next = following

    async def _courses(self, page: _Making, reading: Reading, rows: Sequence[Row]) -> Mapping[Key, Course]:
        """Find what became of the records of others."""
        found: dict[Key, Course] = {}
        asked: dict[Key, int] = {}
        for row in rows:
            if not _is_to_follow(row, reading):
                continue
            if row["held"] == 1 and row["kind"] == "event":
                told = Told(row["position"], row["sequence"], row["type"], row["bytes"])
                found[_key(row)] = Course.of((told,), self._catalogue)
            else:
                asked[_key(row)] = row["held"]
        if asked:
            page.events += sum(asked.values())
            found |= await self._read_courses(list(asked))
        return found

    async def _read_courses(self, keys: list[Key]) -> dict[Key, Course]:
        rows = await self._fetch(
            SQL.courses,
            [entity for entity, _ in keys],
            [record for _, (record, _) in keys],
            [source for _, (_, source) in keys],
        )
        events: dict[Key, list[Told]] = {key: [] for key in keys}
        for row in rows:
            told = Told(row["position"], row["sequence"], row["type"], row["bytes"])
            events[keys[row["place"] - 1]].append(told)
        return {key: Course.of(told, self._catalogue) for key, told in events.items()}

    async def _items(self, picks: Sequence[Pick], reading: Reading) -> list[dict[str, Any]]:
        wanted = sorted((part for pick in picks for part in pick.parts), key=itemgetter(0))
        stored: dict[Place, Row] = {}
        for kind, parts in groupby(wanted, key=itemgetter(0)):
            entities, numbers, shares = zip(*((one[1], one[2], one[3]) for one in parts), strict=True)
            query = SQL.events if kind == "event" else SQL.notices
            for row in await self._fetch(query, entities, numbers, shares):
                stored[kind, row["entity_id"], row["sequence"], row["part"]] = row
        return [
            item(pick, stored, reading.seen(pick.row["holder"]), leaf=reading.leaves)
            async for pick in in_turns(picks)
        ]

    async def _fetch(self, query: str, *given: Any) -> list[Row]:
        async with self._turn, self._pool.acquire() as connection:
            return await connection.fetch(query, *given)


def _shown(picks: Sequence[Pick], reading: Reading) -> int:
    """Count what is shown and not paid for by its position."""
    items = 0 if reading.filter.entities is None else len(picks)
    return items + sum(len(pick.earlier) for pick in picks)


def _key(row: Row) -> Key:
    return row["entity_id"], (row["record"], row["holder"])


def _is_to_follow(row: Row, reading: Reading) -> bool:
    """Whether it has to be known what became of the record; not where nothing of it can be shown."""
    if _entry(row).hidden:
        return False
    if reading.is_party(row["holder"]):
        return False
    return reading.filter.takes_source(row["holder"])


def _entry(row: Row) -> Entry:
    return Entry(
        row["position"],
        row["kind"],
        row["type"],
        row["holder"],
        row["source"],
        retired=row["retired"],
        erased=row["erased"],
    )


def _groups(rows: Sequence[Row], reading: Reading) -> list[list[Row]]:
    """Cut rows into groups whose records have not too many events; one record fits in any case."""
    groups: list[list[Row]] = [[]]
    counted: set[Key] = set()
    events = 0
    for row in rows:
        if row["record"] is None:
            raise Internal("What the log has at a position is not stored: run creditsvc fsck")
        held = row["held"] if _is_to_follow(row, reading) and _key(row) not in counted else 0
        if groups[-1] and events + held > GROUP_EVENTS:
            groups.append([])
            counted, events = set(), 0
        if held:
            counted.add(_key(row))
            events += held
        groups[-1].append(row)
    return groups


def _pick(row: Row, course: Course | None, reading: Reading) -> Pick | None:
    entry = _entry(row)
    if course is None and not reading.is_party(entry.holder):
        course = Course()
    showing, earlier = reading.show(entry, course)
    return None if showing is None else Pick.of(row, showing, earlier, leaf=reading.leaves)
