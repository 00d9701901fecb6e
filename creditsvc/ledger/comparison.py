"""A shadow model beside the official one: whose grade would move, and which way, before it takes effect.

It reads a page of organisations at a time beside the working service, and stores nothing.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from operator import itemgetter

from creditsvc.domain import instants
from creditsvc.domain.catalogue import Catalogue
from creditsvc.domain.records import Entry, Record, fold
from creditsvc.domain.scores import take_apart
from creditsvc.ledger.entries import Session, entry
from creditsvc.store.database import load_queries
from scoring.engine import Model

SQL = load_queries("comparison")
PAGE = 200
MOST_EXAMPLES = 10  # of organisations for each move: enough to look into why


@dataclass(slots=True)
class Comparison:
    """How many organisations have which grade by the one model and by the other."""

    grades: Counter[tuple[str, str]] = field(default_factory=Counter)
    examples: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    @property
    def moved(self) -> int:
        return sum(count for (now, then), count in self.grades.items() if now != then)

    def add(self, entity: str, now: str, then: str) -> None:
        self.grades[now, then] += 1
        if now != then:
            found = self.examples.setdefault((now, then), [])
            if len(found) < MOST_EXAMPLES:
                found.append(entity)


async def compare(
    connection: Session,
    models: tuple[Model, Model],
    catalogue: Catalogue,
    at: datetime,
    progress: Callable[[int, int], None],
) -> Comparison:
    """Score every organisation by both models at one instant, over all that is shared of it.

    ``progress`` is told how many organisations are done, and of how many.
    """
    total = await connection.fetchval(SQL.count_entities)
    found = Comparison()
    done, last = 0, ""
    while entities := [row["entity_id"] for row in await connection.fetch(SQL.entities, last, PAGE)]:
        rows = await connection.fetch(SQL.entries, entities)
        for entity, own in groupby(rows, key=itemgetter("entity_id")):
            records = _records([entry(row) for row in own], catalogue)
            now, then = (_grade(entity, records, model, catalogue, at) for model in models)
            found.add(entity, now, then)
        last = entities[-1]
        done += len(entities)
        progress(done, max(total, done))
    return found


def _records(entries: Sequence[Entry], catalogue: Catalogue) -> list[Record]:
    by_record: dict[tuple[str, str], list[Entry]] = {}
    for one in entries:
        by_record.setdefault(one.key, []).append(one)
    return [fold(own, catalogue) for own in by_record.values()]


def _grade(entity: str, records: Sequence[Record], model: Model, catalogue: Catalogue, at: datetime) -> str:
    zone = instants.zone_of(entity)
    return take_apart(records, at, model, catalogue, zone).explanation.score.grade
