"""Several processes on one port: a client cannot tell them apart, nor what becomes of any of them."""

import asyncio
import os
import re
import signal
import time
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count

import aiohttp
import orjson
import psutil
import pytest

from tests.gates import gate
from tests.making import ENTITY, OTHER_ENTITY, SOURCE, raw
from tests.processes import ONE, PATIENCE_S, WORKERS, Agency, service

PER_MINUTE = 1_200  # of one address
QUEUE_EVENTS = 1_000  # of one worker
GROUP = 500  # events, of which each worker writes two groups at a time
LOOK_UP = f"/v1/entities/{ENTITY}"
HISTORY = f"/v1/entities/{ENTITY}/history"
_addresses = count(1)


@pytest.fixture(scope="module")
async def running(tmp_path_factory):
    """A service that tells callers apart by what a proxy would say of them."""
    directory = tmp_path_factory.mktemp("workers")
    limits = {"anonymous_per_minute": PER_MINUTE, "trust_forwarded": True, "queue_max_events": QUEUE_EVENTS}
    async with (
        service(directory / "var", log_level="WARNING", **limits) as one,
        aiohttp.ClientSession() as session,
    ):
        agency = Agency(one.url, await one.key("agency", sources=[SOURCE]), directory / "receipts")
        assert await agency.send(session, [raw("honour.granted", "H")])
        yield one


def new_address():
    """An address that nobody has asked from."""
    number = next(_addresses)
    return f"192.0.{number // 256}.{number % 256}"


class Dropped(Exception):  # noqa: N818
    """A request was sent, and its connection ended without an answer."""


class Connection:
    """One kept connection, byte by byte: a client that repeats nothing and hides nothing."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.port = writer.get_extra_info("sockname")[1]
        self.closes = False  # after the last answer

    async def ask(self, path=LOOK_UP, address=None):
        """The status and the headers of the answer, which has come whole."""
        forwarded = f"X-Forwarded-For: {address or new_address()}\r\n"
        try:
            self.writer.write(f"GET {path} HTTP/1.1\r\nHost: a\r\n{forwarded}\r\n".encode())
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            length = re.search(r"^content-length: (\d+)", head, re.IGNORECASE | re.MULTILINE)
            await self.reader.readexactly(int(length[1]))
        except (OSError, asyncio.IncompleteReadError) as error:
            raise Dropped(type(error).__name__) from error
        self.closes = re.search(r"^connection: close", head, re.IGNORECASE | re.MULTILINE) is not None
        headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:-2])
        return int(head.split()[1]), headers


async def connect(running):
    return Connection(*await asyncio.open_connection("127.0.0.1", running.port))


@asynccontextmanager
async def connected(running, number):
    """So many connections, some to each worker."""
    async with AsyncExitStack() as stack:
        found = []
        for _ in range(100):
            found += [await connect(running) for _ in range(number - len(found))]
            for one in found:
                stack.callback(one.writer.close)
                await one.ask("/livez")
            if len({running.worker_of(one.port) for one in found}) == WORKERS:
                yield found
                return
            del found[number // 2 :]
        raise AssertionError("one worker takes all connections")


async def test_each_worker_gets_its_part_of_the_connections(running):
    """Also where few come one after the other, which the first to wake would all take."""
    async with AsyncExitStack() as stack:
        found = []
        for _ in range(6 * WORKERS):
            found.append(await connect(running))
            stack.callback(found[-1].writer.close)
            await found[-1].ask("/livez")
        parts = Counter(running.worker_of(one.port) for one in found)
        assert len(parts) == WORKERS
        assert max(parts.values()) - min(parts.values()) <= 2, parts  # one at a time may be too busy to come


async def test_counts_of_all_workers_are_one_and_outlive_any(running):
    """Of plain look-ups, and of what goes the ordinary way."""

    async def counted(route):
        async with aiohttp.ClientSession() as session, session.get(running.url + "/metrics") as answer:
            text = await answer.text()
        labels = f'method="GET",route="{route}",status="2xx"'
        return sum(
            map(float, re.findall(rf"creditsvc_http_requests_total\{{{re.escape(labels)}\}} (\S+)", text))
        )

    async def reaches(route, wanted):
        async with asyncio.timeout(PATIENCE_S):
            while (found := await counted(route)) != wanted:
                assert found < wanted, "counted more than was asked"
                await asyncio.sleep(0.05)

    for path, route in ((LOOK_UP, "/v1/entities/{entity}"), (HISTORY, "/v1/entities/{entity}/history")):
        before = await counted(route)
        async with connected(running, 8) as connections:
            for one in connections * 10:
                assert (await one.ask(path))[0] == 200
        await reaches(route, before + 80)
        victim = running.workers[0]
        os.kill(victim, signal.SIGKILL)
        await running.ready()
        assert victim not in running.workers
        assert await counted(route) == before + 80
        async with connected(running, 4) as connections:
            for one in connections * 5:
                assert (await one.ask(path))[0] == 200
        await reaches(route, before + 100)


async def test_the_limit_of_an_address_holds_over_all_workers(running):
    """Never more than is promised, by however many connections; and on one its worker's share, whole."""
    for path in (LOOK_UP, HISTORY):
        address, began_s = new_address(), time.monotonic()

        async def spend(one, path=path, address=address):
            granted = 0
            while (await one.ask(path, address))[0] == 200:
                granted += 1
            return granted

        async with connected(running, 8) as connections:
            granted = await asyncio.gather(*(spend(one) for one in connections))
            status, headers = await connections[0].ask(path, address)
        most = PER_MINUTE * (1 + (time.monotonic() - began_s) / 60)
        assert PER_MINUTE <= sum(granted) <= most, "each worker granted its share, and no more"
        if status == 429:  # else a unit has come back by now
            assert int(headers["Retry-After"]) >= 1

    async with connected(running, 2) as connections:
        address, began_s = new_address(), time.monotonic()
        granted = await spend(connections[0], LOOK_UP, address)
        share = PER_MINUTE / WORKERS
        assert share <= granted <= share * (1 + (time.monotonic() - began_s) / 60)


def memory(running):
    return max(psutil.Process(pid).memory_info().rss for pid in running.workers)


async def test_a_full_queue_says_so_and_holds_no_more(running, tmp_path):
    """Nobody can write, and everybody pushes: what does not fit is refused at once, and look-ups go on."""
    title = "够长的一段说明" * 60
    numbers = count(1)

    def event():
        n = next(numbers)
        return raw("penalty.imposed", f"Q{n}", id=f"queue-{n}", subject=OTHER_ENTITY, title=title)

    key = await running.key("agency", sources=[SOURCE], client_id="pushing")
    agency = Agency(running.url, key, tmp_path / "receipts")
    headers = {"Authorization": f"Bearer {key}", "Content-Type": ONE}
    pushing = []

    async def refused(number):
        """Push until so many batches were refused; those that are taken wait."""
        while sum(one.done() for one in pushing) < number:
            pushing.append(asyncio.create_task(agency.send(session, [event() for _ in range(GROUP)])))
            await asyncio.wait(pushing[-1:], timeout=0.5)

    async with running.database() as connection, connected(running, 4) as looking:
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        async with aiohttp.ClientSession(connector=connector) as session:
            async with gate(connection, OTHER_ENTITY):
                await refused(10)
                before = memory(running)
                await refused(60)
                assert memory(running) - before < GROUP * 50 * len(title.encode()) / 3
                for one in looking:
                    assert (await one.ask())[0] == 200
                url, body = running.url + "/v1/events", orjson.dumps(event())
                singles = (session.post(url, data=body, headers=headers) for _ in range(40))
                for answer in await asyncio.gather(*singles):
                    assert answer.status == 503
                    assert answer.content_type == "application/problem+json"
                    assert int(answer.headers["Retry-After"]) >= 1
                    answer.release()
            await asyncio.gather(*pushing)
            assert await agency.send(session, [event()]), "there is room again"
        there = await connection.fetchval("select count(*) from event where entity_id = $1", OTHER_ENTITY)
        assert there == len(agency.receipts()), "what was refused is not there"


async def test_stopping_drops_no_request_of_clients_that_go_on(running):
    """On kept connections that are never quiet: each request is answered, and the last is told goodbye."""
    begun, dropped = asyncio.Event(), []
    left = count(2_000, -1)

    async def go_on(one, path):
        try:
            while not one.closes:
                assert (await one.ask(path))[0] == 200
                if next(left) == 0:
                    begun.set()
            assert await one.reader.read() == b""
        except (Dropped, OSError) as error:
            dropped.append(f"{path}: {error!r}")

    async with connected(running, 32) as connections:
        going = [
            asyncio.create_task(go_on(one, (LOOK_UP, HISTORY)[place % 2]))
            for place, one in enumerate(connections)
        ]
        await begun.wait()
        assert await running.stop() == 0
        await asyncio.gather(*going)
    assert dropped == []
