"""One line and two metrics for each request answered, whatever answered it."""

import asyncio
import logging
import os
from datetime import UTC, datetime
from time import perf_counter

import orjson
from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from creditsvc import logs
from creditsvc.web import auth, metrics, request_ids
from creditsvc.web.middleware import STARTED_S, template

FLUSH_LINES = 256  # gathered at most before they are written

log = logging.getLogger("creditsvc.access")


class Lines:
    """Gathers the lines of requests answered at the same moment and writes them together.

    They are made here and not by a formatter: with a record for each, logging would cost more than a look-up.
    """

    def __init__(self) -> None:
        self._gathered: list[bytes] = []
        self._pid = os.getpid()

    def add(self, fields: dict[str, object]) -> None:
        """Add a line with these fields, none of which is a value that a request sent."""
        line: dict[str, object] = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "level": "info",
            "logger": log.name,
            "message": "request",
            "pid": self._pid,
        }
        line.update(fields)
        gathered = self._gathered
        if not gathered:
            asyncio.get_running_loop().call_soon(self.flush)
        gathered.append(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
        if len(gathered) >= FLUSH_LINES:
            self.flush()

    def flush(self) -> None:
        if self._gathered:
            text = b"".join(self._gathered).decode()
            self._gathered.clear()
            logs.write(text)


_lines = Lines()


def note(  # noqa: PLR0913  what a line says
    route: str,
    method: str,
    status: int,
    *,
    request_id: str,
    seconds: float,
    size: int,
    caller: auth.Caller = auth.PUBLIC,
) -> None:
    """Count an answered request and write its line; ``route`` is a template, never a path."""
    method = metrics.observe_request(route, method, status, seconds)
    if not log.isEnabledFor(logging.INFO):
        return
    _lines.add(
        {
            "request_id": request_id,
            "route": route,
            "method": method,
            "status": status,
            "duration_ms": round(seconds * 1000, 3),
            "bytes": size,
            "role": caller.role,
            "key_id": caller.key_id,
        }
    )


class AccessLog(AbstractAccessLogger):
    """Called when an answer has been handed to the system: also for what never reached the application."""

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Log the route's template and never the path or query, which may hold a person's identifier."""
        started_s = request.get(STARTED_S)
        if started_s is not None:
            time = perf_counter() - started_s  # uvloop's own clock counts whole milliseconds
        note(
            template(request),
            request.method,
            response.status,
            request_id=request_ids.of(request),
            seconds=time,
            size=response.body_length,
            caller=request.get(auth.CALLER, auth.PUBLIC),
        )
