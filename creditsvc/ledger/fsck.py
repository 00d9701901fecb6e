"""fsck: from the events to records, profiles and notices, to the log, its root and the signatures under it.

It works everything out again and compares it with what is stored. It reads a page of entities at a time, each
from one snapshot, then the log a page of positions at a time, and so runs beside a working service.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import groupby
from operator import itemgetter

from creditsvc.domain import catalogue
from creditsvc.domain.schedule import schedule_of
from creditsvc.domain.standing import Rules
from creditsvc.ledger import calendars, releases
from creditsvc.ledger.entries import Place, Row, Session
from creditsvc.ledger.fsck_counts import check_counts
from creditsvc.ledger.fsck_entity import check_entity
from creditsvc.ledger.fsck_log import MOST_FAULTS, LogReport, check_log
from creditsvc.ledger.fsck_rows import Moment, Stored, place_of
from creditsvc.ledger.fsck_signed import witnesses
from creditsvc.settings import Settings
from creditsvc.store.database import connect, load_queries

SQL = load_queries("fsck")
PAGE = 200
PATIENCE = timedelta(days=30)  # with what should have been erased; a log that stood still holds it up


@dataclass(slots=True)
class Report:
    """What fsck found: the faults, each naming what is wrong, at most ``MOST_FAULTS`` of either half."""

    faults: list[str] = field(default_factory=list)
    entities: int = 0  # checked
    log: LogReport = field(default_factory=LogReport)


async def check(dsn: str, *, progress: Callable[[int, int], None]) -> list[str]:
    """Check what the database holds, and nothing outside it; gives the faults found."""
    return (await examine(dsn, None, progress=progress)).faults


async def examine(dsn: str, settings: Settings | None, *, progress: Callable[[int, int], None]) -> Report:
    """Check everything; with settings also the keys and the checkpoint in the data directory.

    ``progress`` is told how many entities and entries of the log are done, and of how many; entries twice, as
    they are counted anew after the rest. Raises ``ReleaseRefused`` and ``WitnessesRefused``.
    """
    witnesses(settings)  # what cannot be read is told at once
    connection = await connect(dsn)
    try:
        counted = await connection.fetchrow(SQL.count_all)
        entities, entries = counted or (0, 0)
        report = Report()

        def told(position: int) -> None:
            done = report.entities + position
            progress(done, max(done, entities + 2 * entries))

        await _check_entities(connection, report, told)
        report.faults += await _overdue(connection, settings or Settings())
        report.log = await check_log(connection, settings, told)
        report.faults += report.log.faults
        report.faults += await check_counts(connection, lambda position: told(report.log.entries + position))
        told(2 * report.log.entries)
        return report
    finally:
        await connection.close()


async def _check_entities(connection: Session, report: Report, told: Callable[[int], None]) -> None:
    rules = await _rules(connection)
    last = ""
    while len(report.faults) < MOST_FAULTS:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            entities = await connection.fetch(SQL.entities, last, PAGE)
            if not entities:
                break
            released = await connection.fetchval(releases.SQL.count_releases, releases.OFFICIAL)
            if released > len(rules.schedule.releases):  # while we check
                rules = await _rules(connection)
            report.faults += await _check_page(connection, entities, rules)
        last = entities[-1]["entity_id"]
        report.entities += len(entities)
        told(0)
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        strays = await connection.fetch(SQL.strays)
    report.faults += [f"{row['entity_id']} {row['place']}: {row['fault']}" for row in strays]
    del report.faults[MOST_FAULTS:]


async def _overdue(connection: Session, settings: Settings) -> list[str]:
    """Name records that should have been erased long ago: nobody runs what erases them, or it fails."""
    rows = await connection.fetch(SQL.overdue, timedelta(days=settings.erase_after_days) + PATIENCE)
    return [
        f"{row['entity_id']}: record {row['record']}: has not been erased, and its time was over on "
        f"{row['retired_from']:%Y-%m-%d}"
        for row in rows
    ]


async def _rules(connection: Session) -> Rules:
    schedule = schedule_of(await releases.load(connection), releases.OFFICIAL)
    return Rules(catalogue.load(), schedule, calendars.kept())


async def _check_page(connection: Session, entities: Sequence[Row], rules: Rules) -> list[str]:
    keys = [row["entity_id"] for row in entities]
    events, notices, records, names, cases = [
        _by_entity(await connection.fetch(query, keys))
        for query in (SQL.events, SQL.notices, SQL.records, SQL.names, SQL.cases)
    ]
    moment = await _moment(connection, keys, {"event": events, "notice": notices})
    faults: list[str] = []
    for row in entities:
        key = row["entity_id"]
        stored = Stored(row, *(rows.get(key, ()) for rows in (events, notices, records, names, cases)))
        try:
            for fault in check_entity(stored, moment, rules):
                faults.append(fault)  # noqa: PERF402  what was found before a failure counts
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            # Whatever was done to the rows, the rest is still checked.
            faults.append(f"{key}: its events cannot be folded ({type(error).__name__})")
    return faults


def _by_entity(rows: Sequence[Row]) -> dict[str, list[Row]]:
    return {key: list(found) for key, found in groupby(rows, key=itemgetter("entity_id"))}


async def _moment(
    connection: Session, keys: Sequence[str], entries: dict[str, dict[str, list[Row]]]
) -> Moment:
    """Read how the log stands to some entities; what has no position is looked for among what waits."""
    row = await connection.fetchrow(SQL.moment)
    began_at, complete_until = (None, None) if row is None else row
    places: dict[Place, list[int]] = {}
    for found in await connection.fetch(SQL.places, keys):
        place = (found["entity_id"], found["kind"], found["sequence"])
        places.setdefault(place, []).append(found["position"])
    unplaced = [
        (*place, row["recorded_at"])
        for kind, of_entities in entries.items()
        for row in _all(of_entities)
        if (place := place_of(row, kind)) not in places
    ]
    waiting: set[Place] = set()
    if unplaced:
        entity, kinds, sequences, times = (list(column) for column in zip(*unplaced, strict=True))
        waiting |= {
            tuple(row) for row in await connection.fetch(SQL.waiting, entity, kinds, sequences, times)
        }
        if len(waiting) < len(unplaced):
            waiting |= {
                tuple(row) for row in await connection.fetch(SQL.waiting_at_all, entity, kinds, sequences)
            }
    return Moment(began_at, complete_until, places, frozenset(waiting))


def _all(of_entities: dict[str, list[Row]]) -> Iterator[Row]:
    for rows in of_entities.values():
        yield from rows
