"""The table of the cases in which a clock runs: kept in step with the records, and with the calendars."""

from collections.abc import Collection, Iterator, Sequence
from operator import itemgetter
from typing import Any

from creditsvc.domain import instants
from creditsvc.domain.account import Account
from creditsvc.domain.catalogue_procedures import Clock
from creditsvc.domain.identifiers import SCHEMES
from creditsvc.domain.open_cases import OpenCase, open_cases
from creditsvc.domain.records import Record
from creditsvc.domain.standing import Rules
from creditsvc.domain.workdays import due
from creditsvc.ledger.entries import Row, Session, columns
from creditsvc.store.database import load_queries

SQL = load_queries("cases")


async def store(connection: Session, folded: Collection[tuple[Account, Record]], rules: Rules) -> None:
    """Store which clocks run in some records; those that never had a case cost nothing."""
    concerned = [(account, record) for account, record in folded if record.cases]
    if not concerned:
        return
    records = sorted((account.entity, record.number, record.source) for account, record in concerned)
    rows = sorted(
        (
            row_of(account.entity, one)
            for account, record in concerned
            for one in open_cases(record, rules, account.zone)
        ),
        key=itemgetter(0, 1, 2, 3, 4),
    )
    await connection.execute(SQL.remove, *columns(records, 3), *columns([row[:5] for row in rows], 5))
    if rows:
        await connection.execute(SQL.upsert, *columns(rows, 18))


def row_of(entity: str, one: OpenCase) -> tuple[Any, ...]:
    return (
        entity,
        one.record,
        one.source,
        one.kind,
        one.number,
        one.opened_by,
        one.handler,
        one.ground,
        one.procedure,
        one.opened_at,
        one.step,
        one.awaits,
        one.since,
        one.clock.days,
        one.clock.counted,
        one.due.at,
        one.due.certain,
        " ".join(map(str, one.calendar)),
    )


async def lapse(connection: Session, most: int) -> int:
    """Take off some refusals that nobody may appeal against any more; gives how many."""
    return len(await connection.fetch(SQL.lapse, most))


async def reckon(connection: Session, rules: Rules, most: int) -> int:
    """Work out anew when some clocks are due that an older edition of their calendar counted; gives how many.

    What a newer edition has counted stays: processes of both may run at one time.
    """
    done = 0
    for zone, calendar in rules.calendars.items():
        schemes = [name for name, scheme in SCHEMES.items() if scheme.zone == zone]
        async with connection.transaction():
            edition = list(calendar.edition)
            rows = await connection.fetch(SQL.outdated, schemes, edition, most - done)
            if rows:
                found = list(_reckoned(rows, rules))
                await connection.execute(SQL.reckon, *columns(found, 7), edition)
        done += len(rows)
        if done == most:
            break
    return done


def _reckoned(rows: Sequence[Row], rules: Rules) -> Iterator[tuple[Any, ...]]:
    for row in rows:
        zone = instants.zone_of(row["entity_id"])
        clock = Clock(row["days"], row["counted"])
        found = due(row["since"], clock, zone, rules.calendar(zone))
        key = (row["entity_id"], row["record"], row["source"], row["kind"], row["number"])
        yield (*key, found.at, found.certain)
