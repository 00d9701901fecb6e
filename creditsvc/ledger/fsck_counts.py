"""fsck of the statistics: events by month and type, counted anew from the log as far as it was counted."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date

from creditsvc.ledger import statistics
from creditsvc.ledger.entries import Session
from creditsvc.store.database import load_queries

SQL = load_queries("fsck")
PAGE = 5_000

Counts = Counter[tuple[date, str]]


async def check_counts(connection: Session, progress: Callable[[int], None]) -> list[str]:
    """Compare the counts with the events; ``progress`` is told the position that was come to.

    What is below the position that counting had reached never changes, so counting may go on meanwhile.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        reached = await connection.fetchval(SQL.counted_until) or 0
        rows = await connection.fetch(SQL.counts)
    stored: Counts = Counter({(row["month"], row["type"]): row["events"] for row in rows})
    found: Counts = Counter()
    position = 0
    while position < reached:
        page = await connection.fetch(statistics.SQL.entries, position, min(PAGE, reached - position))
        if not page:
            return [f"statistics: are counted up to position {reached}, where the log does not reach"]
        found += statistics.count(page)
        position = page[-1]["position"] + 1
        progress(position)
    return [*_differences(stored, found)]


def _differences(stored: Counts, found: Counts) -> Iterator[str]:
    for month, kind in sorted(stored.keys() | found.keys()):
        told, right = stored[month, kind], found[month, kind]
        if told != right:
            yield f"statistics: {kind} in {month:%Y-%m}: {told} are counted, and there are {right}"
