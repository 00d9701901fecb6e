"""`creditsvc witness`: an outside party that holds a log to its word."""

import asyncio
import contextlib
import shlex
import signal
import sqlite3
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import click

from creditsvc import logs
from creditsvc.cli import arguments
from creditsvc.cli.progress import progress
from creditsvc.cli.words import counted
from creditsvc.domain import instants
from creditsvc.loading.answers import printable
from creditsvc.verifier.log import Checkpoint
from creditsvc.verifier.notes import ED25519, VerifierKey
from creditsvc.verifier.wrong import Wrong
from creditsvc.witness import state
from creditsvc.witness.remote import TIMEOUT_S, WELL_KNOWN, Remote, Unanswered
from creditsvc.witness.serving import Desk
from creditsvc.witness.state import LogState, State, StateRefused
from creditsvc.witness.watching import LOOK_MAX_S, Alarmed, Manner, Watcher

ON_ALARM_TIMEOUT_S = 60.0
OWN_ADVICE = "Put the directory that --state names right: the witness cannot work without it."

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
    """Hold a log to its word, from outside.

    Checks that it only grows, and cosigns what it comes to. Needs no database and no settings of the service.
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
@click.option(
    "--patience",
    "patience_s",
    type=click.FloatRange(min=1, max=86_400),
    default=LOOK_MAX_S,
    show_default=True,
    metavar="SECONDS",
    help="How long one look may take. What could not be read in time counts as not looked at.",
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
    patience_s: float,
    full: bool,  # noqa: FBT001
    on_alarm: str | None,
) -> None:
    """Look at the log at URL again and again, and cosign it.

    What is wrong is named on standard error when it is found, and the evidence is kept in the witness's
    directory. The log is not cosigned any more until the file `alarm` is removed from there.
    """
    address = arguments.address(url)
    given = None if log_key is None else _log_key(log_key)
    logs.configure("WARNING")  # of libraries: what the witness has to say it says plainly
    if given is None:
        _require_known(directory, address)  # before anything is made
    with state.opened(directory, name) as opened:
        known = _known(opened, address, given)
        looking = _Looking(opened, known, None if once else every_s, patience_s, on_alarm)
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
    """Cosign what logs hand in (C2SP tlog-witness)."""
    host, port = _place(listen)
    wanted = [_log_and_origin(text) for text in log_keys]
    from creditsvc.witness import listening  # noqa: PLC0415  it brings much that the others need not

    logs.configure("INFO")
    with state.opened(directory, name) as opened:
        desk = Desk(opened, [opened.log(key, origin) for key, origin in wanted])
        asyncio.run(_until_stopped(listening.serve(desk, host, port)))


@command.command()
@STATE
@NAME
def key(directory: Path, name: str | None) -> None:
    """Print the witness's verifier key (type 4).

    Makes the key where there is none.
    """
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


@dataclass(slots=True)
class _Looking:
    opened: State
    known: LogState
    every_s: float | None  # None: once
    patience_s: float
    on_alarm: str | None
    running: asyncio.Task[None] | None = None  # the command for an alarm
    told: Checkpoint | None = None

    async def run(self, address: str, key: str | None, *, full: bool) -> int:
        """Look until stopped; gives the exit status."""
        return await _until_stopped(self._run(address, key, full=full))

    async def _run(self, address: str, key: str | None, *, full: bool) -> int:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session:
            with progress("reading the log", shown=None if full and self.every_s is None else False) as told:
                remote = Remote(session, address, key)
                manner = Manner(self.patience_s, self._alarmed, told)
                watcher = Watcher(remote, self.known, self.opened.cosigner, manner, full=full)
                while True:
                    sound = await self._look(watcher)
                    if self.every_s is None:
                        return 0 if sound else 1
                    await asyncio.sleep(self.every_s)

    async def _look(self, watcher: Watcher) -> bool:
        """Look once and say what came of it; False when anything is wrong."""
        try:
            checkpoint, late = await watcher.look()
        except Alarmed as alarmed:
            if alarmed.evidence is None:  # else each was said when it was found
                self._say("ALARM", alarmed.faults)
            return False
        except Unanswered as unanswered:
            return self._could_not(unanswered, unanswered.advice)
        except StateRefused as refused:
            return self._could_not(refused, "")
        except (OSError, sqlite3.Error) as error:
            return self._could_not(error, OWN_ADVICE)
        finally:
            if self.running is not None:
                await self.running
                self.running = None
        self._say("LATE", late)
        if self.told is None or self.told.note.text != checkpoint.note.text:
            self._say(f"{checkpoint.origin}:", [f"{checkpoint.size} entries, cosigned"])
            self.told = checkpoint
        if watcher.parted:
            said = f"{counted(watcher.parted, 'statement')} of organisations shown in part"
            self._say(f"{checkpoint.origin}:", [f"{said}: what is shown of them is the service's word"])
        return not late

    def _could_not(self, why: Exception, advice: str) -> bool:
        self._say("could not look:", [" ".join(filter(None, (str(why).rstrip(".") + ".", advice)))])
        return False

    def _alarmed(self, fault: str, evidence: Path | None) -> None:
        """Say what is wrong as soon as it is known; at the first, also have the command run."""
        self._say("ALARM", [fault])
        if evidence is None or self.running is not None:
            return
        self._say("evidence:", [str(evidence)])
        command = _nothing() if self.on_alarm is None else run_command(self.on_alarm, evidence)
        self.running = asyncio.ensure_future(command)

    def _say(self, what: str, texts: Iterable[str]) -> None:
        """Say it in lines; with the time, if the witness goes on."""
        when = "" if self.every_s is None else f"{instants.text(datetime.now(UTC))} "
        for text in texts:
            for line in filter(None, text.splitlines()):
                click.echo(f"{when}{what} {printable(line)}", err=True)


async def _nothing() -> None:
    pass


async def run_command(command: str, evidence: Path) -> None:
    """Run what an operator wants run for an alarm; whatever becomes of it, the witness goes on."""
    try:
        process = await asyncio.create_subprocess_exec(*shlex.split(command), str(evidence))
    except (OSError, ValueError) as error:
        click.echo(f"--on-alarm cannot be run: {printable(error)}", err=True)
        return
    try:
        async with asyncio.timeout(ON_ALARM_TIMEOUT_S):
            await process.wait()
    except TimeoutError:
        click.echo("--on-alarm takes too long and is ended", err=True)
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _until_stopped(working: Coroutine[Any, Any, int | None]) -> int:
    """Do something until SIGTERM or Ctrl-C; gives the exit status that came of it, 0 when it was stopped."""
    task = asyncio.ensure_future(working)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        return await task or 0
    except asyncio.CancelledError:
        return 0
