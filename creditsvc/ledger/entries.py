"""Stored events as the domain reads them."""

from typing import TYPE_CHECKING, Any

import asyncpg
import orjson
from asyncpg.pool import PoolConnectionProxy

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
