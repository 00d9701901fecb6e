"""The private directory of the server's socket, and the note that tells others where it is."""

import contextlib
import os
import stat
import tempfile
from pathlib import Path

from creditsvc.store.embedded.account import Account
from creditsvc.store.embedded.cluster import DATABASE, LOGIN, remove
from creditsvc.store.embedded.failure import ServerFailed

_SOCKET = ".s.PGSQL.5432"
_PATH_MAX_BYTES = 107  # sun_path of <sys/un.h>, less its closing zero


def dsn(directory: Path) -> str:
    return f"postgresql://{LOGIN}@/{DATABASE}?host={directory}&port=5432"


def read_note(note: Path) -> Path | None:
    """Where the socket of the server that is running, or ran last, is."""
    try:
        return Path(note.read_text().strip())
    except FileNotFoundError:
        return None


def prepare(note: Path, account: Account) -> Path:
    """Return a directory that only ``account`` can enter, noted in ``note``; the last one if still good.

    The same one after a crash means that clients find the server again where it was. Call it only while
    holding the lock: what an earlier server left in it is removed.
    """
    directory = read_note(note)
    if directory is None or not _is_private(directory, account):
        directory = _make(account)
        making = note.with_name(note.name + ".new")
        making.write_text(f"{directory}\n")
        making.replace(note)
    opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        remove(opened, _SOCKET)
        remove(opened, _SOCKET + ".lock")
    finally:
        os.close(opened)
    return directory


def discard(note: Path, directory: Path) -> None:
    """Remove the directory of a server that has stopped."""
    note.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # something is in it: the next start decides
        directory.rmdir()


def _is_private(directory: Path, account: Account) -> bool:
    try:
        found = directory.lstat()
    except OSError:
        return False
    return (
        stat.S_ISDIR(found.st_mode) and found.st_uid == account.uid and stat.S_IMODE(found.st_mode) == 0o700
    )


def _make(account: Account) -> Path:
    for place in _places():
        try:
            directory = Path(tempfile.mkdtemp(prefix="creditsvc-", dir=place))
        except OSError:
            continue
        if len(os.fsencode(directory / _SOCKET)) > _PATH_MAX_BYTES:
            directory.rmdir()
            continue
        if account.is_other:
            os.chown(directory, account.uid, account.gid)
        return directory
    raise ServerFailed("There is no directory with a path short enough for a Unix socket; is /tmp writable?")


def _places() -> list[str]:
    """Short paths that the server can reach too: root's run-time directory, the temporary ones for others."""
    return (["/run"] if os.geteuid() == 0 else []) + [tempfile.gettempdir(), "/tmp"]  # noqa: S108  mkdtemp is private
