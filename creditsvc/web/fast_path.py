"""Plain look-ups of the public, answered at the socket: no request object, no task, no response object.

Taken is only what leaves nothing to decide: a whole ``GET /v1/entities/{entity}`` that has its segment to
itself, without a key, with none but headers that change nothing in its answer. Everything else is left to
aiohttp and the handlers, and so is whatever turns out to be less plain on the way: a limit that is spent, a
profile to be folded again, a database that is away. The same bytes then go the ordinary way as if they had
not been here. So this can only say what ``entities.profile`` says, in the same bytes and headers.
"""

import re
import secrets
import time
from asyncio import Future
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Protocol

import orjson
from aiohttp import web
from aiohttp.helpers import rfc822_formatted_time

from creditsvc.domain import identifiers
from creditsvc.errors import Refusal
from creditsvc.ledger.lookups import Lookups, Stored
from creditsvc.ledger.moments import unknown
from creditsvc.web import access_log, auth, problems, reading, request_ids
from creditsvc.web.keys import READER, RULES, SETTINGS
from creditsvc.web.limits import LIMITS, Verdict, left, network
from creditsvc.web.middleware import EXPOSED

ROUTE = "/v1/entities/{entity}"
HEAD_MAX_BYTES = 4096  # a longer one is not plain
_LINE = re.compile(rb"GET /v1/entities/([a-z-]{3,8})(?::|%3[Aa])([0-9A-Za-z]{1,32}) HTTP/1\.1(?=\r\n)")
# Names are tokens, values have no control character (RFC 9110, section 5.5), and no line is folded.
_HEADERS = re.compile(rb"\r\n(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*\r\n)+\r\n")
# What clients and proxies send along, and no part of the answer follows from.
_IDLE = frozenset(
    b"accept accept-charset accept-encoding accept-language cache-control cookie dnt forwarded origin pragma "
    b"priority referer save-data sec-ch-ua sec-ch-ua-mobile sec-ch-ua-platform sec-fetch-dest sec-fetch-mode "
    b"sec-fetch-site sec-fetch-user sec-gpc traceparent tracestate upgrade-insecure-requests user-agent via "
    b"x-forwarded-host x-forwarded-port x-forwarded-proto x-real-ip".split()
)
_FOUND = (
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: public, no-cache\r\n"
    "Vary: Authorization\r\nETag: {etag}\r\n"
)
_UNKNOWN = f"HTTP/1.1 404 Not Found\r\nContent-Type: {problems.MEDIA_TYPE}\r\nCache-Control: no-store\r\n"
_ALWAYS = (
    "Server: creditsvc\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n"
    "Cross-Origin-Resource-Policy: cross-origin\r\nAccess-Control-Allow-Origin: *\r\n"
    f"Access-Control-Expose-Headers: {EXPOSED}\r\n"
)


class Client(Protocol):
    """The connection that a look-up came by; a client sends the same headers again and again."""

    seen: "tuple[bytes, Headers] | None"
    retiring: bool  # it closes after this answer

    def answered(self, answer: bytes) -> None:
        """Send a whole answer, and take what comes next."""

    def declined(self, data: bytes) -> None:
        """Have a request that was taken answered in the ordinary way after all."""


class Headers(NamedTuple):
    """What matters of the headers of a plain look-up."""

    forwarded_for: str | None
    request_id: str  # as given


@dataclass(slots=True)
class _Asked:
    client: Client
    data: bytes
    headers: Headers
    address: str
    verdict: Verdict
    started_s: float  # perf_counter's


class FastPath:
    """The plain look-ups of one worker."""

    def __init__(self, app: web.Application) -> None:
        self._limits = app[LIMITS]
        self._trust_forwarded = app[SETTINGS].trust_forwarded
        self._lookups: Lookups = app[READER].public_profiles
        self._releases = len(app[RULES].schedule.releases)
        self._always = f"{_ALWAYS}RateLimit-Policy: {self._limits.policy(auth.PUBLIC)}\r\n"

    def takes(self, client: Client, data: bytes, address: str) -> bool:
        """Take a request that came as a segment of its own; False where it is not plain.

        ``address``: of the connection, as limits go by it. What is taken is answered or declined later.
        """
        line = _LINE.match(data)
        if line is None or len(data) > HEAD_MAX_BYTES:
            return False
        headers = _headers(client, data[line.end() :])
        if headers is None:
            return False
        try:
            entity = identifiers.parse(f"{line[1].decode()}:{line[2].decode()}")
        except Refusal:
            return False
        if self._trust_forwarded and headers.forwarded_for:
            address = network(headers.forwarded_for)
        verdict = self._limits.charge(auth.PUBLIC, address, time.monotonic(), 1)
        if not verdict.allowed:
            return False
        asked = _Asked(client, data, headers, address, verdict, time.perf_counter())
        self._lookups.ask(entity).add_done_callback(partial(self._answer, asked))
        return True

    def _answer(self, asked: _Asked, found: "Future[Stored | None]") -> None:
        stored = None
        if found.exception() is None:
            stored = found.result()
            if stored is None or not (stored.outrun or stored.announced > self._releases):
                self._say(asked, stored)
                return
        # The ordinary way charges for it again.
        self._limits.charge(auth.PUBLIC, asked.address, time.monotonic(), -1)
        asked.client.declined(asked.data)

    def _say(self, asked: _Asked, stored: Stored | None) -> None:
        given = asked.headers.request_id
        request_id = request_ids.chosen_for(given) if given else secrets.token_hex(16)
        if stored is not None and stored.profile is not None and stored.valid_from is not None:
            status, body = 200, stored.profile
            head = _FOUND.format(etag=reading.etag("public", stored.version, stored.valid_from))
        else:
            status, body, head = 404, orjson.dumps(problems.document(unknown(), request_id)), _UNKNOWN
        closing = "Connection: close\r\n" if asked.client.retiring else ""
        rest = (
            f"{self._always}RateLimit: {left(auth.PUBLIC, asked.verdict)}\r\nX-Request-Id: {request_id}\r\n"
            f"Date: {rfc822_formatted_time()}\r\n{closing}Content-Length: {len(body)}\r\n\r\n"
        )
        answer = b"".join(((head + rest).encode(), body))
        asked.client.answered(answer)
        access_log.note(
            ROUTE,
            "GET",
            status,
            request_id=request_id,
            seconds=time.perf_counter() - asked.started_s,
            size=len(answer),
        )


def _headers(client: Client, rest: bytes) -> Headers | None:
    if client.seen is not None and client.seen[0] == rest:
        return client.seen[1]
    headers = plain(rest)
    if headers is not None:
        client.seen = (rest, headers)
    return headers


def plain(rest: bytes) -> Headers | None:
    """Read what follows the request line, up to and with the empty line; null unless all of it is plain."""
    if _HEADERS.fullmatch(rest) is None:
        return None
    hosts, forwarded_for, request_id = 0, None, ""
    for line in rest[2:-4].split(b"\r\n"):
        name, _, value = line.partition(b":")
        name = name.lower()
        if name in _IDLE:
            continue
        if name == b"host":
            hosts += 1
        elif name == b"connection" and value.strip().lower() == b"keep-alive":
            continue
        elif name == b"x-forwarded-for" and forwarded_for is None:
            forwarded_for = value.decode("latin-1").rpartition(",")[2].strip()
        elif name == b"x-request-id" and not request_id:
            request_id = value.decode("latin-1").strip()
        else:
            return None
    return Headers(forwarded_for, request_id) if hosts == 1 else None
