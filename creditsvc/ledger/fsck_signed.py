"""fsck of what was signed: checkpoints, cosignatures, the checkpoint outside the database, the keys.

What the entries come to at a size is told by whoever walks the log; here it is held to the signatures.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from creditsvc.domain import instants
from creditsvc.ledger import cosigners
from creditsvc.ledger.entries import Row
from creditsvc.ledger.signing import (
    LOG_KEY,
    RECEIPTS_KEY,
    Identity,
    LogRefused,
    checkpoint_file,
    directory,
    log_signer,
    receipt_signer,
)
from creditsvc.settings import Settings
from creditsvc.verifier.log import Checkpoint, open_checkpoint
from creditsvc.verifier.notes import VerifierKey, parse_note, verify_note
from creditsvc.verifier.wrong import Wrong

MOST_NAMED = 10  # false checkpoints: one cause makes all that follow false, and more would say no more
# Of a cosignature: the time, and what Ed25519 gives (C2SP tlog-cosignature).
COSIGNATURE_BYTES = 8 + 64


@dataclass(frozen=True, slots=True)
class Kept:
    """The checkpoint that is kept outside the database, and when it was put there."""

    file: Path
    note: str
    kept_at: datetime


def read_kept(settings: Settings | None) -> Kept | None:
    """Read the file. Before the database is looked at: it is never ahead of what the log has come to."""
    if settings is None:
        return None
    file = checkpoint_file(settings)
    try:
        kept_at = datetime.fromtimestamp(file.stat().st_mtime, UTC)
        return Kept(file, file.read_text(encoding="utf-8", errors="replace"), kept_at)
    except OSError:  # another machine's, or another user's
        return None


def wrong_keys(settings: Settings | None, known: Identity) -> Iterator[str]:
    """Say which keys in the data directory are not those of the log; what cannot be read is left out."""
    if settings is None:
        return
    for name, load in ((LOG_KEY, log_signer), (RECEIPTS_KEY, receipt_signer)):
        try:
            if (directory(settings) / name).exists():
                load(settings, known)
        except LogRefused as refused:
            yield str(refused)
        except OSError:
            continue


class Signed:
    """Judges the checkpoints of a log, in the order of their sizes."""

    def __init__(self, known: Identity, size: int, kept: Kept | None, settings: Settings | None) -> None:
        self._key = VerifierKey.parse(known.verifier_key)
        self._size = size
        self._kept = kept
        self._witnesses = witnesses(settings)
        self._max_delay = timedelta(seconds=(settings or Settings()).log_max_delay_s)
        self._kept_checkpoint: Checkpoint | None = None
        self._kept_found = False
        self._sound = 0  # the last size at which the entries came to what was signed
        self._contradicted = 0
        self._false = 0
        self.judged = 0

    def begin(self) -> Iterator[str]:
        """Judge the checkpoint outside the database, as far as it can be without the entries."""
        if self._kept is None:
            return
        try:
            self._kept_checkpoint = opened = open_checkpoint(self._kept.note, self._key)
        except Wrong as wrong:
            yield f"the checkpoint in {self._kept.file}: is not one that this log signed: {wrong}"
            return
        if opened.size > self._size:
            yield (
                f"the checkpoint in {self._kept.file}: is of size {opened.size}, and the log has only "
                f"{self._size} entries: the database was set back"
            )

    @property
    def kept_size(self) -> int | None:
        """The size at which the checkpoint outside the database has to be judged."""
        return None if self._kept_checkpoint is None else self._kept_checkpoint.size

    def judge_kept(self, root: bytes) -> Iterator[str]:
        """Judge the checkpoint outside the database by what the entries come to at its size."""
        opened, kept = self._kept_checkpoint, self._kept
        if opened is not None and kept is not None and opened.root != root:
            yield (
                f"the checkpoint in {kept.file}: the first {opened.size} entries come to another root "
                "than the one that was signed"
            )

    def judge(
        self, row: Row, root: bytes, cosigned: Sequence[Row], name: Callable[[int], str]
    ) -> Iterator[str]:
        """Judge a stored checkpoint; ``root`` is what its entries come to, ``name`` names one by position."""
        self.judged += 1
        what = f"the checkpoint of size {row['size']}"
        opened = None
        try:
            opened = self._opened(row)
        except ValueError as wrong:
            self._false += 1
            if self._false <= MOST_NAMED:
                yield f"{what}: {wrong}"
        if (row["root"] if opened is None else opened.root) == root:
            self._sound = self._sound if opened is None else row["size"]
        else:
            self._contradicted += 1
            if self._contradicted == 1:
                where = self._where(row, name)
                yield f"{what}: the entries come to another root than the one that was signed: {where}"
        if opened is not None and opened.size == self.kept_size:
            self._kept_found = True
        for line in cosigned:
            yield from (f"{what}: {fault}" for fault in self._cosignature(row["note"], line))

    def _opened(self, row: Row) -> Checkpoint:
        opened = open_checkpoint(row["note"], self._key)
        if (opened.size, opened.root) != (row["size"], row["root"]):
            raise Wrong(f"its note is another's, of size {opened.size}")
        return opened

    def _where(self, row: Row, name: Callable[[int], str]) -> str:
        first, last = self._sound, row["size"] - 1
        if first >= last:
            return f"{name(max(last, 0))} is not what was signed"
        return f"something from position {first} to {last} is not what was signed"

    def _cosignature(self, note: str, row: Row) -> Iterator[str]:
        try:
            cosigned = parse_note(parse_note(note).text + "\n" + row["line"])
            (signature,) = cosigned.signatures
            if signature.name != row["witness"] or len(signature.signature) != COSIGNATURE_BYTES:
                raise Wrong("it is not in the form of a cosignature by that witness")
            key = self._witnesses.get(row["witness"])
            if key is not None:
                verify_note(cosigned, key)
        except ValueError as error:  # also where there are two lines in one
            yield f"the cosignature by {row['witness']}: {error}"

    def end(self, drained_at: datetime | None) -> Iterator[str]:
        """Say what only shows when all checkpoints were seen, and how many more are like those named."""
        if self._contradicted > 1:
            yield f"so it is with {self._contradicted - 1} checkpoints after it"
        if self._false > MOST_NAMED:
            yield f"so it is with the notes of {self._false - MOST_NAMED} more checkpoints"
        opened, kept = self._kept_checkpoint, self._kept
        if opened is None or kept is None or self._kept_found or opened.size > self._size:
            return
        # A sequencer that was killed in the midst leaves the file ahead, until it signs again.
        if drained_at is not None and drained_at > kept.kept_at + self._max_delay:
            yield (
                f"the checkpoint of size {opened.size}: is in {kept.file}, signed, and no longer among those "
                "in the database"
            )


def witnesses(settings: Settings | None) -> dict[str, VerifierKey]:
    """Give the keys of the witnesses that are known here, by name; raises ``WitnessesRefused``."""
    found = cosigners.parse("" if settings is None else settings.log_witnesses)
    return {one.key.name: one.key for one in found}


@dataclass(slots=True)
class Lateness:
    """Tells what was placed after a checkpoint that it should have been in, by when it was recorded.

    What is merely late came in its order: the log was behind. What also comes after entries recorded later
    was not there when those were placed, though by then it must have been.
    """

    max_delay: timedelta
    began_at: datetime
    count: int = 0
    first: str | None = None
    _latest: datetime | None = None  # that anything so far was recorded at
    _signed: tuple[datetime, datetime] | None = None  # the last checkpoint: when, and the latest before it

    def sign(self, signed_at: datetime) -> None:
        if self._latest is not None:
            self._signed = (signed_at, self._latest)

    def judge(self, recorded_at: datetime, name: Callable[[], str]) -> str | None:
        """Judge the next entry; says what is wrong with it."""
        since = max(recorded_at, self.began_at)  # what waited when the log began came first of all
        fault = None
        if self._signed is not None and since + self.max_delay < self._signed[0]:
            signed_at, latest = self._signed
            if since < latest:
                fault = (
                    f"is back-dated: recorded at {instants.text(recorded_at)} as it says, it is not in the "
                    f"checkpoint of {instants.text(signed_at)}, which has later ones"
                )
            else:
                self.count += 1
                self.first = self.first or name()
        if self._latest is None or recorded_at > self._latest:
            self._latest = recorded_at
        return fault
