"""No client holds a connection for longer than it may, whatever it does not send or does not take."""

import asyncio
import contextlib
import time

import pytest
from aiohttp import web

from creditsvc.web.app import ROUTES
from creditsvc.web.routes import Route
from tests.conformance.conftest import Serve, Service
from tests.processes import PATIENCE_S

LIMIT_S = 0.4
SLACK_S = 8.0  # of a busy machine; less than the limits that hold where none is given
BYTES = 32 * 1024 * 1024  # more than the buffers of both systems hold


async def much(_: web.Request) -> web.Response:
    return web.Response(body=bytes(BYTES))


async def slow(_: web.Request) -> web.Response:
    await asyncio.sleep(LIMIT_S * 2)
    return web.Response(text="done")


OWN = tuple(
    Route("GET", f"/{handler.__name__}", handler, name=handler.__name__, summary="Answer")
    for handler in (much, slow)
)


@pytest.fixture
async def service(serve: Serve) -> Service:
    return await serve(
        (*ROUTES, *OWN), header_timeout_s=LIMIT_S, body_timeout_s=LIMIT_S, keepalive_timeout_s=LIMIT_S
    )


async def all_there_is(reader: asyncio.StreamReader) -> bytes:
    found = bytearray()
    with contextlib.suppress(ConnectionResetError):
        while taken := await reader.read(65536):
            found += taken
    return bytes(found)


async def seconds_until_closed(reader: asyncio.StreamReader) -> float:
    started = time.monotonic()
    async with asyncio.timeout(PATIENCE_S):
        await all_there_is(reader)
    return time.monotonic() - started


async def test_one_that_sends_nothing_is_cut_off(service: Service):
    reader, writer = await asyncio.open_connection(service.host, service.port)
    assert LIMIT_S / 2 < await seconds_until_closed(reader) < LIMIT_S + SLACK_S
    writer.close()


async def test_one_whose_head_trickles_in_is_cut_off(service: Service):
    reader, writer = await asyncio.open_connection(service.host, service.port)
    closed = asyncio.create_task(seconds_until_closed(reader))
    writer.write(b"GET /livez HTTP/1.1\r\n")
    while not closed.done():
        await asyncio.sleep(LIMIT_S / 8)
        writer.write(b"A: a\r\n")
    assert LIMIT_S / 2 < await closed < LIMIT_S + SLACK_S
    writer.close()


async def test_so_is_one_that_trickles_after_its_first_request(serve: Serve):
    service = await serve(header_timeout_s=LIMIT_S, keepalive_timeout_s=60)
    reader, writer = await asyncio.open_connection(service.host, service.port)
    writer.write(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    await asyncio.sleep(LIMIT_S * 2)
    writer.write(b"GET /livez HTTP/1.1\r\n")
    assert LIMIT_S / 2 < await seconds_until_closed(reader) < LIMIT_S + SLACK_S
    writer.close()


async def test_one_that_is_idle_between_requests_is_closed(service: Service):
    reader, writer = await asyncio.open_connection(service.host, service.port)
    writer.write(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
    assert await seconds_until_closed(reader) < LIMIT_S + SLACK_S
    writer.close()


async def test_one_that_waits_for_a_slow_answer_is_not(service: Service):
    async with service.session.get("/slow") as answer:
        assert await answer.text() == "done"


@pytest.mark.parametrize("last", [False, True])
async def test_one_that_does_not_take_its_answer_is_cut_off(service: Service, last: bool):  # noqa: FBT001
    reader, writer = await asyncio.open_connection(service.host, service.port, limit=1024)
    writer.write(b"GET /much HTTP/1.1\r\nHost: a\r\n" + b"Connection: close\r\n" * last + b"\r\n")
    await asyncio.sleep(LIMIT_S + 1)
    async with asyncio.timeout(PATIENCE_S):
        assert len(await all_there_is(reader)) < BYTES
    writer.close()
