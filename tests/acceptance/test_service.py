"""The service as processes: started, used, hurt in every way that a machine hurts processes, and stopped."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from creditsvc.settings import Settings
from creditsvc.store import embedded
from creditsvc.store.clients import create_key
from creditsvc.store.database import connect
from tests.making import ENTITY, SOURCE, raw
from tests.processes import PATIENCE_S, WORKERS

EVENT = {"Content-Type": "application/cloudevents+json"}


def is_worker(process: psutil.Process) -> bool:
    try:
        return "creditsvc.web.worker" in process.cmdline()
    except psutil.NoSuchProcess:  # it has ended since it was listed, or is a zombie
        return False


@dataclass
class Running:
    """A service and what it says on standard error."""

    process: asyncio.subprocess.Process
    url: str
    data_dir: Path
    said: list[str]

    @property
    def workers(self) -> list[psutil.Process]:
        children = psutil.Process(self.process.pid).children()
        return [child for child in children if is_worker(child)]

    @property
    def postmaster(self) -> psutil.Process:
        children = psutil.Process(self.process.pid).children()
        (found,) = (child for child in children if child.name().startswith("postgres"))
        return found

    async def key(self, role: Any, **given: Any) -> dict[str, str]:
        """Make a key beside the running service, as the command line does."""
        async with embedded.server(Settings(data_dir=self.data_dir), own=False) as dsn:
            connection = await connect(dsn)
            try:
                return {"Authorization": f"Bearer {await create_key(connection, role, **given)}"}
            finally:
                await connection.close()

    async def stop(self) -> int:
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_S):
            return await self.process.wait()


def environment(data_dir: Path, **given: object) -> dict[str, str]:
    settings = {"data_dir": data_dir, "port": 0, "workers": WORKERS} | given
    return os.environ | {f"CREDITSVC_{name.upper()}": str(value) for name, value in settings.items()}


@asynccontextmanager
async def running(data_dir: Path, **given: object) -> AsyncIterator[Running]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "creditsvc", "serve"),
        env=environment(data_dir, **given),
        stderr=asyncio.subprocess.PIPE,
    )
    said: list[str] = []
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    listening = asyncio.create_task(_listen(process, said, ready))
    try:
        async with asyncio.timeout(PATIENCE_S):
            url = await ready
        service = Running(process, url, data_dir, said)
        yield service
        await service.stop()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await listening


async def _listen(process: asyncio.subprocess.Process, said: list[str], ready: "asyncio.Future[str]") -> None:
    assert process.stderr is not None
    while line := (await process.stderr.readline()).decode().strip():
        said.append(line)
        found = re.fullmatch(r"listening on (http://\S+)", line)
        if found is not None and not ready.done():
            ready.set_result(found[1])
    if not ready.done():
        ready.set_exception(RuntimeError("\n".join(said)))


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await holds():  # noqa: ASYNC110  another process tells no event of ours
            await asyncio.sleep(0.1)


async def answers(session: aiohttp.ClientSession, path: str = "/readyz") -> bool:
    with suppress(aiohttp.ClientError):
        async with session.get(path) as answer:
            return answer.status == 200
    return False


@pytest.fixture(scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """One service for the tests that leave it whole."""
    async with running(tmp_path_factory.mktemp("service") / "var") as one:
        yield one


@pytest.fixture
async def session(service: Running) -> AsyncIterator[aiohttp.ClientSession]:
    # A connection for each request, so that every worker gets some.
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(service.url, connector=connector) as one:
        yield one


async def test_it_is_ready_when_it_says_so(service: Running, session: aiohttp.ClientSession):
    assert len(service.workers) == WORKERS
    assert await answers(session)
    assert any("migrating 0001" in line for line in service.said)


async def test_an_event_goes_in_and_a_profile_comes_out(service: Running, session: aiohttp.ClientSession):
    agency = await service.key("agency", sources=[SOURCE])
    async with session.post("/v1/events", json=raw("penalty.imposed"), headers=EVENT | agency) as answer:
        assert answer.status == 201, await answer.text()
    async with session.get(f"/v1/entities/{ENTITY}/history", headers=agency) as answer:
        assert [item["sequence"] for item in (await answer.json())["items"]] == [1]


async def test_one_scrape_sums_all_workers(service: Running, session: aiohttp.ClientSession):
    async def counted() -> float:
        async with session.get("/metrics") as answer:
            text = await answer.text()
        pattern = r'creditsvc_http_requests_total\{method="GET",route="/v1/catalogue",status="2xx"\} (\S+)'
        return sum(float(value) for value in re.findall(pattern, text))

    async def has(wanted: float) -> bool:  # an answer is counted once it has left
        found = await counted()
        assert found <= wanted, "counted more than was asked"
        return found == wanted

    before = await counted()
    for _ in range(40):
        assert await answers(session, "/v1/catalogue")
    await eventually(lambda: has(before + 40))
    async with session.get("/metrics") as answer:
        assert "creditsvc_append_seconds_count" in await answer.text()


async def test_no_line_of_the_log_holds_what_was_asked_for(service: Running, session: aiohttp.ClientSession):
    person = "11010519491231002X"
    for path in (f"/v1/entities/uscc:{person}", f"/nowhere/{person}", f"/v1/entities?name={person}"):
        async with session.get(path) as answer:
            assert person not in await answer.text()
            request_id = answer.headers["X-Request-Id"]
        await eventually(lambda wanted=request_id: _async(any(wanted in line for line in service.said)))
    assert not [line for line in service.said if person in line]


async def _async(value: bool) -> bool:  # noqa: FBT001
    return value


async def test_a_worker_that_dies_is_started_again(service: Running, session: aiohttp.ClientSession):
    victim = service.workers[0]
    victim.kill()

    async def replaced() -> bool:
        workers = service.workers  # looked at once: it may be gone a moment later
        return len(workers) == WORKERS and victim not in workers

    await eventually(replaced)
    await eventually(lambda: answers(session))
    await eventually(lambda: _async(any("a worker ended" in line for line in service.said)))


def _is_ready(worker: psutil.Process) -> bool:
    """Whether a worker has said that it is ready: from then on its output goes where its errors go."""
    output, errors = (Path(f"/proc/{worker.pid}/fd/{number}") for number in (1, 2))
    try:
        return output.readlink() == errors.readlink()
    except FileNotFoundError:  # it has ended since it was listed
        return False


async def test_postgresql_that_dies_is_started_again(service: Running, session: aiohttp.ClientSession):
    agency = await service.key("agency", sources=[SOURCE], client_id="agency:second")
    async with session.post(
        "/v1/events", json=raw("penalty.imposed", "R2"), headers=EVENT | agency
    ) as answer:
        assert answer.status == 201, await answer.text()
        receipt = await answer.json()
    await eventually(lambda: _async([*map(_is_ready, service.workers)] == [True] * WORKERS))
    workers = {worker.pid for worker in service.workers}
    service.postmaster.kill()
    await eventually(lambda: _refused_or_ready(session))
    # Each worker finds the database again by itself; on a kept connection it is this one that must have.
    await eventually(lambda: answers(session, f"/v1/entities/{ENTITY}/history"))
    async with session.get(f"/v1/entities/{ENTITY}/history", headers=agency) as answer:
        items = (await answer.json())["items"]
    assert receipt["sequence"] in [item["sequence"] for item in items], "what was acknowledged is there"
    assert {worker.pid for worker in service.workers} == workers, "the workers reconnected by themselves"


async def _refused_or_ready(session: aiohttp.ClientSession) -> bool:
    """While the database is away: look-ups are refused in the form of a problem, quickly."""
    async with asyncio.timeout(PATIENCE_S / 4), session.get(f"/v1/entities/{ENTITY}") as answer:
        if answer.status != 503:
            return answer.status in {200, 404}
        assert answer.content_type == "application/problem+json"
        assert int(answer.headers["Retry-After"]) >= 1
        return False


async def test_the_port_is_one_services_alone(service: Running, tmp_path: Path):
    port = int(service.url.rpartition(":")[2])
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "creditsvc", "serve"),
        env=environment(tmp_path / "var", port=port),
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(PATIENCE_S):
        _, said = await process.communicate()
    assert process.returncode == 1
    assert b"cannot listen on 127.0.0.1 port" in said
    assert not (tmp_path / "var").exists(), "refused before anything was started"


async def _refuses(host: str, port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(host, port)
    except ConnectionRefusedError:
        return True
    writer.close()
    return False


async def test_requests_in_flight_are_finished_before_it_stops(tmp_path: Path):
    async with running(tmp_path / "var") as service:
        agency = await service.key("agency", sources=[SOURCE])
        body = json.dumps(raw("penalty.imposed")).encode()
        host, port = service.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = (
            f"POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n"
            f"Content-Type: {EVENT['Content-Type']}\r\nAuthorization: {agency['Authorization']}\r\n"
        )
        writer.write(f"{head}Expect: 100-continue\r\n\r\n".encode() + body[:10])
        async with asyncio.timeout(PATIENCE_S):
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100"), "it is in flight"
        service.process.send_signal(signal.SIGTERM)
        await eventually(lambda: _refuses(host, int(port)))
        writer.write(body[10:])
        async with asyncio.timeout(PATIENCE_S):
            answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 201"), answer
        assert b"Connection: close" in answer
        assert await service.stop() == 0
        assert not psutil.pid_exists(service.process.pid)


async def test_nothing_outlives_a_parent_that_is_killed(tmp_path: Path):
    async with running(tmp_path / "var") as service:
        everything = psutil.Process(service.process.pid).children(recursive=True)
        assert len(everything) > WORKERS
        service.process.kill()
        _, alive = await asyncio.to_thread(psutil.wait_procs, everything, timeout=PATIENCE_S)
        assert not alive


async def test_nothing_outlives_a_parent_that_is_killed_while_it_starts(tmp_path: Path):
    """The workers are there before the database is, and have not been told it yet."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "creditsvc", "serve"),
        env=environment(tmp_path / "var"),
        stderr=asyncio.subprocess.DEVNULL,
    )
    parent = psutil.Process(process.pid)
    try:
        await eventually(lambda: _async(len([*filter(is_worker, parent.children())]) == WORKERS))
        everything = parent.children(recursive=True)
        assert not (tmp_path / "var" / "postgresql" / "postmaster.pid").exists(), "it came too late"
    finally:
        process.kill()
        await process.wait()
    _, alive = await asyncio.to_thread(psutil.wait_procs, everything, timeout=PATIENCE_S)
    assert not alive


async def test_a_start_that_fails_takes_what_it_began_with_it(tmp_path: Path):
    nowhere = f"postgresql://nobody@/nothing?host={tmp_path}"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "creditsvc", "serve"),
        env=environment(tmp_path / "var", database_url=nowhere),
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(PATIENCE_S):
        _, said = await process.communicate()  # which ends once nobody holds its end of the pipe any more
    assert process.returncode == 1
    assert b"creditsvc: The database cannot be reached" in said
