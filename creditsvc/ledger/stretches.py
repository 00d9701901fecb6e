"""A stretch of a history, for pages and reports: in one query, and each of its records folded once.

What it costs goes with the stretch: neither with where that lies nor with how much of it is hidden.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any, TypeVar

from creditsvc.domain import instants
from creditsvc.domain.account import RecordKey
from creditsvc.domain.records import Entry, Record, fold
from creditsvc.domain.scores import TakenApart, take_apart
from creditsvc.domain.standing import Evaluation, Rules, evaluate
from creditsvc.domain.views import Viewer, record_item
from creditsvc.ledger.course import Step, steps
from creditsvc.ledger.entries import Row, entry
from creditsvc.ledger.folds import LOOP_EVENTS, SQL, Folds, in_thread
from creditsvc.store.database import Pool

T = TypeVar("T")
Span = tuple[int, int]  # sequences, behind the first up to the last


@dataclass(frozen=True, slots=True)
class Stretch:
    """The records that the events of a span are of, as they stood at an instant.

    ``entries`` are all events of these records, by sequence; ``agencies`` says what their sources are called,
    nothing for one without a name.
    """

    entity: str
    at: datetime
    rules: Rules
    entries: list[Entry]
    folded: Mapping[RecordKey, tuple[Record, Evaluation]]
    agencies: Mapping[str, str]

    @classmethod
    def of(cls, entity: str, at: datetime, rules: Rules, rows: list[Row]) -> "Stretch":
        entries = sorted(map(entry, rows), key=attrgetter("sequence"))
        own: dict[RecordKey, list[Entry]] = {}
        for one in entries:
            own.setdefault(one.key, []).append(one)
        zone = instants.zone_of(entity)
        records = {key: fold(some, rules.catalogue) for key, some in own.items()}
        folded = {key: (one, evaluate(one, at, rules, zone)) for key, one in records.items()}
        return cls(entity, at, rules, entries, folded, {row["source"]: row["agency"] or "" for row in rows})

    def records(self, viewer: Viewer, span: Span) -> list[dict[str, Any]]:
        """Describe the records that begin in a span, as a viewer sees them, the first first."""
        return [one for _, one in sorted(self._records(viewer, span), key=lambda found: found[0])]

    def _records(self, viewer: Viewer, span: Span) -> Iterator[tuple[int, dict[str, Any]]]:
        catalogue, zone = self.rules.catalogue, instants.zone_of(self.entity)
        for record, evaluation in self.folded.values():
            place = record.sequences[0]
            if _within(place, span) and (seen := viewer.seen(record, evaluation, catalogue)):
                yield place, record_item(record, evaluation, seen, catalogue, zone)

    def events(self, viewer: Viewer, span: Span) -> list[Entry]:
        """Give the events of a span that are of records which a viewer sees, oldest first."""
        seen = {key for key, one in self.folded.items() if viewer.sees(*one, self.rules.catalogue)}
        return [one for one in self.entries if _within(one.sequence, span) and one.key in seen]

    def score(self, viewer: Viewer) -> TakenApart:
        """Take the score apart that a whole history comes to."""
        zone, catalogue = instants.zone_of(self.entity), self.rules.catalogue
        counted = [one for one, now in self.folded.values() if viewer.counts(one, now, catalogue)]
        return take_apart(counted, self.at, self.rules.model(self.at, zone), catalogue, zone)

    def course(self, until: datetime) -> list[Step]:
        """Give the steps that the score of a whole history took."""
        return list(steps(self.entity, self.entries, until, self.rules))


def _within(sequence: int, span: Span) -> bool:
    after, last = span
    return after < sequence <= last


class Stretches:
    """Reads stretches of histories as of an instant, whatever comes later."""

    def __init__(self, pool: Pool, folds: Folds, rules: Rules) -> None:
        self._pool = pool
        self._folds = folds
        self._rules = rules

    async def tell(self, entity: str, at: datetime, span: Span, told: Callable[[Stretch], T]) -> T:
        """Read a stretch and make of it what is to be told; that is done where it keeps nobody waiting."""
        async with self._pool.acquire() as connection:
            rows = await connection.fetch(SQL.stretch, entity, *span, at)
        work = lambda: told(Stretch.of(entity, at, self._rules, rows))  # noqa: E731  it may run elsewhere
        async with self._folds.turn(len(rows)):
            return await in_thread(len(rows), work, LOOP_EVENTS)

    async def count(self, entity: str, since: datetime) -> int | None:
        """Count the records that the public sees since an instant; null where it has been shown others."""
        async with self._pool.acquire() as connection:
            found: int | None = await connection.fetchval(SQL.public_records, entity, since)
        return found
