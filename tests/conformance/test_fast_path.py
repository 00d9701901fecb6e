"""Plain look-ups are answered at the socket, and nobody can tell but by the time it takes."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg
import orjson
import pytest

from creditsvc.settings import Settings
from creditsvc.web import metrics
from creditsvc.web.fast_path import FastPath, plain
from tests.conformance.conftest import Serve, Service, served, with_keys
from tests.conformance.test_log import push
from tests.making import ENTITY, OTHER_ENTITY, raw
from tests.processes import PATIENCE_S

WRITERS, EVENTS = 4, 15
PATH = f"/v1/entities/{ENTITY}"
HOST = "Host: a\r\n"
PLAIN = f"GET {PATH} HTTP/1.1\r\n{HOST}\r\n"
OWN = {"date", "x-request-id", "ratelimit"}  # headers that differ from request to request
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def said(monkeypatch) -> list[int]:
    """What the fast path answered, by status, since the test began."""
    found: list[int] = []
    say = FastPath._say

    def spy(self, asked, stored):
        found.append(200 if stored is not None and stored.profile is not None else 404)
        say(self, asked, stored)

    monkeypatch.setattr(FastPath, "_say", spy)
    return found


@pytest.fixture(scope="session")
async def asked(make_database: Callable[[], Awaitable[str]]) -> AsyncIterator[Service]:
    """Of one organisation something is public, of another there is something that is not."""
    async with served(await make_database(), Settings(workers=1, drain_timeout_s=1)) as service:
        await with_keys(service)
        await push(service, raw("honour.granted", "P1"), raw("record.corrected", "H1", subject=OTHER_ENTITY))
        yield service


class Wire:
    """A connection on which a test decides what is sent in one go, and reads one answer after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    def send(self, text: str) -> None:
        self._writer.write(text.encode("latin-1"))

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        async with asyncio.timeout(PATIENCE_S):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            pairs = [line.partition(": ")[::2] for line in head[1:-2]]
            headers = {name.lower(): value for name, value in pairs}
            assert len(headers) == len(pairs), "each header once"
            body = await self._reader.readexactly(int(headers.get("content-length", 0)))
        return int(head[0].split()[1]), headers, body

    async def asked(self, text: str) -> tuple[int, dict[str, str], bytes]:
        self.send(text)
        return await self.answer()

    async def nothing(self) -> bool:
        """Whether nothing more comes, until now or until the other side closes."""
        try:
            async with asyncio.timeout(0.2):
                return await self._reader.read(1) == b""
        except TimeoutError:
            return True


@asynccontextmanager
async def wire(service: Service) -> AsyncIterator[Wire]:
    reader, writer = await asyncio.open_connection(service.host, service.port)
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()


def request(path: str = PATH, *headers: str, method: str = "GET") -> str:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: a", *headers, "", ""])


@pytest.mark.parametrize("entity", [ENTITY, OTHER_ENTITY, "gb-coh:00000006", ENTITY.replace(":", "%3A")])
async def test_its_answer_is_the_one_that_the_handler_gives(asked: Service, said, entity: str):
    path = f"/v1/entities/{entity}"
    async with wire(asked) as one:
        status, fast, body = await one.asked(request(path))
        assert said == [status]
        again, slow, whole = await one.asked(request(path, "X-Odd: 1"))
        assert said == [status], "an unknown header leaves it to the handler"
    assert again == status
    assert {name: value for name, value in fast.items() if name not in OWN} == {
        name: value for name, value in slow.items() if name not in OWN
    }
    assert fast.keys() == slow.keys()
    if status == 200:
        assert body == whole
    else:
        one, other = orjson.loads(body), orjson.loads(whole)
        assert one.pop("request_id") == fast["x-request-id"]
        assert other.pop("request_id") == slow["x-request-id"]
        assert one == other


async def test_what_is_hidden_reads_like_what_is_unknown(asked: Service, said):
    async with wire(asked) as one:
        answers = [await one.asked(request(f"/v1/entities/{of}")) for of in (OTHER_ENTITY, "gb-coh:00000006")]
    assert said == [404, 404]
    bodies = [orjson.loads(body) | {"request_id": None} for _, _, body in answers]
    assert bodies[0] == bodies[1]


@pytest.mark.parametrize(
    "headers",
    [
        ["User-Agent: curl/8", "Accept: */*", "Accept-Encoding: gzip", "Connection: keep-alive"],
        ["accept-language: zh-CN", "Sec-Fetch-Mode: navigate", "Cookie: a=b", "X-Forwarded-For: 192.0.2.1"],
        ["X-Request-Id: " + TRACE],
    ],
)
async def test_what_clients_and_proxies_send_along_keeps_it_plain(asked: Service, said, headers):
    async with wire(asked) as one:
        for _ in range(2):
            status, found, _ = await one.asked(request(PATH, *headers))
            assert status == 200
    assert said == [200, 200]
    assert (found["x-request-id"] == TRACE) == any("X-Request-Id" in header for header in headers)


@pytest.mark.parametrize("given", ["who am I", "11010119900307803X", "13800138000"])
async def test_an_id_that_no_machine_made_is_not_echoed(asked: Service, said, given: str):
    async with wire(asked) as one:
        _, found, body = await one.asked(request(PATH, f"X-Request-Id: {given}"))
    assert said == [200]
    assert given not in found["x-request-id"]
    assert given.encode() not in body


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (request(PATH, 'If-None-Match: "other"'), 200),
        (request(PATH, "If-None-Match: *"), 304),
        (request(PATH, "Authorization: Bearer nobody.aaaaaaaaaaaaaaaaaaaa"), 401),
        (request(PATH, "Purpose: loan-review"), 200),
        (request(f"{PATH}?as_of=2999-01-01T00:00:00Z"), 404),
        (request(f"{PATH}?what=1"), 400),
        (request(f"{PATH}/records"), 200),
        (request("/v1/entities/uscc:11010119900307803X"), 422),
        (request("/v1/entities/uscc:91350100M000100Y44"), 404),
        (request(PATH, method="HEAD"), 200),
        (f"GET {PATH} HTTP/1.0\r\n{HOST}\r\n", 200),
        (request(PATH, "Host: b"), 400),
        (request(PATH, "Expect: tea"), 417),
        (request(PATH, "Connection: close"), 200),
        (request(PATH, "Content-Length: 0"), 200),
        (request(PATH, "Content-Length : 0"), 400),
        (request(PATH, " folded: 1"), 400),
        (request(PATH, "A: b\0c"), 400),
        (request(PATH, "A: b\rX: c"), 400),
        (request(PATH, "Transfer-Encoding: gzip"), 400),
        (request(PATH, "X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 192.0.2.2"), 200),
        (request(PATH, *(f"Accept: {'a' * 500}" for _ in range(9))), 200),
    ],
)
async def test_all_that_is_not_plain_is_left_to_others(asked: Service, said, text: str, status: int):
    async with wire(asked) as one:
        one.send(text)
        if "HEAD" in text:
            async with asyncio.timeout(PATIENCE_S):
                assert b" 200 " in await one._reader.readline()
        else:
            assert (await one.answer())[0] == status
    assert said == []


def test_headers_are_plain_or_they_are_not():
    assert plain(b"\r\nHost: a\r\n\r\n") == (None, "")
    assert plain(b"\r\nHost: a\r\nX-Forwarded-For: 192.0.2.1, 192.0.2.2\r\n\r\n") == ("192.0.2.2", "")
    for rest in (b"\r\n\r\n", b"\r\nHost: a\r\n", b"\r\nHost: a\n\r\n\r\n", b"\r\nHost: a\r\n\r\nmore", b""):
        assert plain(rest) is None


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        # The rest of a head that began before: what looks like a request is the value of a header.
        ("GET /livez HTTP/1.1\r\nX-Odd: ", [200]),
        # A body that looks like one.
        (f"POST /v1/events HTTP/1.1\r\n{HOST}Content-Length: {len(PLAIN)}\r\n\r\n", [401]),
        (f"GET /livez HTTP/1.1\r\n{HOST}Content-Length: {len(PLAIN)}\r\n\r\n", [200]),
        # The same while another request is being answered.
        (f"{PLAIN}GET /livez HTTP/1.1\r\nX-Odd: ", [200, 200]),
    ],
)
async def test_nothing_is_smuggled_past_what_began_before(asked: Service, said, first: str, expected):
    async with wire(asked) as one:
        one.send(first)
        await asyncio.sleep(0.1)  # a segment of its own
        one.send(PLAIN)
        assert [(await one.answer())[0] for _ in expected] == expected
        assert await one.nothing()
        assert said == []
    async with wire(asked) as one:
        assert (await one.asked(PLAIN))[0] == 200
    assert said == [200], "the same is taken where nothing was left open"


async def test_requests_behind_one_another_are_answered_in_their_order(asked: Service, said):
    async with wire(asked) as one:
        for _ in range(20):
            one.send(PLAIN)
            await asyncio.sleep(0)
            one.send(request(f"{PATH}/history") + request("/livez"))
            found = [await one.answer() for _ in range(3)]
            assert [status for status, _, _ in found] == [200, 200, 200]
            assert [b'"valid_from"' in body for _, _, body in found] == [True, True, False]
            assert b'"items"' in found[1][2]


async def test_one_too_many_is_refused_by_the_handler(serve: Serve, said):
    service = await serve(anonymous_per_minute=3)
    async with wire(service) as one:
        found = [await one.asked(PLAIN) for _ in range(4)]
    assert [status for status, _, _ in found] == [404, 404, 404, 429]
    assert said == [404, 404, 404]
    assert [re.search(r"r=(\d+)", headers["ratelimit"])[1] for _, headers, _ in found] == ["2", "1", "0", "0"]
    assert int(found[3][1]["retry-after"]) >= 1


async def test_behind_a_proxy_limits_go_by_the_address_that_it_names(serve: Serve, said):
    service = await serve(anonymous_per_minute=2, trust_forwarded=True)
    async with wire(service) as one:
        for address in ("192.0.2.1", "192.0.2.2", "spoofed, 192.0.2.1", "192.0.2.2"):
            assert (await one.asked(request(PATH, f"X-Forwarded-For: {address}")))[0] == 404
        assert (await one.asked(request(PATH, "X-Forwarded-For: 192.0.2.1")))[0] == 429
        assert (await one.asked(request(PATH, "X-Forwarded-For: 192.0.2.3")))[0] == 404
    assert len(said) == 5


async def test_what_time_has_outrun_is_folded_again_and_charged_once(asked: Service, said):
    connection = await asyncpg.connect(asked.dsn, server_settings={"search_path": "creditsvc"})
    try:
        async with wire(asked) as one:
            _, before, body = await one.asked(PLAIN)
            await connection.execute("update entity set announced = announced - 1")
            status, after, again = await one.asked(PLAIN)
            assert (status, again) == (200, body)
            assert said == [200], "the second was left to the handler"
            left = [int(re.search(r"r=(\d+)", headers["ratelimit"])[1]) for headers in (before, after)]
            assert left[0] - left[1] <= 1
            known = await connection.fetchval("select announced from entity where entity_id = $1", ENTITY)
            assert known > 0, "it has been folded again"
            await one.asked(PLAIN)
            assert said == [200, 200]
    finally:
        await connection.close()


async def test_a_look_up_sees_every_event_acknowledged_before_it(serve: Serve, said):
    """Writers and readers of one organisation at once: nothing stands between them that could be older."""
    service = await with_keys(await serve(anonymous_per_minute=100_000))
    acknowledged, seen = 0, []

    async def write(writer: int) -> None:
        nonlocal acknowledged
        for number in range(EVENTS):
            await push(service, raw("honour.granted", f"P{writer}-{number}", id=f"e{writer}-{number}"))
            acknowledged += 1
            await look_up()

    async def look_up() -> None:
        before = acknowledged
        async with wire(service) as one:
            _, _, body = await one.asked(PLAIN)
        found = orjson.loads(body).get("version", 0)
        seen.append(found)
        assert found >= before

    async def read(until: asyncio.Task[None]) -> None:
        while not until.done():
            await look_up()

    writing = asyncio.ensure_future(asyncio.gather(*(write(writer) for writer in range(WRITERS))))
    await asyncio.gather(writing, *(read(writing) for _ in range(4)))
    assert max(seen) == WRITERS * EVENTS
    assert len(said) == len(seen) > 2 * WRITERS * EVENTS


async def test_it_is_counted_and_logged_like_any_other(asked: Service, said, monkeypatch, caplog):
    lines: list[str] = []
    monkeypatch.setattr("creditsvc.logs.write", lines.append)
    caplog.set_level(logging.INFO, "creditsvc.access")

    def counted() -> float:
        return metrics.requests_total.labels("/v1/entities/{entity}", "GET", "2xx")._value.get()

    before = counted()
    async with wire(asked) as one:
        fast = await one.asked(PLAIN)
        slow = await one.asked(request(PATH, "X-Odd: 1"))
        await one.asked(request("/livez"))  # by then the line of the one before is out
    assert said == [200]
    assert counted() == before + 2
    assert ENTITY.partition(":")[2] not in "".join(lines)
    found = [orjson.loads(line) for line in "".join(lines).splitlines()][:2]
    assert [line["request_id"] for line in found] == [fast[1]["x-request-id"], slow[1]["x-request-id"]]
    assert 0 < found[0].pop("duration_ms") < PATIENCE_S * 1000
    for line in found:
        for name in ("time", "request_id", "duration_ms"):
            line.pop(name, None)
    assert found[0] == found[1]


# The last: what it asked may still be answered when it has ended.
async def test_who_goes_before_the_answer_harms_nobody(asked: Service, said):
    for _ in range(50):
        async with wire(asked) as one:
            one.send(PLAIN)
    async with wire(asked) as one:
        assert (await one.asked(PLAIN))[0] == 200
    assert said.count(200) == len(said)
