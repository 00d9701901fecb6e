"""What a witness keeps: its key, and for each log its verifier key and the checkpoint cosigned last.

One process at a time has the directory. A checkpoint is replaced whole and is on the disk before anybody
hears of it, and none is ever replaced by an older one. An alarm stops a log until an operator removes it.
"""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from creditsvc.errors import Refusal
from creditsvc.ledger.signing import read_key, sync_directory, write_key
from creditsvc.verifier.log import Checkpoint, parse_checkpoint
from creditsvc.verifier.notes import ED25519, VerifierKey
from creditsvc.verifier.wrong import Wrong
from creditsvc.witness.checking import Refused, require_signed
from creditsvc.witness.cosigning import Cosigner

KEY, NAME, LOCK, LOGS = "witness.key", "name", "lock", "logs"
LOG_KEY, ADDRESS, CHECKPOINT, ALARM, EVIDENCE = "log-key", "address", "checkpoint", "alarm", "evidence"
MEMORY = "entries.sqlite3"
NAME_MAX = 255


class StateRefused(Refusal):
    """The witness's directory cannot be used so; the detail says what to do."""

    slug, status, title = "witness-refused", 409, "This witness cannot work so"


class LogState:
    """What is kept of one log, in a folder of its own."""

    def __init__(self, directory: Path, key: VerifierKey, origin: str) -> None:
        self.directory = directory
        self.key = key
        self.origin = origin

    @property
    def memory(self) -> Path:
        return self.directory / MEMORY

    def note(self) -> str | None:
        """Give the note cosigned last, both signatures under it; None before the first."""
        return _read(self.directory / CHECKPOINT)

    def last(self) -> Checkpoint | None:
        """Give the checkpoint cosigned last; raises ``StateRefused`` if somebody else wrote it."""
        note = self.note()
        if note is None:
            return None
        try:
            checkpoint = parse_checkpoint(note)
            require_signed(checkpoint, self.origin, self.key)
        except (Wrong, Refused) as wrong:
            raise StateRefused(
                f"{self.directory / CHECKPOINT} is not what this witness wrote: {wrong}. Put it back from a "
                "copy; a witness that has lost its memory must begin anew with another key."
            ) from wrong
        return checkpoint

    def keep(self, checkpoint: Checkpoint, cosigner: Cosigner, time: int) -> str:
        """Cosign a checkpoint that was checked, and keep it, durably; gives the cosignature's line.

        What is kept holds the log's signature and the witness's. Raises ``StateRefused`` rather than go back.
        """
        last = self.last()
        if last is not None and (last.size > checkpoint.size or _differ(last, checkpoint)):
            raise StateRefused("A witness never goes back to an older or another checkpoint.")
        own = [
            one.line()
            for one in checkpoint.note.signatures
            if (one.name, one.key_id) == (self.key.name, self.key.key_id)
        ]
        line = cosigner.cosign(checkpoint.note.text, time).line()
        replace(self.directory / CHECKPOINT, f"{checkpoint.note.text}\n{own[0]}{line}")
        return line

    def alarm(self) -> str | None:
        """Give the alarm that stands, in words; None when there is none."""
        return _read(self.directory / ALARM)

    def raise_alarm(self, text: str, evidence: str, path: Path | None = None) -> Path:
        """Stop cosigning this log until the alarm is removed; gives the file that holds the evidence.

        ``path``: that file, where more of the same alarm has become known.
        """
        folder = self.directory / EVIDENCE
        folder.mkdir(mode=0o700, exist_ok=True)
        path = path or folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}.txt"
        replace(path, f"{text}\n\n{evidence}")
        replace(self.directory / ALARM, f"{text}\n\nThe evidence: {path}\n")
        return path


class State:
    """A witness's directory, held by this process alone."""

    def __init__(self, directory: Path, cosigner: Cosigner) -> None:
        self.directory = directory
        self.cosigner = cosigner

    def log(self, key: VerifierKey, origin: str = "") -> LogState:
        """Give what is kept of a log, begun if it is new; raises ``StateRefused`` for another key."""
        if key.algorithm != ED25519:
            raise StateRefused("A log's verifier key is of type 1; this is one for cosignatures.")
        origin = origin or key.name
        directory = self.directory / LOGS / origin_hash(origin)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        known = _read(directory / LOG_KEY)
        if known is None:
            replace(directory / LOG_KEY, f"{key}\n")
            sync_directory(directory.parent)
        elif known.strip() != str(key):
            raise StateRefused(
                f"This witness knows the log {origin} by another key, {known.strip()}: a log keeps its key "
                "for good. If it has really begun anew, so must the witness, in a directory of its own."
            )
        return LogState(directory, key, origin)

    def watch(self, log: LogState, address: str) -> None:
        """Note at which address a log is watched."""
        if (_read(log.directory / ADDRESS) or "").strip() != address:
            replace(log.directory / ADDRESS, f"{address}\n")


def log_at(directory: Path, address: str) -> LogState | None:
    """Give the log that a witness watches at an address; None when there is none yet."""
    for path in sorted((directory / LOGS).glob(f"*/{ADDRESS}")):
        if (_read(path) or "").strip() == address:
            known = (_read(path.with_name(LOG_KEY)) or "").strip()
            try:
                key = VerifierKey.parse(known)
            except Wrong as wrong:
                raise StateRefused(f"{path.with_name(LOG_KEY)} is damaged: {wrong}") from wrong
            return LogState(path.parent, key, key.name)
    return None


@contextmanager
def opened(directory: Path, name: str | None = None) -> Iterator[State]:
    """Take a witness's directory for this process, made at first with a new key.

    Raises ``StateRefused`` when another process has it, or when it has another name; ``OSError``.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StateRefused(
                f"{directory} is in use by another process. Two that shared it could cosign two histories: "
                "give each a directory of its own with --state."
            ) from error
        yield State(directory, _cosigner(directory, name))
    finally:
        os.close(file)


def cosigner_of(directory: Path, name: str | None = None) -> Cosigner:
    """Give the cosigner of a directory, also beside the process that has it; makes it where there is none."""
    if _read(directory / NAME) is not None:
        return _cosigner(directory, name)
    with opened(directory, name) as state:
        return state.cosigner


def _cosigner(directory: Path, name: str | None) -> Cosigner:
    known = (_read(directory / NAME) or "").strip()
    key = _key(directory / KEY, is_new=not known)
    if not known:
        known = name or _name_of(key)
        _require_name(known)
        replace(directory / NAME, f"{known}\n")
    elif name not in (None, known):
        raise StateRefused(f"This witness is called {known} in {directory}, for good: --name gives another.")
    return Cosigner(known, key)


def _key(path: Path, *, is_new: bool) -> Ed25519PrivateKey:
    if path.exists():
        return read_key(path)
    if not is_new:
        raise StateRefused(f"{path} is missing: put it back, or begin anew in another directory.")
    key = Ed25519PrivateKey.generate()
    write_key(path, key)
    return key


def _name_of(key: Ed25519PrivateKey) -> str:
    """Call a witness that nobody named after its key, so that no two are called alike."""
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return f"creditsvc-witness-{sha256(public).hexdigest()[:16]}"


def _require_name(name: str) -> None:
    if not re.fullmatch(rf"[^\s+]{{1,{NAME_MAX}}}", name) or not name.isprintable():
        raise StateRefused("A witness's name has neither spaces nor plus signs, and 255 characters at most.")


def origin_hash(origin: str) -> str:
    """Name a log in a path (C2SP tlog-witness)."""
    return sha256(origin.encode()).hexdigest()


def _differ(one: Checkpoint, other: Checkpoint) -> bool:
    return one.size == other.size and one.root != other.root


def replace(path: Path, text: str) -> None:
    """Write a file whole or not at all, and durably."""
    making = path.with_name(path.name + ".new")
    file = os.open(making, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        _write(file, text.encode())
        os.fsync(file)
    finally:
        os.close(file)
    making.replace(path)
    sync_directory(path.parent)


def _write(file: int, content: bytes) -> None:
    while content:
        content = content[os.write(file, content) :]


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise StateRefused(f"{path} is damaged: it is not UTF-8") from error
