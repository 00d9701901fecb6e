# noqa: INP001  a script, no package
"""What `make run` does: serve on loopback, load real inspections, and show what to ask.

The service answers as soon as it has printed its address; loading begins then. Ctrl-C or SIGTERM ends both.
"""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click

from creditsvc.cli.environment import connection
from creditsvc.settings import Settings
from creditsvc.store import clients

EXAMPLE = Path(__file__).parent / "alimconfiance"
SOURCE = "urn:agency:fr-dgal"
AGENCY = "Direction générale de l'alimentation"
CLIENT = "examples/run.py"
START_TIMEOUT_S = 60.0  # recovery of a database that was killed takes its time
STOP_TIMEOUT_S = 30.0  # longer than the service drains

CREDITSVC = [sys.executable, "-m", "creditsvc"]

# An inspection that was published again with another outcome, so its history shows a correction.
REQUESTS = """\
Try:
  curl -s {url}/v1/entities/siren:351680558
  curl -s {url}/v1/entities/siren:351680558/history
  curl -s '{url}/v1/entities?name=boulangerie'

To look up in a browser: {url}/
The interface, to read: {url}/docs
Ctrl-C stops it; the data stays in {data_dir}.
"""


def main() -> int:
    os.environ.setdefault("CREDITSVC_DATA_DIR", "var")
    os.environ.setdefault("CREDITSVC_LOG_LEVEL", "WARNING")  # a line for each request would bury what is told
    try:
        settings = Settings.from_environment()
    except ValueError as error:
        click.echo(f"Error: {error}", err=True)
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # both end it in the same way
    host, url = _address(settings)
    if _taken(host, settings.port):
        click.echo(
            f"Something listens on {url} already: end it, or set CREDITSVC_PORT, "
            "and CREDITSVC_DATA_DIR to run a second one.",
            err=True,
        )
        return 1
    with suppress(KeyboardInterrupt), _service() as service:
        if not _ready(url, service):
            slow = f"The service does not answer after {START_TIMEOUT_S:.0f} s."
            told = "The service did not start; the reason stands above."
            click.echo(slow if service.poll() is None else told, err=True)
            return 1
        _load(url, settings.data_dir)
        click.echo(REQUESTS.format(url=url, data_dir=settings.data_dir))
        return service.wait()
    return 0


@contextmanager
def _service() -> Iterator[subprocess.Popen[bytes]]:
    service = subprocess.Popen([*CREDITSVC, "serve"])  # noqa: S603  our own command
    try:
        yield service
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # once is enough: from here on it is ending
        service.terminate()
        try:
            service.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            service.kill()
            service.wait()


def _address(settings: Settings) -> tuple[str, str]:
    """Where to reach what listens there: the host, and the address with it."""
    anywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  read here, not bound
    host = anywhere.get(settings.host, settings.host)
    return host, f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


def _taken(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=2):
            return True
    except OSError:
        return False


def _ready(url: str, service: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and service.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=2) as answer:  # noqa: S310  our own address
                if answer.status == 200:
                    return True
        except OSError:
            pass
        time.sleep(0.05)
    return False


def _load(url: str, data_dir: Path) -> None:
    """Load the example as its agency would, with a key that lives as long as that takes."""
    key = asyncio.run(_make_key())
    command = [
        *(*CREDITSVC, "load", str(EXAMPLE / "inspections_2017.csv")),
        *("--mapping", str(EXAMPLE / "mapping.toml")),
        *("--url", url),
        *("--state", str(data_dir / "alimconfiance.loading")),
        *("--rejected", str(data_dir / "alimconfiance.rejected.csv")),
    ]
    environment = {**os.environ, "CREDITSVC_KEY": key}
    status = subprocess.run(command, env=environment, check=False).returncode  # noqa: S603  our own command
    asyncio.run(_revoke(key))  # cut off before this, it ends in a day, and the next run revokes it
    if status != 0:
        click.echo("The example is not wholly loaded; the service goes on with what it has.", err=True)


async def _make_key() -> str:
    async with connection() as opened:
        for listed in await clients.list_keys(opened):  # a run that was killed has left its own
            if listed.live and listed.key.client_id == CLIENT:
                await clients.revoke_key(opened, listed.key.key_id)
        await clients.name_agency(opened, SOURCE, AGENCY)
        tomorrow = await clients.expiry(opened, 1)
        return await clients.create_key(
            opened, "agency", sources=[SOURCE], client_id=CLIENT, expires_at=tomorrow
        )


async def _revoke(key: str) -> None:
    async with connection() as opened:
        await clients.revoke_key(opened, key.partition(".")[0])


if __name__ == "__main__":
    sys.exit(main())
