"""The edge that every request passes: its id, who is asking, what that costs, and refusals as problems."""

import asyncio
import logging
import time
from collections.abc import Mapping

from aiohttp import web

from creditsvc.errors import Malformed, Refusal, Violation
from creditsvc.logs import REQUEST_ID, error_fields
from creditsvc.web import asking, auth, identity, limits, problems, request_ids, sessions
from creditsvc.web.metrics import UNMATCHED
from creditsvc.web.routes import ROUTE, Handler, Route
from creditsvc.web.site.rendering import refused

TABLE: web.AppKey[Mapping[web.AbstractRoute, Route]] = web.AppKey("table", Mapping)
STARTED_S: web.RequestKey[float] = web.RequestKey("started_s", float)  # perf_counter's

HTML_CSP = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
INTERFACE = ("/v1/", "/.well-known/")
EXPOSED = "ETag, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id"

log = logging.getLogger("creditsvc.web")


@web.middleware
async def edge(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Admit the request and answer it; whatever goes wrong on the way becomes a problem document."""
    request[STARTED_S] = time.perf_counter()
    request_id = request_ids.of(request)
    token = REQUEST_ID.set(request_id)
    try:
        await _admit(request)
        return await _answer(request, handler)
    except asyncio.CancelledError:
        raise
    except Exception as error:
        if isinstance(error, web.HTTPException) and error.status < 400:
            raise
        return _refuse(request, error, request_id)
    finally:
        REQUEST_ID.reset(token)


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Have it answered; nothing that tells anything leaves before it is written who asked."""
    try:
        response = _given(await handler(request))
    except Refusal as refusal:
        if asking.tells(refusal):
            await asking.written(request)
        raise
    await asking.written(request)
    return response


def _given(response: web.StreamResponse | None) -> web.StreamResponse:
    if response is None:
        raise TypeError("a handler forgot to answer")
    return response


async def _admit(request: web.Request) -> None:
    route = request.app[TABLE].get(request.match_info.route)
    if route is not None:
        request[ROUTE] = route
    request[auth.CALLER] = auth.PUBLIC
    if route is not None and route.bare:
        check_query(request, route)
        return
    await identity.know(request, route)
    limits.charge(request, 1)
    if route is not None:
        auth.require(request[auth.CALLER], route.roles)
        check_query(request, route)
        if route.page and route.method != "GET":
            sessions.keep_out_foreign(request)


def check_query(request: web.Request, route: Route) -> None:
    """Refuse what a query may not hold: names that the route does not have, one name twice, NUL.

    Raises ``Malformed`` naming what is allowed, never what was sent.
    """
    if not request.query_string:
        return
    query = request.query
    if not route.query_names.issuperset(query):
        known = ", ".join(sorted(route.query_names)) or "none"
        wrong = Violation("", "parameter-unknown", f"Query parameters taken here: {known}.")
        raise Malformed("The query has a parameter that is not taken here.", [wrong])
    if len(query) != len(set(query)):
        wrong = Violation("", "parameter-repeated", "Give each query parameter once.")
        raise Malformed("The query has a parameter twice.", [wrong])
    if any("\0" in value for value in query.values()):
        wrong = Violation("", "parameter-text", "Text has no NUL character.")
        raise Malformed("The query holds a NUL character.", [wrong])


def _refuse(request: web.Request, error: Exception, request_id: str) -> web.Response:
    refusal = problems.refusal_of(error)
    if refusal.status == 500 or problems.is_passing(error):
        log.error(
            "failed" if refusal.status == 500 else "unavailable",
            extra={"fields": {"route": template(request), **error_fields(error)}},
        )
    if request.writer.output_size > 0:
        # Part of an answer is out: all that is left to say is that it ends before its end.
        raise ConnectionAbortedError
    allow = error.headers.get("Allow") if isinstance(error, web.HTTPException) else None
    if _is_for_people(request) and refusal.status < 500:
        response = refused(request, refusal)
        problems.add_headers(response, refusal)
    else:
        response = problems.answer(refusal, request_id, allow=allow)
    if request.body_exists and not request.content.is_eof():
        # What is left of the body is not worth reading to keep the connection.
        response.force_close()
    return response


def _is_for_people(request: web.Request) -> bool:
    """Whether a page answers: at a page's address, and where there is nothing and a browser asks.

    Under the interface's own addresses a problem document answers, whoever asks.
    """
    route: Route | None = request.get(ROUTE)
    if route is not None:
        return route.page
    reads = request.method in {"GET", "HEAD"} and "text/html" in request.headers.get("Accept", "")
    return reads and not request.path.startswith(INTERFACE)


def template(request: web.BaseRequest) -> str:
    """Name the route that the request matched, without anything of its path or query."""
    route = request.get(ROUTE)
    return route.path if route is not None else UNMATCHED


async def finish_headers(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Set what every answer carries, streamed ones too (an ``on_response_prepare`` signal)."""
    headers = response.headers
    headers[request_ids.HEADER] = request_ids.of(request)
    headers["Server"] = "creditsvc"
    headers["X-Content-Type-Options"] = "nosniff"
    headers.setdefault("Referrer-Policy", "no-referrer")
    if response.content_type == "text/html":
        headers.setdefault("Content-Security-Policy", HTML_CSP)
        headers["Cross-Origin-Resource-Policy"] = "same-origin"
    else:
        headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    if request.method in {"GET", "HEAD"} and sessions.SESSION not in request:
        # Public data, and no cookie that the interface takes: any page may read it. A page cannot send a key
        # without a preflight, which is refused (405), so no page can use one behind its reader's back.
        headers["Access-Control-Allow-Origin"] = "*"
        headers["Access-Control-Expose-Headers"] = EXPOSED
    verdict = request.get(limits.VERDICT)
    if verdict is not None and isinstance(request, web.Request):
        headers.update(request.app[limits.LIMITS].headers(request[auth.CALLER], verdict))
