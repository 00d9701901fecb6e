"""The service as processes: a parent that owns the database and the port, and workers that share the port.

The parent starts PostgreSQL (unless a DSN is set), brings the schema up to date, opens the port and keeps
PostgreSQL and the workers running; it handles no request itself. ``creditsvc.web.worker`` is the other side.
A start is mostly importing: the workers do it while the database starts, and the parent imports what it may
not need, or only then, where it needs it.
"""

import asyncio
import contextlib
import logging
import os
import resource
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import fields

from creditsvc import logs
from creditsvc.balance import Balance, shared
from creditsvc.errors import Refusal
from creditsvc.parent import KILL_GRACE_S, READY, SEQUENCER
from creditsvc.settings import PREFIX, Settings
from creditsvc.store.database import connect
from creditsvc.store.embedded import EmbeddedServer, ServerFailed
from creditsvc.store.migrations import migrate

METRICS_DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"  # prometheus-client's own name for it
FIRST_PAUSE_S = 0.2  # before what died is started again; doubles up to
LONGEST_PAUSE_S = 10.0
STEADY_S = 30.0  # what lived this long starts its pauses over
DEATHS_BEFORE_READY_MAX = 3  # of one worker; then the service cannot be started, and says so

Slot = int | str

log = logging.getLogger("creditsvc.service")


class StartFailed(Exception):  # noqa: N818  it says what happened
    """The service cannot be started; the text says why, to whoever starts it."""


def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; return the exit status: 0 when stopped so, 1 when it cannot start."""
    logs.configure(settings.log_level)
    _raise_open_files()  # each connection is one; PostgreSQL and the workers inherit it
    return asyncio.run(_serve(settings))


def _raise_open_files() -> None:
    """Raise the soft limit of open files to the hard one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # macOS grants less than it names
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _serve(settings: Settings) -> int:
    serving = asyncio.create_task(_run(settings))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _once(serving.cancel))
    status = 0
    try:
        await serving
    except* asyncio.CancelledError:
        log.info("stopped")
    except* (StartFailed, Refusal, OSError) as failures:
        for failure in _leaves(failures):
            _say(f"creditsvc: {failure}")
        status = 1
    return status


def _once(call: Callable[[], object]) -> Callable[[], None]:
    """Make a handler for signals: stopping takes a while, and a second one must not break it off."""
    called = False

    def handler() -> None:
        nonlocal called
        if not called:
            called = True
            call()

    return handler


def _leaves(group: BaseExceptionGroup[Exception]) -> list[Exception]:
    found: list[Exception] = []
    for one in group.exceptions:
        found += _leaves(one) if isinstance(one, BaseExceptionGroup) else [one]
    return found


async def _run(settings: Settings) -> None:
    _check_witnesses(settings)
    _check_secret(settings)
    with _bound(settings) as listening, tempfile.TemporaryDirectory(prefix="creditsvc-") as metrics:
        workers = Workers(settings, listening, metrics)
        async with workers.begun(), _database(settings) as database:
            await _prepare(database.dsn, settings)
            listening.listen()  # whoever else has the port says so here; the workers set the backlog
            workers.database = database
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(database.keep(moved=workers.restart))
                for slot in workers.slots:
                    tasks.create_task(workers.keep(slot))
                await workers.ready()
                _say(f"listening on {_address(listening)}")


def _check_witnesses(settings: Settings) -> None:
    """Refuse witnesses that cannot be used: it should be told at once."""
    if settings.log_witnesses:
        from creditsvc.ledger import cosigners  # noqa: PLC0415  a client for HTTP, which only the sequencer needs

        cosigners.parse(settings.log_witnesses)


def _check_secret(settings: Settings) -> None:
    """Refuse a secret of the pages that is set and cannot be used."""
    if settings.site_secret_file:
        from creditsvc.web import secret  # noqa: PLC0415  as above

        secret.check(settings)


async def _prepare(dsn: str, settings: Settings) -> None:
    """Bring the schema up to date, announce the models that are new, begin the log where there is none."""
    from creditsvc.ledger import calendars, releases  # noqa: PLC0415  models and rules: see the top
    from creditsvc.ledger.signing import begin  # noqa: PLC0415

    await migrate(dsn, report=_say)
    connection = await connect(dsn)
    try:
        await releases.announce(connection, _say)
        await begin(connection, settings)
    finally:
        await connection.close()
    calendars.tell_at_start()


class Database:
    """The PostgreSQL to use: the one configured, or one of our own that is started again when it dies."""

    def __init__(self, settings: Settings) -> None:
        self.dsn = settings.database_url
        self._settings = settings
        self._server: EmbeddedServer | None = None

    async def start(self) -> None:
        if not self._settings.database_url:
            self._server = await EmbeddedServer.start(self._settings.data_dir, self._settings.embedded_user)
            self.dsn = self._server.dsn

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop()

    async def keep(self, *, moved: Callable[[], None]) -> None:
        """Start our server again whenever it ends; ``moved`` is called if it is then found elsewhere."""
        if self._server is None:
            return
        pauses = Pauses()
        while True:
            status = await self._server.wait()
            log.error("PostgreSQL ended", extra={"fields": {"exit_status": status}})
            await self._server.stop()
            before = self.dsn
            while True:
                await pauses.pause()
                try:
                    await self.start()
                    break
                except ServerFailed:
                    log.exception("PostgreSQL does not start")
            log.info("PostgreSQL runs again")
            if self.dsn != before:
                moved()


@contextlib.asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[Database]:
    database = Database(settings)
    await database.start()
    try:
        yield database
    finally:
        await database.stop()


class Workers:
    """The processes that answer, and the sequencer. Each has a slot that its successors keep."""

    def __init__(self, settings: Settings, listening: socket.socket, metrics: str) -> None:
        self.database = Database(settings)  # until there is one that runs
        self.slots: tuple[Slot, ...] = (*range(settings.worker_count), SEQUENCER)
        self._settings = settings
        self._listening = listening
        self._metrics = metrics
        self._shared = shared(settings.worker_count)
        self._ready: dict[Slot, asyncio.Event] = {slot: asyncio.Event() for slot in self.slots}
        self._running: dict[Slot, asyncio.subprocess.Process] = {}
        self._begun: dict[Slot, asyncio.subprocess.Process] = {}

    @contextlib.asynccontextmanager
    async def begun(self) -> AsyncIterator[None]:
        """Start the first process of each slot; it imports what it needs, and waits for its database."""
        try:
            for slot in self.slots:
                self._begun[slot] = await self._spawn(slot)
            yield
        finally:
            for process in self._begun.values():  # which were never told one
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()

    async def ready(self) -> None:
        """Wait until every worker has been ready once."""
        for event in self._ready.values():
            await event.wait()

    def restart(self) -> None:
        """Have every worker finish what it has, and start anew with what is known now."""
        for process in self._running.values():
            process.terminate()

    async def keep(self, slot: Slot) -> None:
        """Keep the worker of one slot running; ``StartFailed`` when it never gets ready at all."""
        pauses, deaths = Pauses(), 0
        while True:
            process = await self._start(slot)
            try:
                if process.stdout is not None and await process.stdout.readline() == READY:
                    self._ready[slot].set()
                status = await process.wait()
            finally:
                await self._end(slot, process)
            log.error("a worker ended", extra={"fields": {"slot": slot, "exit_status": status}})
            # One that was killed, or that found the database away, says nothing about the next.
            deaths += status > 0 and status != os.EX_TEMPFAIL
            if deaths >= DEATHS_BEFORE_READY_MAX and not self._ready[slot].is_set():
                raise StartFailed("the workers do not start; the lines above say why")
            await pauses.pause()

    async def _start(self, slot: Slot) -> asyncio.subprocess.Process:
        process = self._begun.pop(slot, None)
        if process is None:
            process = await self._spawn(slot)
        elif process.stdin is not None and not self._settings.database_url:
            process.stdin.write(f"{self.database.dsn}\n".encode())
        self._running[slot] = process
        return process

    async def _spawn(self, slot: Slot) -> asyncio.subprocess.Process:
        inherited = (self._listening.fileno(), self._shared)
        program = ("creditsvc.web.worker", *map(str, inherited), str(slot))
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", *(("creditsvc.sequencing",) if slot == SEQUENCER else program)),
            stdin=asyncio.subprocess.PIPE,  # its end tells the worker that we are gone
            stdout=asyncio.subprocess.PIPE,
            pass_fds=() if slot == SEQUENCER else inherited,
            env=os.environ | _environment(self._settings, self.database.dsn, self._metrics),
            start_new_session=True,  # Ctrl-C is for the parent, which stops the workers gracefully
        )

    async def _end(self, slot: Slot, process: asyncio.subprocess.Process) -> None:
        """See to it that a worker has ended. It gets its drain time; nobody else is let in meanwhile."""
        if process.returncode is None:
            self._listening.close()
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), self._settings.drain_timeout_s + KILL_GRACE_S)
            except TimeoutError:
                process.kill()
                await process.wait()
        del self._running[slot]
        if isinstance(slot, int):
            Balance(self._shared, slot).end()
        from prometheus_client.multiprocess import mark_process_dead  # noqa: PLC0415  see the top

        mark_process_dead(slot, self._metrics)  # type: ignore[no-untyped-call]


class Pauses:
    """How long to wait before trying again: longer each time, until something has lasted a while."""

    def __init__(self) -> None:
        self._next_s = FIRST_PAUSE_S
        self._last = time.monotonic()

    async def pause(self) -> None:
        if time.monotonic() - self._last > STEADY_S:
            self._next_s = FIRST_PAUSE_S
        await asyncio.sleep(self._next_s)
        self._next_s = min(self._next_s * 2, LONGEST_PAUSE_S)
        self._last = time.monotonic()


def _environment(settings: Settings, dsn: str, metrics: str) -> dict[str, str]:
    """Write the settings as a worker reads them, with the database that was found."""
    given = {PREFIX + field.name.upper(): str(getattr(settings, field.name)) for field in fields(settings)}
    return given | {PREFIX + "DATABASE_URL": dsn, METRICS_DIRECTORY: metrics}


def _bound(settings: Settings) -> socket.socket:
    """Take the port before anything is started: that it is in use should be told at once."""
    where = f"{settings.host} port {settings.port}"
    try:
        found = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        raise StartFailed(f"cannot listen on {where}: {error.strerror}") from error
    family, kind, protocol, _, address = found[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise StartFailed(f"cannot listen on {where}: {error.strerror}") from error
    return bound


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201  for whoever started it; events go to the log
