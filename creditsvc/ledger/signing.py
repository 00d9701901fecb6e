"""The keys of the log: made when it begins, kept in the data directory, and never changed.

Two, so that the processes that answer the world cannot sign checkpoints: the log's own key is read by the
sequencer alone, the receipts' key by the workers. Public formats: C2SP signed-note, Ed25519 (RFC 8032).
"""

import os
from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from creditsvc.errors import Refusal
from creditsvc.ledger.entries import Session
from creditsvc.settings import Settings
from creditsvc.store.database import load_queries
from creditsvc.verifier.notes import VerifierKey, key_id_of

SQL = load_queries("log")
ED25519 = 1  # the type of signature in a verifier key (C2SP signed-note)
LOG_KEY, RECEIPTS_KEY, CHECKPOINT = "log.key", "receipts.key", "checkpoint"


class LogRefused(Refusal):
    """The keys in the data directory are not those of the log in the database; the detail says what to do."""

    slug, status, title = "log-refused", 409, "This log cannot be continued so"


class Signer:
    """Signs notes under a name; the private key stays in here."""

    def __init__(self, name: str, key: Ed25519PrivateKey) -> None:
        public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.name = name
        self.key = VerifierKey(name, key_id_of(name, ED25519, public), ED25519, public)
        self._private = key

    @property
    def verifier_key(self) -> str:
        return str(self.key)

    def sign(self, text: str) -> str:
        """Sign a text that ends in a newline; gives the whole note. The same text gives the same note."""
        if not text.endswith("\n"):
            raise ValueError("the text of a note ends in a newline")
        signature = b64encode(self.key.key_id + self._private.sign(text.encode())).decode()
        return f"{text}\n— {self.name} {signature}\n"


@dataclass(frozen=True, slots=True)
class Identity:
    """Which log it is: what it is called, the keys to check it by, and when it began."""

    origin: str
    verifier_key: str
    receipt_verifier_key: str
    began_at: datetime


def directory(settings: Settings) -> Path:
    """Say where the log's keys and its last checkpoint are kept."""
    return settings.data_dir / "log"


def checkpoint_file(settings: Settings) -> Path:
    """Say where the last checkpoint is kept, outside the database."""
    return directory(settings) / CHECKPOINT


async def identity(connection: Session) -> Identity | None:
    """Give the log that the database holds; None before it has begun."""
    row = await connection.fetchrow(SQL.identity)
    return None if row is None else Identity(**row)


async def begin(connection: Session, settings: Settings) -> Identity:
    """Begin the log where there is none, with new keys; else check that the keys here are its own.

    Raises ``LogRefused`` when they are missing or others, and ``OSError``.
    """
    async with connection.transaction():
        await connection.execute(SQL.lock_beginning)
        known = await identity(connection)
        if known is None:
            log = _key(directory(settings) / LOG_KEY)
            receipts = _key(directory(settings) / RECEIPTS_KEY)
            origin = settings.log_origin or _origin_of(log)
            await connection.execute(
                SQL.begin, origin, Signer(origin, log).verifier_key, _receipts(origin, receipts).verifier_key
            )
            known = await identity(connection)
    if known is None:
        raise LogRefused("The log has not begun")
    if settings.log_origin not in ("", known.origin):
        raise LogRefused(
            f"This database holds the log {known.origin}, and CREDITSVC_LOG_ORIGIN names another: a log "
            "keeps its origin for good. Unset it, or use another database."
        )
    log_signer(settings, known)
    receipt_signer(settings, known)
    return known


def log_signer(settings: Settings, known: Identity) -> Signer:
    """Load the key that signs checkpoints; raises ``LogRefused`` unless it is this log's."""
    return _fitting(Signer(known.origin, _load(settings, LOG_KEY)), known.verifier_key, LOG_KEY)


def receipt_signer(settings: Settings, known: Identity) -> Signer:
    """Load the key that signs the promises in receipts; raises ``LogRefused`` unless it is this log's."""
    signer = _receipts(known.origin, _load(settings, RECEIPTS_KEY))
    return _fitting(signer, known.receipt_verifier_key, RECEIPTS_KEY)


def _fitting(signer: Signer, verifier_key: str, name: str) -> Signer:
    if signer.verifier_key != verifier_key:
        raise LogRefused(
            f"log/{name} in the data directory is not the key of the log in this database ({verifier_key}): "
            "put the right one there. A log cannot change its key."
        )
    return signer


def _receipts(origin: str, key: Ed25519PrivateKey) -> Signer:
    return Signer(f"{origin}/receipts", key)


def _origin_of(key: Ed25519PrivateKey) -> str:
    """Call a log that nobody named after its key, so that no two are called alike."""
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return f"creditsvc-{sha256(public).hexdigest()[:16]}/v1/log"


def _load(settings: Settings, name: str) -> Ed25519PrivateKey:
    path = directory(settings) / name
    if not path.exists():
        raise LogRefused(
            f"{path} is missing, and this database holds a log that was begun with it: put the key back. "
            "Without it no checkpoint and no receipt can be signed."
        )
    return read_key(path)


def _key(path: Path) -> Ed25519PrivateKey:
    """Read a key, or make one that only its owner may read; it is on the disk before it is used."""
    if path.exists():
        return read_key(path)
    key = Ed25519PrivateKey.generate()
    write_key(path, key)
    return key


def read_key(path: Path) -> Ed25519PrivateKey:
    """Read an Ed25519 key from a PEM file (PKCS #8); raises ``LogRefused`` for anything else."""
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise LogRefused(f"{path} does not hold a private key in PEM") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise LogRefused(f"{path} does not hold an Ed25519 key")
    return key


def write_key(path: Path, key: Ed25519PrivateKey) -> None:
    """Write a key for its owner alone; it never replaces one that is there (``FileExistsError``)."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(file, "wb") as opened:
        opened.write(pem)
        opened.flush()
        os.fsync(opened.fileno())
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Have a name that was put into a directory outlive a crash."""
    opened = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
