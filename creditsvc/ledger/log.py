"""What the log shows to everybody: its newest checkpoint, its tiles, and proofs from them.

Nothing beyond the newest checkpoint is shown. Checkpoints and proofs are verified before they are given: what
does not verify is counted and not told.
"""

import asyncio
import logging
import math
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from creditsvc.errors import Internal, NotFound, Violation
from creditsvc.ledger import measures, tiles
from creditsvc.ledger.checkpoints import read_tiles
from creditsvc.ledger.folds import Charge, Folds, free, in_thread
from creditsvc.ledger.signing import Identity
from creditsvc.ledger.tiles import HASH_BYTES, HEIGHT, WIDTH, Place, Tile
from creditsvc.store.database import Pool, load_queries
from creditsvc.verifier.log import open_checkpoint
from creditsvc.verifier.notes import VerifierKey
from creditsvc.verifier.tree import verify_consistency, verify_inclusion
from creditsvc.verifier.wrong import Wrong

log = logging.getLogger(__name__)

SQL = load_queries("log")
REMEMBER_S = 1.0
EVENTS_PER_PROOF = 50  # to prove one takes about as long as to fold so many
PROOFS_PER_UNIT = 4  # what proofs are charged against the caller's rate limit


@dataclass(frozen=True, slots=True)
class Signed:
    """A checkpoint; ``note``: with the cosignatures that it had when it was read."""

    size: int
    root: bytes
    note: str


@dataclass(frozen=True, slots=True)
class Proven:
    """That an event stands at an index of the log; the hashes lead from its leaf to the root."""

    sequence: int
    index: int
    leaf_hash: bytes
    hashes: list[bytes]


class Log:
    """Reads what the sequencer has written."""

    def __init__(self, pool: Pool, folds: Folds, identity: Identity) -> None:
        self.identity = identity
        self._folds = folds
        self._key = VerifierKey.parse(identity.verifier_key)
        self._pool = pool
        self._newest: Signed | None = None
        self._asked_s = -math.inf
        self._asking: asyncio.Task[None] | None = None

    async def checkpoint(self, at_least: int = 0) -> Signed:
        """Give the newest checkpoint, as it was at most ``REMEMBER_S`` ago.

        It is asked for again when it is smaller than ``at_least``, since another process may have shown a
        newer one to whoever asks; it may still be smaller. Raises ``NotFound`` before the first one.
        """
        came_s = time.monotonic()
        while True:
            known = self._newest
            if known is not None:
                kept_s = REMEMBER_S if known.size >= at_least else 0
                if self._asked_s >= came_s - kept_s:
                    return known
            await self._ask()  # at most twice: the second query began after we came

    async def _ask(self) -> None:
        """Read the newest checkpoint; whoever asks meanwhile shares the query, and its failure."""
        if self._asking is None:
            self._asking = asyncio.create_task(self._refresh())
            self._asking.add_done_callback(self._asked)
        await asyncio.shield(self._asking)

    def _asked(self, asking: "asyncio.Task[None]") -> None:
        self._asking = None
        if not asking.cancelled():
            asking.exception()  # whoever asked may have gone: not worth a warning then

    async def _refresh(self) -> None:
        asked_s = time.monotonic()
        self._newest = await self._read()
        self._asked_s = asked_s

    async def _read(self) -> Signed:
        async with self._pool.acquire() as connection:
            row = await connection.fetchrow(SQL.newest_checkpoint)
        if row is None:
            raise NotFound("The log has signed no checkpoint yet", retry_after_s=1)
        note = row["note"] + "".join(line.removesuffix("\n") + "\n" for line in row["cosignatures"])
        with checked("checkpoint"):
            opened = open_checkpoint(note, self._key)
            if (opened.size, opened.root) != (row["size"], row["root"]):
                raise Wrong("the note is that of another checkpoint")
        return Signed(opened.size, opened.root, note)

    async def tile(self, tile: Tile) -> bytes | None:
        """Give the hashes of a tile; None where the newest checkpoint does not reach so far."""
        needed = (tile.index * WIDTH + tile.width) << (HEIGHT * tile.level)
        newest = await self.checkpoint(at_least=needed)
        if not tile.is_within(newest.size):
            return None
        wanted = tile.width * HASH_BYTES
        async with self._pool.acquire() as connection:
            hashes: bytes | None = await connection.fetchval(SQL.tile_beginning, *tile.place, wanted)
        with checked("tiles"):
            if hashes is None or len(hashes) != wanted:
                raise Wrong("a tile within the checkpoint is not stored")
        return hashes

    async def consistency(self, old: int) -> str:
        """Prove that the newest checkpoint continues the tree of an earlier size.

        Gives what a witness is sent (C2SP tlog-witness, add-checkpoint). Raises ``NotFound`` where the log
        is not as long as that.
        """
        newest = await self.checkpoint(at_least=old)
        if old > newest.size:
            wrong = Violation(
                "/query/from", "beyond-log", "Keep what you have, and compare signed checkpoints"
            )
            raise NotFound(
                "The newest checkpoint is of a smaller size. A log never shrinks: if that size was signed, "
                "it was set back; compare signed checkpoints.",
                [wrong],
            )
        async with self._pool.acquire() as connection:
            signed: bytes | None = await connection.fetchval(SQL.checkpoint_root, old)
        held = await self._tiles(tiles.needed_for_consistency(old, newest.size) | tiles.needed_for_root(old))
        with checked("consistency"):
            proof = tiles.consistency(old, newest.size, held)
            root = tiles.root(old, held)
            if signed not in (None, root):
                raise Wrong("another root was signed for that size")
            if old > 0:
                verify_consistency(old, newest.size, proof, root, newest.root)
        lines = "".join(f"{b64encode(one).decode()}\n" for one in proof)
        return f"old {old}\n{lines}\n{newest.note}"

    async def prove(
        self, entity: str, leaf_hashes: Mapping[int, bytes], charge: Charge = free
    ) -> tuple[Signed, list[Proven]]:
        """Prove that events, by their sequences, are in the log; those beyond its checkpoint are left out."""
        charge(len(leaf_hashes) / PROOFS_PER_UNIT)
        async with self._pool.acquire() as connection:
            rows = await connection.fetch(SQL.positions, entity, list(leaf_hashes))
        positions: dict[int, int] = {row["sequence"]: row["position"] for row in rows}
        newest = await self.checkpoint(at_least=max(positions.values(), default=-1) + 1)
        wanted = [
            (sequence, positions[sequence], hashed)
            for sequence, hashed in leaf_hashes.items()
            if sequence in positions and positions[sequence] < newest.size
        ]
        needed: set[Place] = set()
        for _, index, _ in wanted:
            needed |= tiles.needed_for_inclusion(index, newest.size)
        held = await self._tiles(needed)
        size = len(wanted) * EVENTS_PER_PROOF
        async with self._folds.turn(size):
            return newest, await in_thread(size, lambda: [_proven(*one, newest, held) for one in wanted])

    async def _tiles(self, places: set[Place]) -> dict[Place, bytes]:
        if not places:
            return {}
        ordered = sorted(places)
        async with self._pool.acquire() as connection:
            return await read_tiles(connection, ordered)


def _proven(sequence: int, index: int, leaf_hash: bytes, newest: Signed, held: tiles.Tiles) -> Proven:
    with checked("inclusion"):
        hashes = tiles.inclusion(index, newest.size, held)
        verify_inclusion(leaf_hash, index, newest.size, hashes, newest.root)
    return Proven(sequence, index, leaf_hash, hashes)


@contextmanager
def checked(check: str) -> Iterator[None]:
    """Count what does not verify, and tell nobody but the log of the process what it was."""
    try:
        yield
    except (Wrong, KeyError, ValueError) as error:
        measures.SELF_CHECK_FAILURES.labels(check).inc()
        log.error("the log does not verify", extra={"fields": {"check": check}})  # noqa: TRY400  no values
        raise Internal("The log does not verify; the failure has been logged") from error
