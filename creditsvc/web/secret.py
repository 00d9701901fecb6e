"""The secret that sessions of the pages are sealed with: one for all processes, made at its first use."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from creditsvc.errors import Refusal
from creditsvc.ledger.signing import sync_directory
from creditsvc.settings import Settings

FILE = "site.secret"
LEAST_BYTES, MOST_BYTES = 32, 4096


class SecretRefused(Refusal):
    """The file that is set cannot be used; the detail says why."""

    slug, status, title = "secret-refused", 409, "The secret of the pages cannot be used"


def load(settings: Settings) -> bytes:
    """Give the secret; made in the data directory where no file is set and none is there.

    Raises ``SecretRefused`` for a file that holds none, and ``OSError``.
    """
    if settings.site_secret_file:
        return _read(Path(settings.site_secret_file))
    path = settings.data_dir / FILE
    if not path.exists():
        _make(path)
    return _read(path)


def check(settings: Settings) -> None:
    """Refuse a file that is set and cannot be used: it should be told at the start."""
    if not settings.site_secret_file:
        return
    try:
        load(settings)
    except OSError as error:
        raise SecretRefused(f"CREDITSVC_SITE_SECRET_FILE cannot be read: {error.strerror}") from error


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        secret = file.read(MOST_BYTES + 1)
    if not LEAST_BYTES <= len(secret) <= MOST_BYTES:
        raise SecretRefused(f"{path} must hold {LEAST_BYTES} to {MOST_BYTES} random bytes")
    return secret


def _make(path: Path) -> None:
    """Make it whole before it has its name: of several processes that do, the first one's is kept."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, written = tempfile.mkstemp(dir=path.parent, prefix=f".{FILE}-")  # for its owner alone
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(os.urandom(LEAST_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(written, path)
    finally:
        Path(written).unlink()
    sync_directory(path.parent)
