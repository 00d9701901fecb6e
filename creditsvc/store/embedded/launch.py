"""Run a command as another user, tied to the life of the process that started it.

A script of its own, run with the interpreter's ``-I -S``, because the service has threads and may not fork
Python code safely. Usage: launch.py UID GID PARENT COMMAND…; a UID of -1 leaves the user as it is, a PARENT
of 0 lets the command outlive its parent. The working directory is the parent's choice, entered before the
user changes, so that a right to the directories above it is not needed.
"""

import os
import sys

TYPE_CHECKING = False  # as in `typing`, which takes longer to import than all the rest
if TYPE_CHECKING:
    from collections.abc import Callable

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_SIGINT = 2  # PostgreSQL's fast shutdown


def main(arguments: list[str]) -> None:
    uid, gid, parent = (int(text) for text in arguments[:3])
    command = arguments[3:]
    os.umask(0o077)
    # Loaded before the user changes: the new one may have no right to read this interpreter's library.
    tie = _parent_death_signal() if parent else None
    if uid != -1:
        try:
            os.setgroups([gid])
            os.setgid(gid)
            os.setuid(uid)
        except OSError as error:
            raise SystemExit(f"Cannot become user {uid}, group {gid}: {error.strerror}") from None
    if tie is not None:
        if tie() != 0:
            raise SystemExit("The kernel refuses to tie the server to its parent.")
        if os.getppid() != parent:
            raise SystemExit("The process that wanted this server has gone.")
    try:
        os.execv(command[0], command)  # noqa: S606  a fixed argument list, no shell
    except OSError as error:
        raise SystemExit(f"Cannot run {command[0]}: {error.strerror}") from None


def _parent_death_signal() -> "Callable[[], int]":
    """Return what asks for SIGINT at the parent's death; call it after changing the user, which clears it."""
    import ctypes  # noqa: PLC0415  costs a tenth of a second, which only the server itself needs

    control = ctypes.CDLL(None).prctl
    return lambda: int(control(_PR_SET_PDEATHSIG, _SIGINT))


if __name__ == "__main__":
    main(sys.argv[1:])
