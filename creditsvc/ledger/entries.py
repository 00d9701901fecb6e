"""Stored events and records as the domain reads them."""

from typing import TYPE_CHECKING, Any

import asyncpg
import orjson
from asyncpg.pool import PoolConnectionProxy

from creditsvc.domain.profile import Line
from creditsvc.domain.records import Entry

Row = asyncpg.Record

if TYPE_CHECKING:  # generic in the stubs only
    Session = asyncpg.Connection[Row] | PoolConnectionProxy[Row]
else:
    Session = asyncpg.Connection


def entry(row: Row) -> Entry:
    """Read one stored event; its data is what was said, in the bytes that the leaf commits to."""
    content: dict[str, Any] = orjson.loads(row["content"])
    return Entry(
        sequence=row["sequence"],
        recorded_at=row["recorded_at"],
        source=row["source"],
        id=row["id"],
        type=row["type"],
        time=row["time"],
        record=row["record"],
        data=content["data"],
        touches_public=row["touches_public"],
    )


def stored_line(row: Row) -> Line:
    """Read the line that is stored of a record."""
    return Line(
        record=row["record"],
        source=row["source"],
        record_class=row["class"],
        standing=row["standing"],
        public=row["public"],
        objected=row["objected"],
        listing=row["listing"],
        since=row["since"],
        code=row["code"],
        points=row["points"],
        points_until=row["points_until"],
        next_change=row["next_change"],
    )
