"""Counts that anybody may see: events by month and type, and organisations by grade.

Events are counted by their positions in the log, in the transaction that moves the position, so that one
killed between any two steps has counted each event once; whatever was counted follows from the log. Counted
is what the public could notice: an event with which the public view changed. The month is the one in which
the event took effect, by the calendar of where the organisation is.

Grades change with time alone too, so all organisations are counted in turn, a page at a time, and a count is
told when it is whole. Where it stands is kept, so that it goes on after a restart.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from time import perf_counter

import orjson

from creditsvc.domain import instants
from creditsvc.ledger import measures
from creditsvc.ledger.entries import Row, Session
from creditsvc.store.database import Pool, load_queries

SQL = load_queries("statistics")
BATCH = 5_000  # positions of one transaction
PAGE = 1_000  # organisations of one transaction
GRADES_EVERY = timedelta(minutes=10)  # from the beginning of a count to that of the next
NOBODY_YET = timedelta(seconds=10)  # the same, where the last count found nobody
PAUSE_S = 2.0  # between looks that found little
REST = 3  # after a full step it rests so many times as long as it worked: the log comes first
LEAST_SHOWN = 5  # of fewer it is not told how many: they might be found out one by one

log = logging.getLogger(__name__)


class Statistics:
    """Counts until it is told to stop. Several may: each waits for the other's step."""

    def __init__(
        self, pool: Pool, *, batch: int = BATCH, page: int = PAGE, grades_every: timedelta = GRADES_EVERY
    ) -> None:
        self._pool = pool
        self._batch = batch
        self._page = page
        self._grades_every = grades_every

    async def run(self) -> None:
        """Keep at it. Whatever fails is told and tried again."""
        begun = False
        while True:
            started = perf_counter()
            more = False
            try:
                if not begun:
                    await self.begin()
                    begun = True
                more = await self.count_events()
                more = await self.count_grades() or more
            except Exception as error:  # noqa: BLE001  the log goes on beside, and the next look may fare better
                log.warning("statistics: %s", type(error).__name__)
            await asyncio.sleep((perf_counter() - started) * REST if more else PAUSE_S)

    async def begin(self) -> None:
        """Have the rows in which counting stands."""
        async with self._pool.acquire() as connection:
            await connection.execute(SQL.begin)

    async def count_events(self) -> bool:
        """Count the next positions of the log; whether there is likely more."""
        async with self._pool.acquire() as connection, connection.transaction():
            stands = await connection.fetchrow(SQL.lock_position)
            assert stands is not None  # noqa: S101  counting has begun
            rows = await connection.fetch(SQL.entries, stands["position"], self._batch)
            measures.STATISTICS_BEHIND.set(max(0, stands["size"] - stands["position"] - len(rows)))
            if not rows:
                return False
            counted = count(rows)
            if counted:
                months, types = zip(*counted, strict=True)
                await connection.execute(SQL.add, months, types, [*counted.values()])
            await connection.execute(SQL.move, rows[-1]["position"] + 1)
        return len(rows) == self._batch

    async def count_grades(self) -> bool:
        """Count the grades of the next organisations, if a count is under way or due; tells of more."""
        async with self._pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(
                SQL.lock_grades, self._grades_every, min(NOBODY_YET, self._grades_every)
            )
            if row is None or not (row["under_way"] or row["due"]):
                return False
            if not row["under_way"]:
                await connection.execute(SQL.begin_grades)
            page = await connection.fetchrow(SQL.grades_after, row["reached"] or "", self._page)
            assert page is not None  # noqa: S101  a query of counts alone
            if page["reached"] is not None:
                await connection.execute(SQL.add_grades, page["reached"], page["grades"] or [])
            more: bool = page["organisations"] == self._page
            if not more:
                await connection.execute(SQL.finish_grades)
        return more


def count(rows: Sequence[Row]) -> Counter[tuple[date, str]]:
    """Count entries of the log by month and type, those with an event that the public could notice."""
    return Counter((_month(row), row["type"]) for row in rows if row["type"] is not None)


def _month(row: Row) -> date:
    """Give the first day of the month in which an event took effect where its organisation is."""
    at: datetime = row["time"]
    try:
        return at.astimezone(instants.zone_of(row["entity_id"])).date().replace(day=1)
    except OverflowError:  # the first hours of the calendar
        return at.astimezone(UTC).date().replace(day=1)


@dataclass(frozen=True, slots=True)
class Cell:
    """One number as it may be shown: null where it is too small to be told, 0 where there is nothing."""

    shown: int | None

    @classmethod
    def of(cls, number: int) -> "Cell":
        return cls(number if number == 0 or number >= LEAST_SHOWN else None)


def total(cells: Iterable[Cell]) -> Cell:
    """Sum up what is shown: a sum over the rest would tell it. Null where all that is there is too small."""
    found = [*cells]
    shown = sum(cell.shown or 0 for cell in found)
    return Cell(None if shown == 0 and any(cell.shown is None for cell in found) else shown)


@dataclass(frozen=True, slots=True)
class Counts:
    """What anybody may see.

    ``years``: the years there are, the latest first. ``types``: of the chosen year, its twelve months for
    each type. ``grades``: organisations by grade as they were when that count began, at ``graded_at``.
    """

    position: int
    counted_at: datetime | None
    graded_at: datetime | None
    grades: dict[str, int]
    years: tuple[tuple[int, Cell], ...]
    year: int | None
    types: dict[str, tuple[Cell, ...]]


async def read(connection: Session, year: int | None) -> Counts:
    """Read the counts, and of a year its months; of the latest where none is given."""
    shown = await connection.fetchrow(SQL.shown, LEAST_SHOWN, year)
    assert shown is not None  # noqa: S101  a query of one row
    years = tuple(
        (of, Cell(events or (None if small else 0))) for of, events, small in orjson.loads(shown["years"])
    )
    if year is None and years:
        year = years[0][0]
    months: dict[str, list[int]] = {}
    for month, kind, events in orjson.loads(shown["months"]):
        months.setdefault(kind, [0] * 12)[month - 1] = events
    types = {name: tuple(map(Cell.of, numbers)) for name, numbers in months.items()}
    grades = orjson.loads(shown["grades"] or "{}")
    return Counts(shown["position"] or 0, shown["counted_at"], shown["done_at"], grades, years, year, types)
