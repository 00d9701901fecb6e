"""The database cluster on disk: made once, whole or not at all, and configured at every start."""

import contextlib
import os
import secrets
import shutil
from pathlib import Path

from creditsvc.store.embedded.account import Account, current
from creditsvc.store.embedded.binaries import VERSION
from creditsvc.store.embedded.failure import ServerFailed
from creditsvc.store.embedded.process import run

LOGIN = "creditsvc"
DATABASE = "creditsvc"

# A link that the kernel follows without asking for rights on the path: the server is started in its data
# directory, and finds it from there even where only root may enter the directories above.
IN_PLACE = "/proc/self/cwd"

_INITDB_OPTIONS = (
    "--username=postgres",
    "--auth=reject",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",  # these binaries have no ICU; code point order never changes under an index
    "--builtin-locale=C.UTF-8",
    "--data-checksums",
    "--no-instructions",
)

# Written to postgresql.conf once; whoever knows better may change them there.
_INITIAL_SETTINGS = (
    "shared_buffers=256MB",
    f"max_connections={max(100, 40 + 8 * (os.cpu_count() or 1))}",  # each worker has its pools
    "max_wal_size=1GB",
    "checkpoint_timeout=10min",
    "timezone=UTC",
    "log_timezone=UTC",
)

# Given on the command line at every start, where nothing overrides them: what our promises rest on.
_FIXED_SETTINGS = (
    "listen_addresses=",
    "port=5432",
    "unix_socket_permissions=0700",
    f"hba_file={IN_PLACE}/pg_hba.conf",
    f"ident_file={IN_PLACE}/pg_ident.conf",
    "fsync=on",
    "full_page_writes=on",
    "synchronous_commit=on",
    "jit=off",
    # The log shows no value that anyone sent: it may be a person's identifier.
    "logging_collector=off",
    "log_destination=stderr",
    "log_line_prefix=%m [%p] ",
    "log_statement=none",
    "log_min_duration_statement=-1",
    "log_min_error_statement=panic",
    "log_parameter_max_length=0",
    "log_parameter_max_length_on_error=0",
    "log_error_verbosity=terse",
    "log_checkpoints=off",
)

# Run once, with nobody else there. The messages of errors quote values too, so what clients do wrong is
# told to the client alone; the server's own processes go on logging their errors.
_FIRST_STATEMENTS = f"""\
create role {LOGIN} login createrole createdb
alter role {LOGIN} set log_min_messages = log
create database {DATABASE} owner {LOGIN}
revoke all on database postgres from public
"""


def initialise(data_dir: Path, cluster: Path, account: Account, root: Path, *, lock: int) -> None:
    """Make the cluster if it is not there. Call it only while holding the lock, whose descriptor is ``lock``.

    It is made under another name and renamed when whole, so that a start cut short leaves nothing to mend.
    """
    if (cluster / "PG_VERSION").exists():
        _check_version(cluster)
        return
    if cluster.exists() and any(cluster.iterdir()):
        raise ServerFailed(f"{cluster} is neither empty nor a PostgreSQL cluster: move it out of the way.")
    making = cluster.with_name(cluster.name + ".new")
    if making.exists():
        shutil.rmtree(making)
    _make_directory(making, account)
    _must(
        [
            str(root / "bin" / "initdb"),
            f"--pgdata={IN_PLACE}",
            *_INITDB_OPTIONS,
            *_as_options(_INITIAL_SETTINGS),
        ],
        account,
        making,
        lock,
        "",
    )
    single = [
        str(root / "bin" / "postgres"),
        "--single",
        "-D",
        IN_PLACE,
        *_as_options(_FIXED_SETTINGS),
        "postgres",
    ]
    _must(single, account, making, lock, _FIRST_STATEMENTS)
    making.rename(cluster)
    _sync_directory(data_dir)


def configure(cluster: Path, account: Account) -> None:
    """Say who may log in, anew at every start: the user who runs the service may have changed.

    Also removes the note of an earlier server's process: holding the lock, we know that it is gone, while the
    number in the note may by now be anyone's.
    """
    users = dict.fromkeys((current().name, account.name))
    ident = "".join(f'{LOGIN} "{user}" {LOGIN}\n' for user in users)
    directory = os.open(cluster, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        _write(directory, "pg_hba.conf", f"local all {LOGIN} peer map={LOGIN}\n", account)
        _write(directory, "pg_ident.conf", ident, account)
        remove(directory, "postmaster.pid")
    finally:
        os.close(directory)


def server_command(root: Path, socket_dir: Path) -> list[str]:
    """Return the command line of the server; it is to be started in the cluster's directory."""
    settings = (*_FIXED_SETTINGS, f"unix_socket_directories={socket_dir}")
    return [str(root / "bin" / "postgres"), "-D", IN_PLACE, *_as_options(settings)]


def remove(directory: int, name: str) -> None:
    """Remove a name from an open directory, if it is there."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=directory)


def _as_options(settings: tuple[str, ...]) -> list[str]:
    return [part for setting in settings for part in ("-c", setting)]


def _must(command: list[str], account: Account, cwd: Path, lock: int, text: str) -> None:
    done = run(command, account=account, cwd=cwd, text=text, keep=(lock,))
    # A stand-alone backend reports a failed statement and goes on, with success at the end.
    if done.returncode != 0 or "ERROR:" in done.stdout or "FATAL:" in done.stdout:
        program = Path(command[0]).name
        raise ServerFailed(f"{program} failed (status {done.returncode}):\n{done.stdout[-4000:].rstrip()}")


def _check_version(cluster: Path) -> None:
    version = (cluster / "PG_VERSION").read_text().strip()
    if version != VERSION:
        raise ServerFailed(
            f"{cluster} was made by PostgreSQL {version}, and this is {VERSION}: upgrade it with pg_upgrade, "
            "or set CREDITSVC_DATA_DIR to another directory."
        )


def _make_directory(path: Path, account: Account) -> None:
    """Make a directory for ``account`` alone, by descriptor, so that nobody can put another in its place."""
    path.mkdir(mode=0o700)
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if account.is_other:
            os.fchown(directory, account.uid, account.gid)
        os.fchmod(directory, 0o700)
    finally:
        os.close(directory)


def _write(directory: int, name: str, text: str, account: Account) -> None:
    """Replace a file in another user's directory, without following what may have been put there."""
    making = f".{name}.{secrets.token_hex(8)}"
    file = os.open(making, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=directory)
    try:
        os.write(file, text.encode())
        if account.is_other:
            os.fchown(file, account.uid, account.gid)
    finally:
        os.close(file)
    os.replace(making, name, src_dir_fd=directory, dst_dir_fd=directory)


def _sync_directory(path: Path) -> None:
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
