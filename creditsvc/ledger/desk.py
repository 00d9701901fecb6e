"""What awaits whom: the open cases of an agency and of an organisation, the earliest due first."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from creditsvc.domain import instants
from creditsvc.ledger.entries import Row
from creditsvc.ledger.open_cases import SQL
from creditsvc.ledger.pages import EPOCH, Cursor, Page
from creditsvc.store import clients
from creditsvc.store.database import Pool

START = Cursor(EPOCH, 0)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of a desk is asked for; null: whatever it is."""

    kind: str | None = None
    overdue: bool | None = None


async def of_agency(
    pool: Pool, agency: str, sources: Collection[str] | None, wanted: Wanted, after: Cursor, limit: int
) -> Page:
    """Give a page of what awaits an agency, for one who speaks for these sources (null: for all)."""
    own = None if sources is None else sorted(sources)
    async with pool.acquire() as connection:
        rows = await connection.fetch(
            SQL.desk, agency, own, after.as_of, after.after, wanted.kind, wanted.overdue, limit + 1
        )
    return _page(rows, limit)


async def known_agencies(pool: Pool) -> dict[str, str]:
    """Give every agency that is known, by its source, with what it is called."""
    async with pool.acquire() as connection:
        return {one.source: one.name for one in await clients.list_agencies(connection)}


async def of_entity(
    pool: Pool, entity: str, sources: Collection[str] | None, after: Cursor, limit: int
) -> Page:
    """Give a page of an organisation's open cases; for an agency (null: for all) those that concern it."""
    own = None if sources is None else sorted(sources)
    async with pool.acquire() as connection:
        rows = await connection.fetch(SQL.of_entity, entity, own, after.as_of, after.after, limit + 1)
    return _page(rows, limit)


def _page(rows: Sequence[Row], limit: int) -> Page:
    items = [_item(row) for row in rows[:limit]]
    if len(rows) <= limit:
        return Page(items, None)
    last = rows[limit - 1]
    return Page(items, Cursor(last["due"], last["place"]).text())


def _item(row: Row) -> dict[str, Any]:
    return {
        "entity": row["entity_id"],
        "record": row["record"],
        "source": row["source"],
        "kind": row["kind"],
        "number": row["number"],
        "ground": row["ground"],
        "opened_by": row["opened_by"],
        "opened_at": instants.text(row["opened_at"]),
        "handler": row["handler"],
        "step": row["step"],
        "awaits": row["awaits"],
        "since": instants.text(row["since"]),
        "due": instants.text(row["due"]),
        "certain": row["certain"],
        "overdue": row["overdue"],
        "procedure": row["procedure"],
    }
