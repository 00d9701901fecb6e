"""What the tests of fsck share: a log and its files, and what fsck finds in them."""

import itertools
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from creditsvc.ledger.accounts import SQL
from creditsvc.ledger.fsck import examine
from creditsvc.settings import Settings
from creditsvc.store.database import connect
from tests.making import event

_numbers = itertools.count()


class Log(NamedTuple):
    dsn: str
    data_dir: Path


def events(count, entities=20):
    return [
        event("inspection.completed", f"I{next(_numbers)}", subject=f"usdot:{100000 + n % entities}")
        for n in range(count)
    ]


@asynccontextmanager
async def owner(dsn):
    """A connection of the login role, for the time of a block."""
    connection = await connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


async def found(log, **given):
    """The faults that fsck finds, after it has said how much it checked."""
    report = await examine(
        log.dsn, Settings(data_dir=log.data_dir, **given), progress=lambda done, total: 0 <= done <= total
    )
    return report.faults


async def position(connection, place, kind="event"):
    return await connection.fetchval(
        "select position from log_entry where entity_id = $1 and sequence = $2 and kind = $3", *place, kind
    )


def back_dating_clock(hours):
    """The query for the clock, that long ago."""
    now = f"clock_timestamp() - interval '{hours} hours' as now, false as behind"
    return f"select {now}, q.released, q.began_at from ({SQL.now}) as q"  # noqa: S608
