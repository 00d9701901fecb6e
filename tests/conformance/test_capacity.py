"""Nobody can take all of a worker: bodies and connections beyond what it takes on are turned away at once."""

import asyncio
import gzip
from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from tests.conformance.conftest import Serve, Service, with_keys
from tests.making import ENTITY
from tests.processes import PATIENCE_S

JSON = "application/json"
WHAT_IF = f"/v1/entities/{ENTITY}/score/what-if"


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await holds():  # noqa: ASYNC110  the service tells nobody
            await asyncio.sleep(0.02)


async def begin(service: Service, length: int) -> asyncio.StreamWriter:
    """Announce a body and send its first byte only."""
    _, writer = await asyncio.open_connection(service.host, service.port)
    head = f"POST {WHAT_IF} HTTP/1.1\r\nHost: a\r\nContent-Type: {JSON}\r\nContent-Length: {length}\r\n\r\n{{"
    writer.write(head.encode())
    await writer.drain()
    return writer


async def ask(service: Service, role: str = "public") -> tuple[int, str | None]:
    headers = {"Content-Type": JSON} | service.headers(role)
    async with service.session.post(WHAT_IF, data=b"{}", headers=headers) as answer:
        return answer.status, answer.headers.get("Retry-After")


@pytest.mark.parametrize(
    ("path", "role", "most"), [(WHAT_IF, "public", 64 * 1024), ("/v1/lookups", "partner", 256 * 1024)]
)
async def test_a_question_is_no_longer_than_questions_are(service: Service, path: str, role: str, most: int):
    for length, status in ((most, 400), (most + 1, 413)):
        body = b"[" + b" " * (length - 2) + b"]"
        for sent, coding in ((body, {}), (gzip.compress(body), {"Content-Encoding": "gzip"})):
            headers = {"Content-Type": JSON} | coding | service.headers(role)
            async with service.session.post(path, data=sent, headers=headers) as answer:
                assert answer.status == status, await answer.text()


async def test_bodies_that_do_not_come_keep_out_neither_keys_nor_for_long_anyone(serve: Serve):
    service = await with_keys(await serve(body_max_bytes=64 * 1024, bodies_max_bytes=256 * 1024))
    stalled = await begin(service, 64 * 1024)

    async def is_full() -> bool:
        return (await ask(service))[0] == 503

    await eventually(is_full)
    assert await ask(service) == (503, "1")
    status, _ = await ask(service, "partner")
    assert status != 503
    stalled.close()

    async def has_room() -> bool:
        return (await ask(service))[0] != 503

    await eventually(has_room)


async def test_connections_beyond_the_most_of_an_address_are_closed_and_counted(serve: Serve):
    service = await serve(connections_max=6, address_connections_max=3)
    held = [await asyncio.open_connection(service.host, service.port) for _ in range(3)]
    held[0][1].write(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (await held[0][0].readline()).startswith(b"HTTP/1.1 200")
    with pytest.raises(aiohttp.ClientError):
        await service.session.get("/livez")
    for _, writer in held:
        writer.close()

    async def is_let_in() -> bool:
        try:
            async with service.session.get("/metrics") as answer:
                text = await answer.text()
        except aiohttp.ClientError:
            return False
        assert "creditsvc_connections_refused_total" in text
        assert "\ncreditsvc_connections " in text
        return True

    await eventually(is_let_in)


@pytest.mark.parametrize(
    "head",
    [
        "POST /v1/events HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "GET /livez HTTP/2.0\r\nHost: a\r\n\r\n",
        "GET /livez HTTP/0.9\r\nHost: a\r\n\r\n",
    ],
)
async def test_what_a_proxy_may_read_otherwise_is_malformed(service: Service, head: str):
    reader, writer = await asyncio.open_connection(service.host, service.port)
    writer.write(head.encode())
    async with asyncio.timeout(PATIENCE_S):
        answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"application/problem+json" in answer
    assert answer.count(b"HTTP/1.1") == 1


async def test_plain_chunks_and_the_older_version_are_taken(service: Service):
    reader, writer = await asyncio.open_connection(service.host, service.port)
    writer.write(b"GET /livez HTTP/1.0\r\n\r\n")
    async with asyncio.timeout(PATIENCE_S):
        assert b" 200 " in (await reader.readline())
    writer.close()

    async def chunks():
        yield b"{"
        yield b"}"

    async with service.session.post(WHAT_IF, data=chunks(), headers={"Content-Type": JSON}) as answer:
        assert answer.status != 400
