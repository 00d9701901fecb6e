"""One line and two metrics for each request answered, whatever answered it."""

import logging
from time import perf_counter

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from creditsvc.web import auth, metrics, request_ids
from creditsvc.web.middleware import STARTED_S, template

log = logging.getLogger("creditsvc.access")


class AccessLog(AbstractAccessLogger):
    """Called when an answer has been handed to the system: also for what never reached the application."""

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Log the route's template and never the path or query, which may hold a person's identifier."""
        route = template(request)
        started_s = request.get(STARTED_S)
        if started_s is not None:
            time = perf_counter() - started_s  # uvloop's own clock counts whole milliseconds
        metrics.observe_request(route, request.method, response.status, time)
        if not log.isEnabledFor(logging.INFO):
            return
        caller = request.get(auth.CALLER, auth.PUBLIC)
        log.info(
            "request",
            extra={
                "fields": {
                    "request_id": request_ids.of(request),
                    "route": route,
                    "method": request.method if request.method in metrics.METHODS else "OTHER",
                    "status": response.status,
                    "duration_ms": round(time * 1000, 3),
                    "bytes": response.body_length,
                    "role": caller.role,
                    "key_id": caller.key_id,
                }
            },
        )
