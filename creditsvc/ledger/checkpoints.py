"""Checkpoints: what was signed is never contradicted (C2SP tlog-checkpoint).

The last one is also kept in a file beside the log's key, outside the database: a database that was set back
or tampered with is not signed again.
"""

import asyncio
import logging
import math
import os
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol

from creditsvc.ledger import measures, tiles
from creditsvc.ledger.entries import Session
from creditsvc.ledger.failures import AGAIN
from creditsvc.ledger.signing import Signer, sync_directory
from creditsvc.store.database import Pool, load_queries
from creditsvc.verifier.log import Checkpoint, open_checkpoint
from creditsvc.verifier.tree import verify_consistency
from creditsvc.verifier.wrong import Wrong

log = logging.getLogger(__name__)

SQL = load_queries("sequence")
ASK_AGAIN_S = 15.0  # witnesses that did not answer, while nothing new is signed


Consistency = Callable[[int], Awaitable[list[bytes]]]


class Cosigners(Protocol):
    """Witnesses that are asked to cosign (C2SP tlog-witness)."""

    @property
    def number(self) -> int:
        """How many they are."""
        ...

    async def collect(self, note: str, size: int, consistency: Consistency) -> list[tuple[str, str]]:
        """Give the signature lines that were got, each with the witness's name; no witness makes it fail."""
        ...


class Unsound(Exception):  # noqa: N818  it says what the log is
    """The log is not what it must be, so nothing is signed; ``check`` names the check that failed."""

    def __init__(self, check: str, why: str) -> None:
        super().__init__(why)
        self.check = check


class Checkpoints:
    """Signs checkpoints, keeps the last one in a file, and has witnesses cosign it."""

    def __init__(self, signer: Signer, file: Path, cosigners: Cosigners | None = None) -> None:
        self._signer = signer
        self._file = file
        self._cosigners = cosigners
        self._newest: tuple[int, str] | None = None  # size and note of the last one signed
        self._asked_again_s = 0.0  # when witnesses that did not cosign the newest may be asked again
        self._asked = 0  # the last size that witnesses were asked about
        self._cosigning: asyncio.Task[None] | None = None

    async def sign(self, connection: Session, size: int, root: bytes) -> None:
        """Sign a size and root, within the transaction that holds the sequencer's lock.

        The file is written first: a crash before the commit leaves it ahead of the checkpoints in the
        database, but never ahead of the log itself: that tells it from a database that was set back.
        Raises ``Unsound`` where the log contradicts what was signed.
        """
        stored = await connection.fetchval(SQL.last_checkpoint)
        last = None if stored is None else self._open(stored, "the last checkpoint in the database")
        kept = self._kept()
        if kept is None and last is not None and last.size > 0:
            raise Unsound(
                "file",
                f"{self._file} is missing, and {last.size} entries were signed: put it back; or, where this "
                "host is new or the file is lost, compare with a witness and run `creditsvc log accept`",
            )
        for earlier in (kept, last):
            if earlier is not None:
                await _require_consistent(connection, earlier, size, root)
        if last is not None and last.size == size:
            note = stored
        else:
            await _require_root(connection, size, root)
            note = self._signer.sign(f"{self._signer.name}\n{size}\n{b64encode(root).decode()}\n")
        if kept is None or kept.size < size:
            self._keep(note)
        if note != stored:
            await connection.execute(SQL.insert_checkpoint, size, root, note)
            measures.LOG_SIGNED_AT.set_to_current_time()
        self._newest = (size, note)

    def _kept(self) -> Checkpoint | None:
        try:
            note = self._file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except UnicodeDecodeError as error:
            raise Unsound("checkpoint", f"{self._file} is not a checkpoint") from error
        return self._open(note, str(self._file))

    def _open(self, note: str, what: str) -> Checkpoint:
        try:
            return open_checkpoint(note, self._signer.key)
        except Wrong as wrong:
            raise Unsound("checkpoint", f"{what} is not one that this log signed: {wrong}") from wrong

    def _keep(self, note: str) -> None:
        """Replace the file, durably."""
        making = self._file.with_name(self._file.name + ".new")
        with making.open("wb") as file:
            file.write(note.encode())
            file.flush()
            os.fsync(file.fileno())
        making.replace(self._file)
        sync_directory(self._file.parent)

    async def accept(self, connection: Session) -> Checkpoint:
        """Keep the last checkpoint in the database as the one to go on from, where none is kept here.

        Raises ``Unsound`` when one is kept, or none was signed.
        """
        if self._kept() is not None:
            raise Unsound("file", f"{self._file} is there already: nothing is to be accepted")
        stored = await connection.fetchval(SQL.last_checkpoint)
        if stored is None:
            raise Unsound("checkpoint", "no checkpoint was signed yet")
        last = self._open(stored, "the last checkpoint in the database")
        await _require_root(connection, last.size, last.root)
        self._keep(stored)
        return last

    def cosign(self, pool: Pool) -> None:
        """Have the witnesses cosign the newest checkpoint, in the background; one round at a time."""
        if self._cosigners is None or self._newest is None or not self._newest[0]:
            return
        if self._asked == self._newest[0] and time.monotonic() < self._asked_again_s:
            return
        if self._cosigning is None or self._cosigning.done():
            self._asked, self._asked_again_s = self._newest[0], time.monotonic() + ASK_AGAIN_S
            self._cosigning = asyncio.create_task(self._cosign(pool, self._cosigners, *self._newest))

    async def _cosign(self, pool: Pool, cosigners: Cosigners, size: int, note: str) -> None:
        async def consistency(old: int) -> list[bytes]:
            async with pool.acquire() as connection:
                held = await read_tiles(connection, sorted(tiles.needed_for_consistency(old, size)))
            return tiles.consistency(old, size, held)

        try:
            lines = await cosigners.collect(note, size, consistency)
            if len(lines) == cosigners.number:
                self._asked_again_s = math.inf
            if lines:
                async with pool.acquire() as connection:
                    witnesses, signatures = zip(*lines, strict=True)
                    await connection.execute(SQL.insert_cosignatures, size, witnesses, signatures)
        except (*AGAIN, OSError) as error:
            log.warning("cosignatures: %s", type(error).__name__)


async def read_tiles(connection: Session, places: Sequence[tiles.Place]) -> dict[tiles.Place, bytes]:
    """Read tiles by their places; one that is not stored is left out."""
    rows = await connection.fetch(SQL.tiles, [place[0] for place in places], [place[1] for place in places])
    return {(row["level"], row["tile"]): row["hashes"] for row in rows}


async def _require_consistent(connection: Session, earlier: Checkpoint, size: int, root: bytes) -> None:
    if earlier.size > size:
        raise Unsound(
            "rollback",
            f"the log has {size} entries, and {earlier.size} were signed: the database was set back",
        )
    if earlier.size == 0:  # every tree continues the empty one
        return
    held = await read_tiles(connection, sorted(tiles.needed_for_consistency(earlier.size, size)))
    try:
        proof = tiles.consistency(earlier.size, size, held)
        verify_consistency(earlier.size, size, proof, earlier.root, root)
    except (Wrong, KeyError, ValueError) as error:
        raise Unsound(
            "consistency",
            f"the log of {size} entries does not continue the {earlier.size} that were signed",
        ) from error


async def _require_root(connection: Session, size: int, root: bytes) -> None:
    held = await read_tiles(connection, sorted(tiles.needed_for_root(size)))
    try:
        found = tiles.root(size, held)
    except (KeyError, ValueError) as error:
        raise Unsound("root", f"the tiles of {size} entries are not whole") from error
    if found != root:
        raise Unsound("root", f"the tiles do not come to the root at size {size}")
