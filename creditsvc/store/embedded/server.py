"""Start, find and stop the embedded server."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg

from creditsvc.settings import Settings
from creditsvc.store.embedded import account, binaries, cluster, process, socket_directory
from creditsvc.store.embedded.failure import DirectoryOccupied, ServerFailed
from creditsvc.store.embedded.lock import DirectoryLock, held
from creditsvc.store.embedded.progress import POLL_S, Progress

_LOCK = "postgresql.lock"
_NOTE = "postgresql.socket"
_LOG = "postgresql.log"
_CLUSTER = "postgresql"

_OWNER_PATIENCE_S = 20.0  # for an earlier owner's server to shut down; then whoever waits is told why
_READY_PATIENCE_S = 3_600.0  # recovery replays what a crash left behind; an hour is beyond any WAL we keep
_CONNECT_TIMEOUT_S = 10.0
_LOG_MAX_BYTES = 16 * 1024 * 1024
# How the server is told to stop, each with the time it gets before the next: fast, immediate, kill.
_STOP = ((signal.SIGINT, 60.0), (signal.SIGQUIT, 15.0), (signal.SIGKILL, 15.0))


class EmbeddedServer:
    """A running PostgreSQL that this process owns."""

    def __init__(
        self, data_dir: Path, socket_dir: Path, child: subprocess.Popen[bytes], lock: DirectoryLock
    ) -> None:
        self.dsn = socket_directory.dsn(socket_dir)
        self._data_dir = data_dir
        self._socket_dir = socket_dir
        self._child = child
        self._lock = lock

    @property
    def pid(self) -> int:
        """The process number of the postmaster."""
        return self._child.pid

    @classmethod
    async def start(
        cls, data_dir: Path, user: str = "", *, patience_s: float = _OWNER_PATIENCE_S
    ) -> "EmbeddedServer":
        """Own the data directory and run its server, made on the first start; return when it answers.

        Started by root, the server runs as ``user`` (unset: found). The server ends with this process, or
        with the thread that called if that ends earlier. Raises ``DirectoryOccupied`` when another process
        still owns the directory after ``patience_s``, ``ServerFailed`` for everything else.
        """
        if sys.platform != "linux":
            raise ServerFailed(
                "The embedded PostgreSQL needs Linux: set CREDITSVC_DATABASE_URL to one of yours."
            )
        data_dir = _own_directory(data_dir)
        lock = await DirectoryLock.take(data_dir / _LOCK, patience_s)
        try:
            started = cls._launch(data_dir, user, lock)
        except BaseException:
            lock.release()
            raise
        try:
            await started._ready()  # noqa: SLF001  of this class
        except BaseException:
            await started.stop()
            raise
        return started

    @classmethod
    def _launch(cls, data_dir: Path, user: str, lock: DirectoryLock) -> "EmbeddedServer":
        data = data_dir / _CLUSTER
        runs_as = account.for_server(user, data)
        root = binaries.usable_by(runs_as, binaries.installed())
        cluster.initialise(data_dir, data, runs_as, root, lock=lock.descriptor)
        cluster.configure(data, runs_as)
        socket_dir = socket_directory.prepare(data_dir / _NOTE, runs_as)
        command = cluster.server_command(root, socket_dir)
        log = data_dir / _LOG
        if log.exists() and log.stat().st_size > _LOG_MAX_BYTES:
            log.replace(log.with_name(log.name + ".1"))
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(log, flags, 0o600), "ab") as file:  # noqa: PTH123  by descriptor, following no link
            child = process.start(command, account=runs_as, cwd=data, log=file, keep=(lock.descriptor,))
        return cls(data_dir, socket_dir, child, lock)

    async def wait(self) -> int:
        """Return the server's exit status once it has ended, for whatever reason."""
        while (status := self._child.poll()) is None:  # noqa: ASYNC110  no event tells
            await asyncio.sleep(POLL_S)
        return status

    async def stop(self) -> None:
        """Stop the server, cleanly if it can be, and give the data directory up. May be called again."""
        for how, patience_s in _STOP:
            if self._child.poll() is not None:
                break
            self._child.send_signal(how)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.wait(), patience_s)
        if self._lock.descriptor >= 0 and self._child.returncode == 0:
            socket_directory.discard(self._data_dir / _NOTE, self._socket_dir)
        self._lock.release()

    async def _ready(self) -> None:
        progress = Progress(f"PostgreSQL in {self._data_dir} is starting", _READY_PATIENCE_S)
        while not await _answers(self.dsn):
            if self._child.poll() is not None:
                raise ServerFailed(
                    f"PostgreSQL ended at its start (status {self._child.returncode}). Its log, "
                    f"{self._data_dir / _LOG}, ends with:\n{_last_lines(self._data_dir / _LOG)}"
                )
            await progress.tick()


async def attach(data_dir: Path, *, patience_s: float = _READY_PATIENCE_S) -> str | None:
    """Return the DSN of the server that another process runs in ``data_dir``; None if no one does."""
    progress = Progress(f"PostgreSQL in {data_dir} is starting for another process", patience_s)
    while held(data_dir / _LOCK):
        socket_dir = socket_directory.read_note(data_dir / _NOTE)
        if socket_dir is not None and await _answers(socket_directory.dsn(socket_dir)):
            return socket_directory.dsn(socket_dir)
        await progress.tick()
    return None


@contextlib.asynccontextmanager
async def server(settings: Settings, *, own: bool, create: bool = False) -> AsyncIterator[str]:
    """Yield the DSN to use: the configured one, else that of the embedded server.

    With ``own`` (the service) the embedded server is started and owned for the time of the context. Without
    (a command beside it) a running one is used, and only if there is none is one started; then a database is
    made only with ``create``, and without it ``ServerFailed`` says that the data directory has none: a
    command in the wrong folder would else work on an empty database of its own.
    """
    if settings.database_url:
        yield settings.database_url
        return
    if own:
        running: EmbeddedServer | str = await EmbeddedServer.start(settings.data_dir, settings.embedded_user)
    else:
        running = await _attach_or_start(settings, create=create)
    if isinstance(running, str):
        yield running
        return
    try:
        yield running.dsn
    finally:
        await running.stop()


async def _attach_or_start(settings: Settings, *, create: bool) -> EmbeddedServer | str:
    deadline = time.monotonic() + _READY_PATIENCE_S
    while True:
        dsn = await attach(settings.data_dir)
        if dsn is not None:
            return dsn
        if not create and not (settings.data_dir / _CLUSTER).exists():
            raise ServerFailed(
                f"no data in {settings.data_dir.absolute()}: run this where the service runs, "
                "or set CREDITSVC_DATA_DIR or CREDITSVC_DATABASE_URL"
            )
        try:
            return await EmbeddedServer.start(settings.data_dir, settings.embedded_user, patience_s=0)
        except DirectoryOccupied:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(POLL_S)  # another was faster: use its server


def _own_directory(path: Path) -> Path:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ServerFailed(f"Cannot make the data directory {path}: {error.strerror}") from error
    return path.absolute()


async def _answers(dsn: str) -> bool:
    """Whether the server does real work. "Starting up" and "shutting down" (57P03) only mean: not now."""
    try:
        connection = await asyncpg.connect(dsn, timeout=_CONNECT_TIMEOUT_S)
    except asyncpg.InvalidAuthorizationSpecificationError:
        raise ServerFailed(
            "The running PostgreSQL belongs to a service of another user: run this as that user."
        ) from None
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
        return False
    try:
        return bool(await connection.fetchval("select 1", timeout=_CONNECT_TIMEOUT_S) == 1)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
        return False
    finally:
        connection.terminate()


def _last_lines(log: Path, count: int = 15) -> str:
    with log.open("rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - 8192))
        return b"\n".join(file.read().splitlines()[-count:]).decode(errors="replace")
