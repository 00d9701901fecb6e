"""HTTP at the socket: every wait bounded, every malformed request answered with a problem document.

What aiohttp leaves open is closed here: it waits for ever for a request head that trickles in, for a body,
and for a client that does not take its answer; it answers malformed HTTP with plain text.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Any

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger
from aiohttp.http_exceptions import BadHttpMessage, HttpProcessingError, LineTooLong
from aiohttp.http_writer import HttpVersion10, HttpVersion11
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_server import Server

from creditsvc.balance import Balance
from creditsvc.errors import Malformed, Refusal
from creditsvc.logs import error_fields
from creditsvc.settings import Settings
from creditsvc.web import problems, request_ids
from creditsvc.web.accepting import Acceptor
from creditsvc.web.capacity import BODIES, Bodies, Connections
from creditsvc.web.fast_path import FastPath, Headers
from creditsvc.web.limits import network

LINE_MAX_BYTES = 8190  # the request line, and each header
HEADERS_MAX = 64
LINGER_S = 2.0  # an answer given before the body was read gets this long to reach the client
DRAIN_POLL_S = 0.05
LAST_REQUEST_S = 0.3  # that a connection without a request gets to send one more when the worker stops
CUT_OFF_S = 0.5  # what a handler past the drain time gets before it is cancelled

log = logging.getLogger("creditsvc.web")


class Connection(RequestHandler):
    """One client's connection, with a limit on every wait that aiohttp leaves without one."""

    __slots__ = (
        "_address",
        "_answer_request",
        "_behind",
        "_connections",
        "_cut",
        "_fast_path",
        "_flush_s",
        "_head_begun",
        "_head_late",
        "_head_s",
        "_left",
        "_taken",
        "_whole",
        "_wire",
        "retiring",
        "seen",
    )

    def __init__(
        self,
        manager: Server,
        *,
        connections: Connections,
        fast_path: FastPath | None,
        left: Callable[[], None],
        head_s: float,
        flush_s: float,
        **options: Any,
    ) -> None:
        super().__init__(manager, **options)
        self._fast_path = fast_path
        self._taken = False  # by the fast path: a request that is not answered yet
        self._behind = b""  # what was sent after that
        self._whole = True  # aiohttp's parser stands between two requests, as far as we know
        self.seen: tuple[bytes, Headers] | None = None
        self._connections = connections
        self._left = left
        self._address: str | None = None  # once it is admitted
        self._answer_request = manager.request_handler
        self._request_handler = self._answer_valid
        self._head_s = head_s
        self._flush_s = flush_s
        self._head_begun = False
        self._head_late: asyncio.TimerHandle | None = None
        self._cut: asyncio.TimerHandle | None = None
        self.retiring = False
        self._wire: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        peer = transport.get_extra_info("peername")
        address = network(str(peer[0]) if peer else "")
        if not self._connections.admit(address):
            transport.abort()  # type: ignore[attr-defined]  # it is a Transport
            return
        self._address = address
        super().connection_made(transport)
        self._wire = self.transport
        self._expect_head()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._left()
        if self._address is None:
            return  # never admitted: aiohttp does not know of it
        self._connections.leave(self._address)
        self._address = None
        super().connection_lost(exc)
        self._head_arrived()
        self._read()
        self._wire = None

    def data_received(self, data: bytes) -> None:
        if self._address is None:
            return
        if self._taken:
            self._behind += data
            self._pause_transport_reading()
        elif self._is_taken(data, self._address):
            self._taken = True
            self._head_arrived()
            self._stay()
        else:
            self._parse(data)

    def _is_taken(self, data: bytes, address: str) -> bool:
        if self._fast_path is None or not self._whole or self._paused or not self._is_idle():
            return False
        return self._fast_path.takes(self, data, address)

    def _parse(self, data: bytes) -> None:
        heads = self._request_count
        super().data_received(data)
        self._whole = self._whole and self._is_whole(data, self._request_count - heads)
        if self._request_count != heads:
            self._head_arrived()
        elif data and self._is_idle():
            self._head_begun = True
            if self._head_late is None:
                self._expect_head()

    def _is_whole(self, data: bytes, heads: int) -> bool:
        """Whether a segment was one head, complete and without a body; if in doubt, no.

        Else the next segment might be the rest of what began in this one, and must not be read as a request.
        """
        if not data:
            return True
        alone = heads == 1 and data.endswith(b"\r\n\r\n") and data.count(b"\r\n\r\n") == 1
        if not alone or not self._messages or self._upgraded:
            return False
        return self._messages[-1][1] is EMPTY_PAYLOAD

    def answered(self, answer: bytes) -> None:
        """Send what the fast path answers, and take what comes next."""
        if self._wire is None or self._force_close:
            return
        self._wire.write(answer)
        if self.retiring:
            self._taken = False
            self.force_close()
            return
        self._stay()
        self._go_on(b"")

    def declined(self, data: bytes) -> None:
        """Have aiohttp answer what the fast path took."""
        if self._address is not None:
            self._go_on(data)

    def _go_on(self, data: bytes) -> None:
        self._taken = False
        behind, self._behind = self._behind, b""
        if data:
            self._parse(data)
        if behind:
            self._resume_transport_reading()  # no message waits, so nobody else holds it
            self.data_received(behind)

    def _stay(self) -> None:
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout

    def pause_writing(self) -> None:
        super().pause_writing()
        self._must_be_read()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._read()

    async def start(self) -> None:
        try:
            await super().start()
        finally:
            # Closing waits for what is still buffered, for ever if the client does not take it.
            if self._wire is not None and self._wire.get_write_buffer_size() > 0:
                self._must_be_read()

    def retire(self) -> None:
        """Close after the answer to the request under way, or to one that comes within a moment.

        Closed at once, a client that goes on might have sent its next request just before, and lose it.
        """
        self.retiring = True
        self._loop.call_later(LAST_REQUEST_S, self._close_if_idle)

    def _close_if_idle(self) -> None:
        if self._address is not None and self._is_idle() and not self._head_begun:
            self.force_close()

    async def _answer_valid(self, request: web.BaseRequest) -> web.StreamResponse:
        """Refuse what aiohttp's parser lets through and a proxy before us may read otherwise (RFC 9112)."""
        codings = request.headers.getall("Transfer-Encoding", ["chunked"])
        if request._version not in {HttpVersion10, HttpVersion11}:  # noqa: SLF001  the public one is kept once read
            request._version = HttpVersion11  # noqa: SLF001  the answer must be in a version that we speak
            raise BadHttpMessage("version")
        if [coding.strip().lower() for coding in codings] != ["chunked"]:
            raise BadHttpMessage("transfer coding")
        return await self._answer_request(request)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        if isinstance(resp, web.HTTPException) and resp.status >= 400:
            # Refused by aiohttp before any middleware ran: an Expect header other than 100-continue.
            resp = problems.answer(problems.refusal_of(resp), request_ids.of(request))
            resp.headers[request_ids.HEADER] = request_ids.of(request)
        if self.retiring:
            resp.force_close()
        return await super().finish_response(request, resp, start_time)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002  may quote the request
    ) -> web.StreamResponse:
        """Answer what never reached the application, or what failed on the way out of it; then close."""
        if request.writer.output_size > 0:
            # Half an answer is out: nothing can be said any more but that it ends here.
            raise ConnectionError
        refusal = _refusal_of_failure(status, exc)
        if refusal.status >= 500:
            log.error("failed outside the application", extra={"fields": error_fields(exc)} if exc else None)
        response = problems.answer(refusal, request_ids.of(request))
        response.headers[request_ids.HEADER] = request_ids.of(request)
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.force_close()
        return response

    def _is_idle(self) -> bool:
        waits = self._waiter is not None and not self._waiter.done()
        return waits and not self._messages and not self._taken

    def _expect_head(self) -> None:
        self._head_late = self._loop.call_later(self._head_s, self.force_close)

    def _head_arrived(self) -> None:
        self._head_begun = False
        if self._head_late is not None:
            self._head_late.cancel()
            self._head_late = None

    def _must_be_read(self) -> None:
        if self._cut is None and self._wire is not None:
            self._cut = self._loop.call_later(self._flush_s, self._wire.abort)

    def _read(self) -> None:
        if self._cut is not None:
            self._cut.cancel()
            self._cut = None


def _refusal_of_failure(status: int, exc: BaseException | None) -> Refusal:
    if isinstance(exc, LineTooLong):
        return Malformed(f"A line or a header is longer than {LINE_MAX_BYTES} bytes.")
    if isinstance(exc, HttpProcessingError) or status == 400:
        return Malformed("The request is not valid HTTP.")
    return problems.refusal_of(exc if exc is not None else TimeoutError())


class Listener:
    """An application served on a listening socket, until it is drained."""

    def __init__(
        self,
        app: web.Application,
        settings: Settings,
        access_log: type[AbstractAccessLogger],
        *,
        fast_path: Callable[[web.Application], FastPath] | None = None,
        balance: Balance | None = None,
    ) -> None:
        self._settings = settings
        self._fast_path = fast_path
        self._balance = balance or Balance()
        app[BODIES] = Bodies(settings)
        self._runner = web.AppRunner(app, access_log_class=access_log)
        self._options: dict[str, Any] = {
            "access_log_class": access_log,
            "keepalive_timeout": settings.keepalive_timeout_s,
            "max_line_size": LINE_MAX_BYTES,
            "max_field_size": LINE_MAX_BYTES,
            "max_headers": HEADERS_MAX,
            "lingering_time": LINGER_S,
            "auto_decompress": False,  # read_body inflates, within its limits
            "connections": Connections(settings),
            "left": self._balance.leave,
            "head_s": settings.header_timeout_s,
            "flush_s": settings.body_timeout_s,
        }
        self._acceptor: Acceptor | None = None

    async def start(self, listening: socket.socket) -> None:
        await self._runner.setup()
        self._options["fast_path"] = self._fast_path(self._runner.app) if self._fast_path else None
        self._acceptor = Acceptor(listening, self._connect, self._balance)
        self._acceptor.start()

    def _connect(self) -> Connection:
        server = self._runner.server
        if server is None:
            raise ConnectionAbortedError
        return Connection(server, loop=asyncio.get_running_loop(), **self._options)

    async def stop(self) -> None:
        """Accept nothing more, finish the requests in flight within the drain time, then close everything."""
        if self._acceptor is not None:
            await self._acceptor.stop()
        server = self._runner.server
        if server is not None:
            deadline = asyncio.get_running_loop().time() + self._settings.drain_timeout_s
            for connection in server.connections:
                if isinstance(connection, Connection):
                    connection.retire()
            # aiohttp tells nobody that its last connection is gone, so we look.
            while server.connections and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110
                await asyncio.sleep(DRAIN_POLL_S)
            # Who has not finished by now is cut off; the runner would wait its own time once more.
            for connection in server.connections:
                connection.force_close()
            await server.shutdown(CUT_OFF_S)
        await self._runner.cleanup()
