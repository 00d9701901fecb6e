"""The service as processes, to be killed and started again on the same port and data; and who sends to it."""

import asyncio
import contextlib
import os
import random
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import orjson

from creditsvc.settings import Settings
from creditsvc.store import embedded
from creditsvc.store.clients import Role, create_key
from creditsvc.store.database import connect

WORKERS = 2
PATIENCE_S = 180.0  # with what is but slow, on a machine that has other things to do; it costs only who fails
ASKED_TIMES = 20
ONE = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
# A test that sends as fast as it can would meet the limits of one key.
PLENTY = {"agency_per_minute": 10**9, "partner_per_minute": 10**9, "anonymous_per_minute": 10**9}


def free_port() -> int:
    """A port that nobody listens on, and that no client is given for its end while its service is away."""
    chance = random.SystemRandom()
    while True:
        port = chance.randint(10_000, 30_000)  # below those that the systems hand out by themselves
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def children(pid: int) -> dict[int, str]:
    """The processes that a process started, by number, with their command lines."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        tasks = Path(f"/proc/{pid}/task").iterdir()
        found = [int(child) for task in tasks for child in (task / "children").read_text().split()]
        return {child: _command(child) for child in found}
    return {}


def _command(pid: int) -> str:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Service:
    """One service: a data directory, a port, and the processes of now."""

    def __init__(self, data_dir: Path, **given: object) -> None:
        self.data_dir = data_dir
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = data_dir.with_name(data_dir.name + ".stderr")
        self._given = PLENTY | {"workers": WORKERS} | given
        self._number = int(str(self._given["workers"]))
        self._process: asyncio.subprocess.Process | None = None

    @property
    def environment(self) -> dict[str, str]:
        settings = {"data_dir": self.data_dir, "port": self.port} | self._given
        return os.environ | {f"CREDITSVC_{name.upper()}": str(value) for name, value in settings.items()}

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        return self._process is None or self._process.returncode is not None

    @property
    def workers(self) -> list[int]:
        return [pid for pid, command in children(self.pid).items() if "creditsvc.web.worker" in command]

    @property
    def postmaster(self) -> int:
        (found,) = (pid for pid, command in children(self.pid).items() if "/bin/postgres " in command)
        return found

    def worker_of(self, port: int) -> int:
        """The worker that has the connection to a client's port."""
        local, remote = f"0100007F:{self.port:04X}", f"0100007F:{port:04X}"
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        # What is read in parts may have a row twice.
        (inode,) = {row[9] for row in rows if (row[1], row[2]) == (local, remote) and row[9] != "0"}
        for pid in self.workers:
            for descriptor in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(FileNotFoundError):
                    if str(descriptor.readlink()) == f"socket:[{inode}]":
                        return pid
        raise LookupError(port)

    async def start(self, *, ready: bool = True) -> None:
        """Start it and wait until it is ready, unless told not to."""
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "creditsvc", "serve"), env=self.environment, stderr=log
            )
        if ready:
            await self.ready()

    async def ready(self) -> None:
        """Wait until every worker is there and the service says that it can serve."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            assert self._process is not None
            assert self._process.returncode is None, self.log.read_text()[-3000:]
            if len(self.workers) == self._number and await self._are_ready():
                return
            assert time.monotonic() < deadline, self.log.read_text()[-3000:]
            await asyncio.sleep(0.05)

    async def _are_ready(self) -> bool:
        """Whether each worker says so: which is asked is not ours to say, so it is tried some times."""
        asked: set[int] = set()
        with contextlib.suppress(OSError, TimeoutError):
            for _ in range(ASKED_TIMES):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                try:
                    writer.write(b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n")
                    async with asyncio.timeout(PATIENCE_S):
                        if b" 200 " not in await reader.readline():
                            return False
                    with contextlib.suppress(LookupError, ValueError, OSError):
                        asked.add(self.worker_of(writer.get_extra_info("sockname")[1]))
                finally:
                    writer.close()
                if len(asked) == self._number:
                    return True
        return False

    async def refuses(self) -> None:
        """Wait until nobody listens on its port any more, however much is still under way inside."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except ConnectionRefusedError:
                    return
                writer.close()
                await asyncio.sleep(0.01)

    async def kill(self) -> None:
        """Kill the parent alone; what it started must end by itself."""
        left = children(self.pid)
        assert self._process is not None
        self._process.kill()
        await self._process.wait()
        deadline = time.monotonic() + PATIENCE_S
        while any(map(alive, left)):
            assert time.monotonic() < deadline, left
            await asyncio.sleep(0.02)

    async def stop(self) -> int:
        """Stop it as whoever runs it would; the exit status."""
        if self._process is None:
            return 0
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_S):
            return await self._process.wait()

    async def end(self) -> None:
        if self._process is not None and self._process.returncode is None:
            try:
                await self.stop()
            except TimeoutError:
                await self.kill()

    async def command(self, *arguments: str, **environment: str) -> tuple[int, str]:
        """Run `creditsvc …` beside it: the exit status and all that it said."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "creditsvc", *arguments),
            env=self.environment | environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(2 * PATIENCE_S):
                said, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode is not None
        return process.returncode, said.decode()

    @asynccontextmanager
    async def database(self) -> AsyncIterator[asyncpg.Connection]:
        """Its database, as the login role."""
        async with embedded.server(Settings(data_dir=self.data_dir), own=False) as dsn:
            connection = await connect(dsn)
            try:
                yield connection
            finally:
                connection.terminate()  # its server may be gone by now: there is nobody to say goodbye to

    async def key(self, role: Role, **given: Any) -> str:
        async with self.database() as connection:
            return await create_key(connection, role, **given)


@asynccontextmanager
async def service(data_dir: Path, **given: object) -> AsyncIterator[Service]:
    one = Service(data_dir, **given)
    try:
        await one.start()
        yield one
    finally:
        await one.end()


class Agency:
    """Sends events, and notes every receipt durably before it goes on: what it notes must never be lost."""

    def __init__(self, url: str, key: str, notes: Path) -> None:
        self._url = url + "/v1/events"
        self._headers = {"Authorization": f"Bearer {key}"}
        self._notes = notes
        self.sent: dict[str, dict[str, Any]] = {}
        self.unanswered: dict[str, dict[str, Any]] = {}

    async def send(self, session: aiohttp.ClientSession, events: list[dict[str, Any]]) -> bool:
        """Send one event or a batch; False unless each has its receipt. From now on all count as sent."""
        fresh = {event["id"]: event for event in events}
        self.sent |= fresh
        self.unanswered |= fresh
        kind, body = (ONE, events[0]) if len(events) == 1 else (BATCH, events)
        try:
            async with session.post(
                self._url, data=BytesIO(orjson.dumps(body)), headers=self._headers | {"Content-Type": kind}
            ) as response:
                answer = await response.read()
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False
        if response.status == 503:
            assert response.content_type == "application/problem+json"
            assert int(response.headers["Retry-After"]) >= 1
            return False
        assert response.status in {200, 201}, answer
        document = orjson.loads(answer)
        return self._note(document["results"] if kind == BATCH else [document], events)

    def _note(self, results: list[dict[str, Any]], events: list[dict[str, Any]]) -> bool:
        assert [result["id"] for result in results] == [event["id"] for event in events]
        taken = [result for result in results if result["status"] in {"accepted", "duplicate"}]
        with self._notes.open("ab") as file:
            file.writelines(orjson.dumps(receipt) + b"\n" for receipt in taken)
            file.flush()
            os.fsync(file.fileno())
        for receipt in taken:
            self.unanswered.pop(receipt["id"], None)
        for result in results:
            assert result["status"] != "rejected" or result["problem"]["status"] == 503, result
        return len(taken) == len(results)

    async def send_rest(self, session: aiohttp.ClientSession) -> int:
        """Send again what has no receipt yet; each gets one. The number that turn out to be there already."""
        before = len(self.receipts())
        async with asyncio.timeout(PATIENCE_S):
            while rest := [*self.unanswered.values()][:1000]:
                if not await self.send(session, rest):  # whatever was hurt may still say: not now
                    await asyncio.sleep(0.1)
        return sum(receipt["status"] == "duplicate" for receipt in self.receipts()[before:])

    def receipts(self) -> list[dict[str, Any]]:
        if not self._notes.exists():
            return []
        return [orjson.loads(line) for line in self._notes.read_bytes().splitlines()]
