"""Consent: which partners an organisation lets see what asks for it; from their next query on."""

from datetime import date, timedelta
from typing import Any

from creditsvc.domain import instants
from creditsvc.ledger.entries import Row
from creditsvc.ledger.pages import Cursor, Page
from creditsvc.store.database import Pool, load_queries

SQL = load_queries("consents")

BEYOND_ALL = 2**63 - 1


async def give(pool: Pool, entity: str, client: str, until: date | None) -> bool:
    """Give it through a day where the organisation is, or until withdrawn; false: no such partner."""
    zone = instants.zone_of(entity)
    ends_at = None if until is None else instants.start_of(until + timedelta(days=1), zone)
    async with pool.acquire() as connection:
        known: bool = await connection.fetchval(SQL.give, entity, client, until, ends_at)
    return known


async def withdraw(pool: Pool, entity: str, client: str) -> None:
    async with pool.acquire() as connection:
        await connection.execute(SQL.withdraw, entity, client)


async def one(pool: Pool, entity: str, client: str) -> dict[str, Any] | None:
    """Describe what an organisation said last of a partner; null where it never said anything."""
    async with pool.acquire() as connection:
        row = await connection.fetchrow(SQL.one, entity, client)
    return None if row is None else _item(row)


async def page(pool: Pool, entity: str, *, before: int | None, limit: int) -> Page:
    """List partners, those that it said something of last first, from behind a place on."""
    async with pool.acquire() as connection:
        rows = await connection.fetch(
            SQL.of_entity, entity, BEYOND_ALL if before is None else before, limit + 1
        )
    items = [_item(row) for row in rows[:limit]]
    if len(rows) <= limit:
        return Page(items, None)
    last = rows[limit - 1]
    return Page(items, Cursor(last["at"], last["number"]).text())


def _item(row: Row) -> dict[str, Any]:
    return {
        "client": row["client_id"],
        "holds": row["holds"],
        "given_at": instants.text(row["given_at"]),
        "until": None if row["until"] is None else row["until"].isoformat(),
        "withdrawn_at": instants.text_or_none(row["withdrawn_at"]),
    }
