"""`creditsvc witness`: an outside party that holds a log to its word."""

import asyncio
import contextlib
import logging
import shlex
import signal
import socket
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import click

from creditsvc import logs
from creditsvc.cli import arguments
from creditsvc.cli.progress import progress
from creditsvc.loading.answers import printable
from creditsvc.settings import Settings
from creditsvc.verifier import ED25519, VerifierKey, Wrong
from creditsvc.witness import state
from creditsvc.witness.remote import TIMEOUT_S, WELL_KNOWN, Remote, Unanswered
from creditsvc.witness.serving import Desk, application
from creditsvc.witness.state import LogState, State, StateRefused
from creditsvc.witness.watching import Alarmed, Watcher

log = logging.getLogger("creditsvc.witness")

ON_ALARM_TIMEOUT_S = 60.0
SERVED = Settings(connections_max=512)

STATE = click.option(
    "--state",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("witness"),
    show_default=True,
    help="The witness's own directory: its key, and what it cosigned last.",
)
NAME = click.option(
    "--name", help="What the witness is called, for good: a URL without the scheme; by default after its key."
)


@click.group()
def command() -> None:
    """Hold a log to its word, from outside: check that it only grows, and cosign what it comes to.

    Needs no database and no settings of the service.
    """


@command.command(
    epilog="""\b
Examples:
  creditsvc witness watch https://credit.example.org --log-key credit.example.org+1a2b3c4d+AQ...
  creditsvc witness watch https://credit.example.org --once
  CREDITSVC_KEY=... creditsvc witness watch https://credit.example.org --once --full
"""
)
@click.argument("url")
@click.option("--log-key", metavar="VKEY", help="The log's verifier key; needed at the first look only.")
@STATE
@NAME
@click.option(
    "--every",
    "every_s",
    type=click.FloatRange(min=0.1, max=86_400),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="How often to look.",
)
@click.option("--once", is_flag=True, help="Look once. Exit status 1 when anything is wrong or late.")
@click.option(
    "--key",
    envvar="CREDITSVC_KEY",
    help="An auditor's key, better in CREDITSVC_KEY: entries are read and hashed too.",
)
@click.option("--full", is_flag=True, help="Begin by reading everything again from the start.")
@click.option(
    "--on-alarm",
    metavar="COMMAND",
    help="Run for each new alarm, with the file of its evidence as last argument.",
)
def watch(  # noqa: PLR0917
    url: str,
    log_key: str | None,
    directory: Path,
    name: str | None,
    every_s: float,
    once: bool,  # noqa: FBT001  a command's parameters come by name
    key: str | None,
    full: bool,  # noqa: FBT001
    on_alarm: str | None,
) -> None:
    """Look at the log of the service at URL again and again, and cosign what continues it.

    What is wrong is named on standard error, and the evidence is kept in the witness's directory. The log is
    not cosigned any more until the file `alarm` is removed from there.
    """
    address = arguments.address(url)
    given = None if log_key is None else _log_key(log_key)
    logs.configure("INFO")
    if given is None:
        _require_known(directory, address)  # before anything is made
    with state.opened(directory, name) as opened:
        known = _known(opened, address, given)
        looking = _Looking(opened, known, every_s, once, on_alarm)
        raise click.exceptions.Exit(asyncio.run(looking.run(address, key, full=full)))


@command.command(
    epilog="""\b
Examples:
  creditsvc witness serve --listen 127.0.0.1:8090 --log credit.example.org+1a2b3c4d+AQ...
"""
)
@click.option("--listen", required=True, metavar="HOST:PORT", help="Where to listen; port 0: any free one.")
@click.option(
    "--log",
    "log_keys",
    required=True,
    multiple=True,
    metavar="VKEY[=ORIGIN]",
    help="A log that may ask: its verifier key; its origin unless the key's name is. May be repeated.",
)
@STATE
@NAME
def serve(listen: str, log_keys: Sequence[str], directory: Path, name: str | None) -> None:
    """Cosign what logs hand in (C2SP tlog-witness) until SIGTERM or Ctrl-C."""
    host, port = _place(listen)
    wanted = [_log_and_origin(text) for text in log_keys]
    logs.configure("INFO")
    with state.opened(directory, name) as opened:
        desk = Desk(opened, [opened.log(key, origin) for key, origin in wanted])
        asyncio.run(_serve(desk, host, port))


@command.command()
@STATE
@NAME
def key(directory: Path, name: str | None) -> None:
    """Print the witness's verifier key (type 4); makes the key where there is none."""
    print(state.cosigner_of(directory, name).key)


def _log_key(text: str, hint: str = "--log-key") -> VerifierKey:
    try:
        found = VerifierKey.parse(text)
    except Wrong as wrong:
        raise click.BadParameter(str(wrong), param_hint=hint) from wrong
    if found.algorithm != ED25519:
        raise click.BadParameter("this is a witness's key, not a log's", param_hint=hint)
    return found


def _log_and_origin(text: str) -> tuple[VerifierKey, str]:
    written, _, origin = text.partition("=")
    found = _log_key(written, "--log")
    return found, origin or found.name


def _place(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise click.BadParameter("an address and a port, such as 127.0.0.1:8090", param_hint="--listen")
    return host.strip("[]"), int(port)


def _known(opened: State, address: str, given: VerifierKey | None) -> LogState:
    if given is None:
        return _require_known(opened.directory, address)
    known = opened.log(given)
    opened.watch(known, address)
    return known


def _require_known(directory: Path, address: str) -> LogState:
    found = state.log_at(directory, address)
    if found is None:
        raise StateRefused(
            f"Nothing is known of a log at {address} yet: give its verifier key with --log-key. The service "
            f"tells one at {address}{WELL_KNOWN}; do not take its word alone, compare it with what its "
            "operator publishes elsewhere."
        )
    return found


@dataclass(frozen=True, slots=True)
class _Looking:
    opened: State
    known: LogState
    every_s: float
    once: bool
    on_alarm: str | None

    async def run(self, address: str, key: str | None, *, full: bool) -> int:
        """Look until stopped; gives the exit status."""
        looking = asyncio.ensure_future(self._run(address, key, full=full))
        _stop_by_signal(looking.cancel)
        try:
            return await looking
        except asyncio.CancelledError:
            return 0

    async def _run(self, address: str, key: str | None, *, full: bool) -> int:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session:
            with progress("reading the log", shown=None if full and self.once else False) as told:
                remote = Remote(session, address, key)
                watcher = Watcher(remote, self.known, self.opened.cosigner, full=full, told=told)
                while True:
                    sound = await self._look(watcher)
                    if self.once:
                        return 0 if sound else 1
                    await asyncio.sleep(self.every_s)

    async def _look(self, watcher: Watcher) -> bool:
        """Look once and say what came of it; False when anything is wrong."""
        try:
            checkpoint, late = await watcher.look()
        except Alarmed as alarmed:
            _say("ALARM", alarmed.faults)
            if alarmed.evidence is None:
                fields = {"log": self.known.origin}
                log.error("an alarm stands", extra={"fields": fields})  # noqa: TRY400  it has no traceback
                return False
            _say("evidence:", [str(alarmed.evidence)])
            if self.on_alarm is not None:
                await run_command(self.on_alarm, alarmed.evidence)
            return False
        except (Unanswered, StateRefused, OSError, sqlite3.Error) as error:
            log.warning("could not look", extra={"fields": {"log": self.known.origin, "why": str(error)}})
            _say("could not look:", [str(error)])
            return False
        if late:
            log.warning("late entries", extra={"fields": {"log": self.known.origin, "late": late}})
            _say("LATE", late)
        if self.once:
            click.echo(f"{checkpoint.origin}: {checkpoint.size} entries, cosigned", err=True)
        return not late


def _say(what: str, texts: Iterable[str]) -> None:
    for text in texts:
        for line in text.splitlines():
            click.echo(f"{what} {printable(line)}" if line else "", err=True)


async def run_command(command: str, evidence: Path) -> None:
    """Run what an operator wants run for an alarm; whatever becomes of it, the witness goes on."""
    try:
        process = await asyncio.create_subprocess_exec(*shlex.split(command), str(evidence))
    except (OSError, ValueError) as error:
        log.error("--on-alarm cannot be run", extra={"fields": {"why": str(error)}})  # noqa: TRY400
        return
    try:
        async with asyncio.timeout(ON_ALARM_TIMEOUT_S):
            await process.wait()
    except TimeoutError:
        log.error("--on-alarm takes too long and is ended")  # noqa: TRY400
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _serve(desk: Desk, host: str, port: int) -> None:
    from creditsvc.web.access_log import AccessLog  # noqa: PLC0415  it brings much that the others need not
    from creditsvc.web.protocol import Listener  # noqa: PLC0415

    stop = asyncio.Event()
    _stop_by_signal(stop.set)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family) as listening:
        listener = Listener(application(desk), SERVED, AccessLog)
        await listener.start(listening)
        bound, at, *_ = listening.getsockname()
        click.echo(f"listening on http://{f'[{bound}]' if ':' in bound else bound}:{at}", err=True)
        await stop.wait()
        await listener.stop()


def _stop_by_signal(call: Callable[[], object]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, call)
