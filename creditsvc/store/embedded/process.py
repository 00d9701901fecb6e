"""Starting PostgreSQL's programs, as the user they belong to."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from creditsvc.store.embedded.account import Account

_LAUNCHER = str(Path(__file__).with_name("launch.py"))
# Nothing of ours leaks in: PGDATA, PGOPTIONS, locale and library paths of the caller are not the server's.
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
_RUN_TIMEOUT_S = 300.0


def command_as(account: Account, command: Sequence[str], *, parent: int = 0) -> list[str]:
    """Return the command line to run ``command`` as ``account``, tied to the life of ``parent`` if given."""
    uid, gid = (account.uid, account.gid) if account.is_other else (-1, -1)
    return [sys.executable, "-I", "-S", _LAUNCHER, str(uid), str(gid), str(parent), *command]


def run(
    command: Sequence[str], *, account: Account, cwd: Path, text: str = "", keep: Sequence[int] = ()
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end with ``text`` as its input; standard output and error come back as one."""
    return subprocess.run(  # noqa: S603  programs by full path, no shell between
        command_as(account, command),
        cwd=cwd,
        env=_ENVIRONMENT,
        input=text,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        pass_fds=tuple(keep),
        timeout=_RUN_TIMEOUT_S,
        check=False,
    )


def start(
    command: Sequence[str], *, account: Account, cwd: Path, log: IO[bytes], keep: Sequence[int]
) -> subprocess.Popen[bytes]:
    """Start a program that goes on as our child until told to stop, or until this thread's process is gone.

    The kernel ties the child to the *thread* that starts it, so call this from a thread that stays.
    """
    return subprocess.Popen(  # noqa: S603
        command_as(account, command, parent=os.getpid()),
        cwd=cwd,
        env=_ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        pass_fds=tuple(keep),
        start_new_session=True,  # Ctrl-C is for the service, which stops the server after draining
    )
