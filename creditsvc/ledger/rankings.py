"""Rankings: what all organisations of similar size measure by a model, so that a percentile can be told.

A ranking is made for all at once, over what is public of each, and kept; a score asked about an instant is
compared with the last ranking made by then. So an answer once given stays, and tells nothing hidden.
"""

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from itertools import groupby
from operator import itemgetter

from creditsvc.domain import instants
from creditsvc.domain.catalogue import Catalogue
from creditsvc.domain.catalogue import load as load_catalogue
from creditsvc.domain.records import Entry, fold
from creditsvc.domain.schedule import Schedule
from creditsvc.domain.scores import TakenApart, take_apart
from creditsvc.domain.standing import Rules, evaluate
from creditsvc.domain.views import PUBLIC
from creditsvc.ledger import comparison
from creditsvc.ledger.entries import Session, entry
from creditsvc.settings import Settings
from creditsvc.store.database import Pool, append_pool, load_queries
from scoring.engine import Model
from scoring.exact import written
from scoring.peers import Rank

SQL = load_queries("rankings")
MOST_KEPT = 16  # groups whose measures a process keeps in memory


@dataclass(frozen=True, slots=True)
class Ranked:
    """Where a score stands in its group, and when that group was ranked."""

    rank: Rank
    group: int
    ranked_at: datetime


async def make(
    connection: Session, model: Model, catalogue: Catalogue, progress: Callable[[int, int], None]
) -> dict[int, int]:
    """Rank everybody by a model that has peers; gives how many there are in each group.

    The connection must be one that appends: the instant of the ranking is settled like an event's.
    """
    groups: dict[int, list[Fraction]] = {}
    now: datetime = await connection.fetchval(SQL.now)
    rules = Rules(catalogue, Schedule.always(model))
    total = await connection.fetchval(comparison.SQL.count_entities)
    done, last = 0, ""
    while rows := await connection.fetch(comparison.SQL.entities, last, comparison.PAGE):
        entities = [row["entity_id"] for row in rows]
        events = await connection.fetch(comparison.SQL.entries, entities)
        for entity, own in groupby(events, key=itemgetter("entity_id")):
            taken = _public(entity, [entry(row) for row in own], now, rules, model)
            place = group_of(model, taken)
            if place is not None and taken.explanation.score.exact is not None:
                groups.setdefault(place, []).append(taken.explanation.score.exact)
        last = entities[-1]
        done += len(entities)
        progress(done, max(total, done))
    places = sorted(groups)
    measures = [" ".join(map(written, sorted(groups[place]))) for place in places]
    async with connection.transaction():
        ranked_at = await connection.fetchval(SQL.now)
        await connection.execute(SQL.insert, model.name, model.version, places, measures, ranked_at)
    return {place: len(groups[place]) for place in places}


def _public(entity: str, entries: list[Entry], at: datetime, rules: Rules, model: Model) -> TakenApart:
    by_record: dict[tuple[str, str], list[Entry]] = {}
    for one in entries:
        by_record.setdefault(one.key, []).append(one)
    zone = instants.zone_of(entity)
    records = [fold(own, rules.catalogue) for own in by_record.values()]
    shown = [one for one in records if PUBLIC.counts(one, evaluate(one, at, rules, zone), rules.catalogue)]
    return take_apart(shown, at, model, rules.catalogue, zone)


def group_of(model: Model, taken: TakenApart) -> int | None:
    """Find the group of similar size that a score belongs to; null where the model has none for it."""
    if model.peers is None:
        return None
    return model.peers.group(taken.explanation.sums.get(model.peers.size, Decimal(0)))


async def rank_all(
    dsn: str, settings: Settings, model: Model, progress: Callable[[int, int], None]
) -> dict[int, int]:
    """Rank everybody by a model, beside a running service."""
    async with await append_pool(dsn, settings) as pool, pool.acquire() as connection:
        return await make(connection, model, load_catalogue(), progress)


class Rankings:
    """Tells percentiles; the measures of a ranking never change and are kept for the next who asks."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._kept: OrderedDict[tuple[str, str, int, datetime], list[Fraction]] = OrderedDict()

    async def rank(self, model: Model, taken: TakenApart, at: datetime) -> Ranked | None:
        """Rank a score among its peers as last ranked by a settled instant; null where it can't be."""
        group, measure = group_of(model, taken), taken.explanation.score.exact
        if model.peers is None or group is None or measure is None:
            return None
        async with self._pool.acquire() as connection:
            ranked_at = await connection.fetchval(SQL.ranked_at, model.name, model.version, group, at)
            if ranked_at is None:
                return None
            ordered = await self._ordered(connection, (model.name, model.version, group, ranked_at))
        place = bisect_left(ordered, measure)
        if place == len(ordered) or ordered[place] != measure:  # it has moved since: it joins the others
            ordered = [*ordered[:place], measure, *ordered[place:]]
        rank = model.peers.rank(measure, ordered)
        return None if rank is None else Ranked(rank, group, ranked_at)

    async def _ordered(self, connection: Session, key: tuple[str, str, int, datetime]) -> list[Fraction]:
        if key not in self._kept:
            self._kept[key] = [Fraction(one) for one in await connection.fetchval(SQL.measures, *key)]
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]
