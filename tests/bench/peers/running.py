"""Start and stop the peers, by their process numbers."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from tests.processes import free_port

WORKERS = 2
PATIENCE_S = 30.0


@contextlib.contextmanager
def started(*commands: list[str], log: Path, **given: object) -> Iterator[None]:
    """Run commands for the time of the context, then end each."""
    with log.open("ab") as file:
        running = [
            subprocess.Popen(command, stdout=file, stderr=file, **given)  # type: ignore[call-overload]
            for command in commands
        ]
    try:
        yield
    finally:
        for process in running:
            process.terminate()
        for process in running:
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


async def answering(url: str, log: Path) -> None:
    """Wait until something answers there, whatever it says."""
    deadline = time.monotonic() + PATIENCE_S
    async with aiohttp.ClientSession() as session:
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(url) as answer:
                    await answer.read()
                    return
            if time.monotonic() > deadline:
                raise RuntimeError(f"a peer does not start: {_end_of(log)}")
            await asyncio.sleep(0.05)


def _end_of(log: Path) -> str:
    return log.read_text()[-2000:]


@asynccontextmanager
async def constant(log: Path) -> AsyncIterator[str]:
    """aiohttp with a constant, two workers on one port; gives the URL."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:
        descriptor = listening.fileno()
        command = [sys.executable, "-m", "tests.bench.peers.constant", str(descriptor)]
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with started(*([command] * WORKERS), log=log, pass_fds=(descriptor,)):
            await answering(f"{url}/v1/entities/any", log)
            yield url


@asynccontextmanager
async def fastapi(socket_dir: str, log: Path) -> AsyncIterator[str]:
    """FastAPI, SQLAlchemy and uvicorn on the same database; gives the URL."""
    port = free_port()
    database = f"postgresql+asyncpg://creditsvc@/creditsvc?host={socket_dir}"
    command = [sys.executable, "-m", "uvicorn", "tests.bench.peers.fastapi_app:app", "--port", str(port)]
    command += ["--workers", str(WORKERS), "--no-access-log", "--log-level", "warning"]
    with started(command, log=log, env=os.environ | {"BENCH_DATABASE": database}):
        url = f"http://127.0.0.1:{port}"
        await answering(f"{url}/v1/entities/any", log)
        yield url
