"""The state of the service as its database tells it: read only, and cheap however much there is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from creditsvc.ledger.entries import Session
from creditsvc.store.database import load_queries

SQL = load_queries("state")
RATE_OVER = timedelta(minutes=5)
CHECKPOINTS_MAX = 2_000  # looked through for the rate
COSIGNATURES_MAX = 2_000  # looked through for who cosigned what last
LISTED_MAX = 20  # of agencies, keys and migrations
EXPIRING_WITHIN = timedelta(days=30)
REVOKED_WITHIN = timedelta(days=7)
ERASURES_MAX = 1_000  # counted
TABLES = ("entity", "event", "record", "notice", "log_entry", "access")

Rows = Sequence[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class State:
    """What the database tells; each part as the query of that name in ``state.sql`` gives it."""

    log: dict[str, Any]
    per_second: float | None  # entries that the log grew by, over the last minutes
    witnesses: dict[str, dict[str, Any]]
    clocks: Rows
    keys: Rows
    keys_expiring: Rows
    keys_revoked: Rows
    erasures: dict[str, Any]
    migrations: Rows
    rows: Rows
    server: dict[str, Any]

    @property
    def now(self) -> datetime:
        """The database's clock, by which all times here are."""
        found: datetime = self.log["now"]
        return found

    @property
    def overdue(self) -> int:
        """How many cases await an agency for too long."""
        return int(self.clocks[0]["all_overdue"]) if self.clocks else 0

    @property
    def open(self) -> int:
        return int(self.clocks[0]["all_open"]) if self.clocks else 0


async def read(connection: Session, erase_after: timedelta) -> State:
    """Read the state; ``erase_after`` is how long what is retired is left before it is erased."""

    async def one(query: str, *arguments: object) -> dict[str, Any]:
        row = await connection.fetchrow(query, *arguments)
        return {} if row is None else dict(row)

    async def several(query: str, *arguments: object) -> list[dict[str, Any]]:
        return [dict(row) for row in await connection.fetch(query, *arguments)]

    rate = await one(SQL.rate, RATE_OVER, CHECKPOINTS_MAX)
    witnesses = await several(SQL.witnesses, COSIGNATURES_MAX)
    return State(
        log=await one(SQL.log),
        per_second=rate["entries"] / max(rate["seconds"], 1.0) if rate else None,
        witnesses={row["witness"]: row for row in witnesses},
        clocks=await several(SQL.clocks, LISTED_MAX),
        keys=await several(SQL.keys_by_role, EXPIRING_WITHIN, REVOKED_WITHIN),
        keys_expiring=await several(SQL.keys_expiring, EXPIRING_WITHIN, LISTED_MAX),
        keys_revoked=await several(SQL.keys_revoked, REVOKED_WITHIN, LISTED_MAX),
        erasures=await one(SQL.erasures, erase_after, ERASURES_MAX),
        migrations=await several(SQL.migrations, LISTED_MAX),
        rows=await several(SQL.rows, TABLES),
        server=await one(SQL.server),
    )
