"""Who looked: queries are written down before they are answered, those of a moment in one commit.

What is written is one row for each request, in a table with nothing to keep in order but its numbers. A sweep
(``creditsvc.ledger.filing``) files it under each organisation soon after; whoever reads finds it either way.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

from creditsvc.domain import instants
from creditsvc.errors import Unavailable
from creditsvc.ledger import measures
from creditsvc.ledger.pages import Cursor, Page
from creditsvc.store.database import Pool, load_queries

SQL = load_queries("accesses")

GROUP_ENTITIES = 5_000  # of one commit: a few milliseconds of the database's time
MOST_WAITING = 20_000  # requests in one worker, above what connections it has
RETRY_AFTER_S = 1
BEYOND_ALL = 2**63 - 1

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Access:
    """One request that is to be answered: whose, what for, and about whom."""

    client_id: str
    role: str
    purpose: str | None  # null: not declared
    what: str  # the operation's name
    entities: tuple[str, ...]  # in canonical form, each once, at least one


class Accesses:
    """Writes down accesses for all requests of this process, in groups."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._writing: asyncio.Task[None] | None = None
        self._waiting: deque[tuple[Access, asyncio.Future[None]]] = deque()

    async def write(self, access: Access) -> None:
        """Return once it is durable; ``Unavailable`` where that is not known: then nothing may be told."""
        if len(self._waiting) >= MOST_WAITING:
            raise _unavailable()
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((access, written))
        if self._writing is None:
            self._writing = asyncio.create_task(self._run(), name="accesses")
        started = perf_counter()
        await written
        measures.ACCESS_SECONDS.observe(perf_counter() - started)

    async def close(self) -> None:
        """Finish what is being written."""
        if self._writing is not None:
            await self._writing

    async def _run(self) -> None:
        """Commit group after group, one at a time: whoever comes meanwhile shares the next."""
        while self._waiting:
            taken = self._take()
            try:
                await self._insert([access for access, _ in taken])
            except Exception as error:  # noqa: BLE001  whoever waits must hear, whatever went wrong
                log.warning("accesses cannot be written: %s", type(error).__name__)
                _tell(taken, _unavailable())
            else:
                measures.ACCESSES.inc(len(taken))
                measures.ACCESS_GROUP.observe(len(taken))
                _tell(taken, None)
        self._writing = None

    def _take(self) -> "list[tuple[Access, asyncio.Future[None]]]":
        taken = [self._waiting.popleft()]
        size = len(taken[0][0].entities)
        while self._waiting and size + len(self._waiting[0][0].entities) <= GROUP_ENTITIES:
            taken.append(self._waiting.popleft())
            size += len(taken[-1][0].entities)
        return taken

    async def _insert(self, accesses: Sequence[Access]) -> None:
        async with self._pool.acquire() as connection:
            await connection.execute(
                SQL.arrive,
                [access.client_id for access in accesses],
                [access.role for access in accesses],
                [access.purpose for access in accesses],
                [access.what for access in accesses],
                [" ".join(access.entities) for access in accesses],
            )


def _tell(taken: "Sequence[tuple[Access, asyncio.Future[None]]]", error: Unavailable | None) -> None:
    for _, written in taken:
        if written.done():  # who waited has gone
            continue
        if error is None:
            written.set_result(None)
        else:
            written.set_exception(error)


def _unavailable() -> Unavailable:
    return Unavailable(
        "Who asks is written down before the answer, and that cannot be done now", retry_after_s=RETRY_AFTER_S
    )


async def page(pool: Pool, entity: str, *, before: int | None, limit: int) -> Page:
    """List who asked about an organisation, the newest first, from behind a place on."""
    start = BEYOND_ALL if before is None else before
    async with pool.acquire() as connection:
        rows = await connection.fetch(SQL.of_entity, entity, start, limit + 1)
    items = [
        {
            "time": instants.text(row["at"]),
            "client": row["client_id"],
            "role": row["role"],
            "purpose": row["purpose"],
            "asked": row["what"],
        }
        for row in rows[:limit]
    ]
    if len(rows) <= limit:
        return Page(items, None)
    last = rows[limit - 1]
    return Page(items, Cursor(last["at"], last["number"]).text())
