"""The sequencer: gives every event its position in the log, and signs what the log has come to.

Several may run; an advisory lock decides whose turn it is, and a compare-and-swap on the size makes a second
one harmless. Draining and signing are a transaction each, so that one killed between any two steps leaves
nothing half done. What is waiting is taken from a queue that rows leave when they are placed, never by
"greater than the last": a transaction that commits late would be skipped.
"""

import asyncio
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import itemgetter

import asyncpg

from creditsvc.domain.canonical import leaf_hash
from creditsvc.ledger import measures, tiles
from creditsvc.ledger.checkpoints import SQL, Checkpoints, Unsound, read_tiles
from creditsvc.ledger.entries import Row, Session, leaf_of
from creditsvc.ledger.failures import AGAIN
from creditsvc.store.database import Pool

log = logging.getLogger(__name__)

BATCH = 2_000  # of one transaction
IDLE_PAUSE_S = 0.1  # between looks at an empty queue; a look costs one query
FAILED_PAUSE_S = 1.0
CLOCK_TOLERANCE = timedelta(seconds=60)  # between the database's clock and ours
MOST_TOLD = 10_000  # of what is refused; all of it is counted


class Overtaken(Exception):  # noqa: N818  it says what happened
    """Another sequencer gave out the positions meanwhile: nothing was done, what it did has to be read."""


@dataclass(frozen=True, slots=True)
class State:
    """Where the log stands; ``horizon``: everything recorded before it is visible to the next statement."""

    size: int
    root: bytes
    complete_until: datetime | None
    horizon: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the log stands, for people."""

    size: int
    complete_until: datetime | None
    drained_at: datetime | None
    checkpoint_size: int | None
    signed_at: datetime | None
    pending: int
    witnesses: list[str]


class Sequencer:
    """Drains what waits for the log and signs checkpoints, until it is told to stop."""

    def __init__(
        self,
        pool: Pool,
        checkpoints: Checkpoints,
        *,
        interval_s: float,
        most_pending: int,
        batch: int = BATCH,
    ) -> None:
        self._pool = pool
        self._checkpoints = checkpoints
        self._interval_s = interval_s
        self._most_pending = most_pending
        self._batch = batch
        self._edge: tiles.Edge | None = None  # what we know of the tree; None: to be read
        self._next_signing_s = 0.0
        self._refused: set[tuple[tuple[str, str, int], str]] = set()
        self._seen = (time.monotonic(), datetime.now(UTC))  # our clock, and the database's at that time

    async def run(self) -> None:
        """Keep at it. Whatever fails is told and tried again: what waits stays in the queue."""
        while True:
            try:
                pause_s = await self._turn()
            except Unsound as unsound:
                measures.SELF_CHECK_FAILURES.labels(unsound.check).inc()
                log.error("the log is not signed: %s", unsound)  # noqa: TRY400  no values
                pause_s = FAILED_PAUSE_S
            except Overtaken:
                pause_s = IDLE_PAUSE_S
            except (*AGAIN, asyncpg.PostgresError) as error:
                log.warning("sequencer: %s", type(error).__name__)
                pause_s = FAILED_PAUSE_S
            await asyncio.sleep(pause_s)

    async def _turn(self) -> float:
        """Drain a batch, and sign when it is time; gives the seconds until there may be something to do."""
        if time.monotonic() >= self._next_signing_s:
            # Before draining, too: a log that contradicts what was signed must not grow.
            await self.sign()
            self._next_signing_s = time.monotonic() + self._interval_s
        placed = await self.drain()
        return IDLE_PAUSE_S if placed is None or placed < self._batch else 0.0

    async def drain(self) -> int | None:
        """Place one batch of what waits; gives how many, None when it is another sequencer's turn.

        Raises ``Overtaken`` and ``Unsound``; then nothing was done.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            if not await connection.fetchval(SQL.try_lock):
                return None
            state = await read_state(connection)
            rows = await connection.fetch(SQL.pending, self._batch, state.complete_until)
            if not rows:
                return 0
            edge = await self._edge_at(connection, state)
            # At one instant an event comes before the notices that followed from it.
            order = itemgetter("recorded_at", "entity_id", "kind", "sequence")
            sound = sorted(self._sound(rows, state), key=order)
            if sound:
                await _place(connection, sound, state.size, edge)
            complete_until = _complete_until(rows, self._batch, state) if self._believes(state) else None
            await _swap(connection, state, edge, complete_until)
        self._edge = edge
        measures.LOG_PLACED.inc(len(sound))
        return len(sound)

    async def _edge_at(self, connection: Session, state: State) -> tiles.Edge:
        """Give the edge of the tree, ours to change; read and checked unless we know it already."""
        known = self._edge
        if known is None or known.size != state.size:
            known = await read_edge(connection, state.size)
        if known.root() != state.root:
            raise Unsound("root", f"the tiles do not come to the root at size {state.size}")
        return tiles.Edge(known.size, dict(known.tiles))

    def _believes(self, state: State) -> bool:
        """Tell whether the database's clock goes on as ours does: what it says is complete is so for good.

        One that ran ahead and was put right would leave the log complete until an instant in the future.
        """
        elapsed = timedelta(seconds=time.monotonic() - self._seen[0])
        if state.horizon <= self._seen[1] + elapsed + CLOCK_TOLERANCE:
            self._seen = (time.monotonic(), state.horizon)
            return True
        measures.SELF_CHECK_FAILURES.labels("clock").inc()
        log.error(
            "the database's clock has jumped ahead: the log does not say any more until when it is complete; "
            "start the service again once the clock is right"
        )
        return False

    def _sound(self, rows: Sequence[Row], state: State) -> Iterator[Row]:
        """Give the rows that fit their leaf hash, time and place; another stays, and is told once."""
        taken: set[tuple[str, str, int]] = set()
        for row in rows:
            key = (row["entity_id"], row["kind"], row["sequence"])
            wrong = "it stands in the queue twice" if key in taken else _fault(row, state)
            if wrong is None:
                taken.add(key)
                yield row
            elif len(self._refused) < MOST_TOLD and (key, wrong) not in self._refused:
                self._refused.add((key, wrong))
                measures.SELF_CHECK_FAILURES.labels("leaf").inc()
                fields = dict(zip(("entity", "kind", "sequence"), key, strict=True)) | {"why": wrong}
                log.error("an entry is not placed in the log", extra={"fields": fields})

    async def sign(self) -> None:
        """Sign where the log stands, unless that is signed; raises ``Unsound`` rather than contradict."""
        async with self._pool.acquire() as connection, connection.transaction():
            if not await connection.fetchval(SQL.try_lock):
                return
            state = await read_state(connection)
            pending = await connection.fetchrow(
                SQL.count_pending, self._most_pending + 1, state.complete_until
            )
            if pending is not None:
                measures.LOG_PENDING.set(pending["pending"])
                measures.LOG_REFUSED.set(pending["refused"])
                idle = pending["pending"] == 0 and self._believes(state)
                # The horizon was read before the queue was.
                await connection.execute(SQL.note, pending["pending"], state.horizon if idle else None)
            await self._checkpoints.sign(connection, state.size, state.root)
            measures.LOG_SIZE.set(state.size)
        self._checkpoints.cosign(self._pool)


async def standing(connection: Session) -> Standing | None:
    """Tell where the log stands; None before it has begun."""
    row = await connection.fetchrow(SQL.standing)
    return None if row is None else Standing(**row)


async def read_state(connection: Session) -> State:
    """Read where the log stands; raises ``Unsound`` before it has begun."""
    row = await connection.fetchrow(SQL.state)
    if row is None:
        raise Unsound("state", "the log has not begun in this database")
    return State(row["size"], row["root"], row["complete_until"], row["horizon"])


async def read_edge(connection: Session, size: int) -> tiles.Edge:
    """Read the right edge of the tree from its tiles; raises ``Unsound`` when they are not all there."""
    held = await read_tiles(connection, tiles.Edge.places(size))
    try:
        return tiles.Edge.of(size, held)
    except ValueError as error:
        raise Unsound("tiles", str(error)) from error


def _fault(row: Row, state: State) -> str | None:
    """Say what is wrong with a row that waits; None when it may be placed."""
    if row["recorded_at"] is None:
        return "it is not stored"
    if row["placed"]:
        return "it has a position already"
    if state.complete_until is not None and row["recorded_at"] < state.complete_until:
        return "it is back-dated: the log was complete until a later instant"
    place = (row["entity_id"], row["kind"], row["sequence"])
    if leaf_hash(leaf_of(place, row, row["commitment"])) != row["leaf_hash"]:
        return "its leaf hash is not that of its content, place and time"
    return None


async def _place(connection: Session, rows: Sequence[Row], first: int, edge: tiles.Edge) -> None:
    """Write entries and tiles, and take the rows from the queue."""
    grown = edge.extend([row["leaf_hash"] for row in rows])
    await connection.execute(
        SQL.insert_entries,
        first,
        [row["entity_id"] for row in rows],
        [row["kind"] for row in rows],
        [row["sequence"] for row in rows],
    )
    await connection.execute(
        SQL.grow_tiles, [level for level, _ in grown], [index for _, index in grown], list(grown.values())
    )
    await connection.execute(SQL.delete_pending, [row["ctid"] for row in rows])


async def _swap(connection: Session, state: State, edge: tiles.Edge, complete_until: datetime | None) -> None:
    swapped = await connection.fetchval(SQL.swap, state.size, edge.size, edge.root(), complete_until)
    if swapped is None:
        raise Overtaken


def _complete_until(rows: Sequence[Row], batch: int, state: State) -> datetime | None:
    """Say until when everything has its position: the horizon, or the last row of a full batch."""
    timed = [row["queued_at"] for row in rows if row["timed"]]
    if len(rows) - len(timed) == batch:
        return None  # more may wait without a time
    return state.horizon if len(timed) < batch else min(state.horizon, timed[-1])
