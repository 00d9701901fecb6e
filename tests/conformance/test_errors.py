"""Every answer that is neither 2xx nor 3xx is a problem document, whatever went wrong and where."""

import asyncio
import gzip
import io

import aiohttp
import asyncpg
import pytest
from aiohttp import web

from creditsvc.errors import Malformed
from creditsvc.web.app import ROUTES
from creditsvc.web.bodies import read_body
from creditsvc.web.problems import Problem
from creditsvc.web.protocol import LINE_MAX_BYTES
from creditsvc.web.routes import Route
from tests.conformance.conftest import Serve, Service
from tests.processes import PATIENCE_S

PERSON = "11010519491231002X"
EVENT = "application/cloudevents+json"


async def check(answer: aiohttp.ClientResponse, status: int, slug: str) -> Problem:
    body = await answer.read()
    assert answer.status == status, body
    assert answer.content_type == "application/problem+json"
    problem = Problem.model_validate_json(body)
    assert problem.status == status
    assert problem.type == f"/problems/{slug}"
    assert problem.request_id == answer.headers["X-Request-Id"]
    assert PERSON.encode() not in body
    return problem


@pytest.mark.parametrize(
    ("method", "path", "status", "slug"),
    [
        ("GET", "/nowhere", 404, "not-found"),
        ("GET", f"/nowhere/{PERSON}", 404, "not-found"),
        ("GET", "/v1/entities/uscc:91350100M000100Y44", 404, "identifier-invalid"),
        ("GET", "/v1/entities/nothing", 404, "identifier-invalid"),
        ("GET", "/v1/entities/uscc:91350100M000100Y43", 404, "entity-unknown"),
        ("GET", f"/v1/entities/uscc:{PERSON}", 422, "natural-person"),
        ("GET", "/v1/entities/%00", 404, "identifier-invalid"),
        ("GET", "/v1/entities/%FF%FE", 404, "identifier-invalid"),
        ("GET", "/v1/entities/uscc:91350100M000100Y43?nothing=1", 400, "malformed"),
        ("GET", f"/v1/entities/uscc:91350100M000100Y43?{PERSON}={PERSON}", 400, "malformed"),
        ("GET", "/v1/entities/uscc:91350100M000100Y43?as_of=a&as_of=b", 400, "malformed"),
        ("GET", "/v1/entities/uscc:91350100M000100Y43?as_of=%00", 400, "malformed"),
        ("GET", "/livez?a=1", 400, "malformed"),
        ("GET", "/problems/nothing", 404, "not-found"),
        ("DELETE", "/v1/catalogue", 405, "method-not-allowed"),
        ("OPTIONS", "/v1/catalogue", 405, "method-not-allowed"),
        ("GET", "/v1/events", 405, "method-not-allowed"),
        ("POST", "/v1/events", 401, "unauthenticated"),
        ("POST", "/v1/lookups", 401, "unauthenticated"),
    ],
)
async def test_requests_that_nobody_answers(service: Service, method, path, status, slug):
    async with service.session.request(method, path) as answer:
        await check(answer, status, slug)
        if status == 405:
            assert answer.headers["Allow"]
        if status == 401:
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "authorization", ["Bearer nothing", "Bearer a.b", "Basic YTpi", f"Bearer {PERSON}.{'x' * 32}", "\xff"]
)
async def test_keys_that_do_not_hold(service: Service, authorization):
    async with service.session.get("/v1/catalogue", headers={"Authorization": authorization}) as answer:
        await check(answer, 401, "unauthenticated")


@pytest.mark.parametrize(
    ("body", "headers", "status", "slug"),
    [
        (b"{", {"Content-Type": EVENT}, 400, "malformed"),
        (b"\xff\xfe", {"Content-Type": EVENT}, 400, "malformed"),
        (b"", {"Content-Type": EVENT}, 400, "malformed"),
        (b"{}", {"Content-Type": "text/plain"}, 415, "unsupported-media-type"),
        (b"{}", {"Content-Type": EVENT, "Content-Encoding": "br"}, 415, "unsupported-media-type"),
        (b"{}", {"Content-Type": EVENT, "Content-Encoding": "gzip"}, 400, "malformed"),
        (
            gzip.compress(b"{}", mtime=0)[:-4],
            {"Content-Type": EVENT, "Content-Encoding": "gzip"},
            400,
            "malformed",
        ),
        (
            gzip.compress(bytes(20_000_000), mtime=0),
            {"Content-Type": EVENT, "Content-Encoding": "gzip"},
            413,
            "too-large",
        ),
        (bytes(17_000_000), {"Content-Type": EVENT}, 413, "too-large"),
        (b"{}", {"Content-Type": EVENT, "Expect": "something else"}, 417, "expectation-failed"),
        (b"{}", {"Content-Type": EVENT}, 422, "event-invalid"),
        (b"[]", {"Content-Type": EVENT}, 422, "event-invalid"),
    ],
    ids=lambda value: value[:10] if isinstance(value, bytes) else None,
)
async def test_bodies_that_cannot_be_taken(service: Service, body, headers, status, slug):
    headers = headers | service.headers("agency")
    async with service.session.post("/v1/events", data=io.BytesIO(body), headers=headers) as answer:
        await check(answer, status, slug)


async def fail(_: web.Request) -> web.Response:
    raise ValueError(PERSON)


async def lose_database(_: web.Request) -> web.Response:
    raise asyncpg.ConnectionDoesNotExistError(PERSON)


async def time_out(_: web.Request) -> web.Response:
    raise TimeoutError(PERSON)


async def fail_half_way(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"half of it")
    raise ValueError(PERSON)


async def forget_to_answer(_: web.Request) -> web.Response:
    return None  # type: ignore[return-value]


async def refuse_after_reading(request: web.Request) -> web.Response:
    await read_body(request, most=1024)
    raise Malformed("No.")


FAILING = tuple(
    Route("POST", f"/fail/{handler.__name__}", handler, name=handler.__name__, summary="Fail")
    for handler in (fail, lose_database, time_out, fail_half_way, forget_to_answer, refuse_after_reading)
)


@pytest.fixture
async def failing(serve: Serve) -> Service:
    return await serve((*ROUTES, *FAILING), body_timeout_s=0.5)


@pytest.mark.parametrize(
    ("name", "status", "slug"),
    [
        ("fail", 500, "internal"),
        ("forget_to_answer", 500, "internal"),
        ("lose_database", 503, "unavailable"),
        ("time_out", 503, "unavailable"),
    ],
)
async def test_failures_of_our_own(failing: Service, caplog, name, status, slug):
    async with failing.session.post(f"/fail/{name}", data=b"x") as answer:
        await check(answer, status, slug)
        if status == 503:
            assert int(answer.headers["Retry-After"]) >= 1
    assert PERSON not in caplog.text


async def test_an_answer_that_fails_half_way_ends_as_cut_off(failing: Service):
    with pytest.raises(aiohttp.ClientPayloadError):
        async with failing.session.post("/fail/fail_half_way") as answer:
            await answer.read()


async def talk(service: Service, sent: bytes, *, then_end: bool = False) -> bytes:
    """Send bytes as they are and read until the other side closes."""
    reader, writer = await asyncio.open_connection(service.host, service.port)
    writer.write(sent)
    if then_end:
        writer.write_eof()
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await reader.read()
    finally:
        writer.close()


@pytest.mark.parametrize(
    "sent",
    [
        b"NONSENSE\r\n\r\n",
        b"GET\r\n\r\n",
        b"BREW / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: \x00\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        b"GET /" + b"a" * LINE_MAX_BYTES + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: " + b"a" * (LINE_MAX_BYTES + 10) + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"A: a\r\n" * 200 + b"\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        f"GET /{PERSON} HTTP/1.1 {PERSON}\r\n\r\n".encode(),
    ],
    ids=lambda sent: sent[:24],
)
async def test_malformed_http(service: Service, sent, caplog):
    answer = await talk(service, sent)
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.0 400")), answer
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    assert Problem.model_validate_json(body).type == "/problems/malformed"
    assert PERSON.encode() not in answer
    assert PERSON not in caplog.text


@pytest.mark.parametrize("chunks", [b"zz\r\nabc\r\n0\r\n\r\n", b"3\r\nabcdef\r\n0\r\n\r\n", b"-1\r\n"])
async def test_malformed_chunks(failing: Service, chunks):
    head = b"POST /fail/refuse_after_reading HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = await talk(failing, head + chunks)
    assert answer.count(b"HTTP/1.") == 1, "one answer, and the connection is closed"
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.0 400")), answer
    assert b"/problems/malformed" in answer


async def test_a_body_that_is_cut_off_harms_nothing(failing: Service):
    head = b"POST /fail/refuse_after_reading HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc"
    await talk(failing, head, then_end=True)
    async with failing.session.get("/livez") as answer:
        assert answer.status == 200


async def test_a_slow_body_is_answered_408_and_cut_off(failing: Service):
    head = b"POST /fail/refuse_after_reading HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc"
    answer = await talk(failing, head)
    assert answer.startswith(b"HTTP/1.1 408"), answer
    assert b"/problems/request-timeout" in answer
    assert b"Connection: close" in answer


async def test_expect_100_continue_is_met(failing: Service):
    async with failing.session.post("/fail/refuse_after_reading", data=b"abc", expect100=True) as answer:
        await check(answer, 400, "malformed")
