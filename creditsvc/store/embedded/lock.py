"""Who owns a data directory: a lock that lives as long as any process of its server."""

import asyncio
import fcntl
import logging
import os
import time
from pathlib import Path

from creditsvc.store.embedded.failure import DirectoryOccupied, ServerFailed

LOG = logging.getLogger(__name__)

_POLL_S = 0.1
_SILENCE_S = 1.0  # a wait that lasts longer is spoken of, so that nobody takes it for a hang


class DirectoryLock:
    """An exclusive ``flock`` on a file in the data directory.

    The lock belongs to the open file, not to a process: whoever inherits the descriptor holds it as well, and
    it is free when the last of them has closed it. So it is only ever closed, never unlocked, which would
    take it from the others too. The process number in the file is for people to read.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    @classmethod
    async def take(cls, path: Path, patience_s: float) -> "DirectoryLock":
        """Take the lock; ``DirectoryOccupied`` when it was not to be had within ``patience_s``."""
        descriptor = _open(path, create=True)
        try:
            await _wait(path, descriptor, patience_s)
        except BaseException:
            os.close(descriptor)
            raise
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return cls(descriptor)

    def release(self) -> None:
        """Let go; the lock is free once the server's processes are gone too."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def held(path: Path) -> bool:
    """Whether anyone owns the directory. Asks with a shared lock, so that askers do not see each other."""
    try:
        descriptor = _open(path, create=False)
    except FileNotFoundError:
        return False
    try:
        return not _lock(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _open(path: Path, *, create: bool) -> int:
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | (os.O_CREAT if create else 0)
    try:
        return os.open(path, flags, 0o600)
    except PermissionError:
        raise ServerFailed(
            f"{path.parent} belongs to another user: run this as the user who runs the service, or as root."
        ) from None


def _lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def _wait(path: Path, descriptor: int, patience_s: float) -> None:
    began = time.monotonic()
    said = False
    while not _lock(descriptor, fcntl.LOCK_EX):
        waited_s = time.monotonic() - began
        if waited_s >= patience_s:
            raise _occupied(path, descriptor)
        if waited_s >= _SILENCE_S and not said:
            said = True
            owner = _owner(descriptor)
            LOG.warning("Process %s owns %s; waiting up to %.0f s for it", owner, path.parent, patience_s)
        await asyncio.sleep(_POLL_S)


def _owner(descriptor: int) -> str:
    return os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"


def _occupied(path: Path, descriptor: int) -> DirectoryOccupied:
    return DirectoryOccupied(
        f"Another process (number {_owner(descriptor)} when it began) owns {path.parent}: a running service, "
        "or its PostgreSQL still shutting down. Stop it first, or set CREDITSVC_DATA_DIR to another "
        "directory."
    )
