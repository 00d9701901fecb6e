"""What reports need for good: secrets in the data directory, made on first use."""

import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

from creditsvc.errors import Internal
from creditsvc.ledger.signing import sync_directory
from creditsvc.report.number import KEY_MIN_BYTES
from creditsvc.settings import Settings

DIRECTORY, KEY_FILE = "report", "number.key"


def number_key(settings: Settings) -> bytes:
    """Give the key of the reports' numbers, the same for all workers; ``Internal`` for one cut short."""
    key = kept(settings.data_dir / DIRECTORY / KEY_FILE, secrets.token_bytes(KEY_MIN_BYTES))
    if len(key) < KEY_MIN_BYTES:
        raise Internal(f"{DIRECTORY}/{KEY_FILE} in the data directory is cut short: put the right one back.")
    return key


def kept(path: Path, new: bytes) -> bytes:
    """Give what a file holds; where there is none put this into it, for its owner alone, whole or not at all.

    Several workers may do this at once: the first one's is everybody's.
    """
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file, beside = tempfile.mkstemp(dir=path.parent)  # mode 0600
        try:
            with os.fdopen(file, "wb") as opened:
                opened.write(new)
                opened.flush()
                os.fsync(opened.fileno())
            with suppress(FileExistsError):
                os.link(beside, path)
        finally:
            Path(beside).unlink()
        sync_directory(path.parent)
    return path.read_bytes()
