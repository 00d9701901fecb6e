"""Refusals as RFC 9457 problem documents: every answer that is neither 2xx nor 3xx.

No ``instance``: the path of a request may hold a natural person's identifier. ``type`` is a stable path of
this service (``/problems/<slug>``) where the problem is explained.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import asyncpg
import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from creditsvc import errors
from creditsvc.errors import Refusal
from creditsvc.web import metrics

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 1  # of a refusal that says to come back and not when


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ProblemError(_Shape):
    """One thing wrong with the input."""

    pointer: Annotated[str, Field(description="Where in the body (JSON pointer, RFC 6901)")]
    code: Annotated[str, Field(description="Which rule")]
    detail: Annotated[str, Field(description="What to do")]


class ItemProblem(_Shape):
    """What is wrong with one item of a batch (RFC 9457)."""

    type: Annotated[
        str, Field(pattern="^/problems/[a-z-]+$", description="Which problem; GET it for an explanation")
    ]
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    detail: str
    errors: list[ProblemError]


class Problem(ItemProblem):
    """Why the request was refused (RFC 9457). Never repeats a value that was sent."""

    request_id: Annotated[str, Field(description="Finds the request in the logs of the service")]


class RequestTimeout(Refusal):
    """The client took too long to send its request (RFC 9110, section 15.5.9)."""

    slug: ClassVar[str] = "request-timeout"
    status: ClassVar[int] = 408
    title: ClassVar[str] = "The request did not arrive in time"


class ExpectationFailed(Refusal):
    """The Expect header asks for something other than 100-continue (RFC 9110, section 15.5.18)."""

    slug: ClassVar[str] = "expectation-failed"
    status: ClassVar[int] = 417
    title: ClassVar[str] = "This expectation cannot be met"


# What aiohttp itself refuses with, by status: the class, and what to tell instead of aiohttp's own words.
_HTTP: Mapping[int, tuple[type[Refusal], str]] = {
    400: (errors.Malformed, "The request is not valid HTTP."),
    401: (errors.Unauthenticated, "Send a valid key as a bearer token."),
    403: (errors.Forbidden, "This key may not do that."),
    404: (errors.NotFound, "There is no such resource."),
    405: (errors.MethodNotAllowed, "Use one of the methods named in the Allow header."),
    408: (RequestTimeout, "Send the whole request faster, or in smaller parts."),
    413: (errors.TooLarge, "Send less in one request."),
    415: (errors.UnsupportedMediaType, "Send a media type and an encoding that this resource takes."),
    417: (ExpectationFailed, "The only expectation met is 100-continue."),
    429: (errors.RateLimited, "Wait as long as Retry-After says."),
    503: (errors.Unavailable, "Send the request again after the time in Retry-After."),
}

# Of asyncpg's many errors, those that say that the database or the way to it is not there now, or that
# the same request may succeed when sent again. InterfaceError and InternalClientError are what asyncpg
# raises on a connection that broke in the middle of something.
_DATABASE_AWAY: tuple[type[BaseException], ...] = (
    OSError,  # TimeoutError among them
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shut down, crashed, starting up, statement timed out
    asyncpg.InsufficientResourcesError,  # disk full, too many connections
    asyncpg.TransactionRollbackError,  # deadlock, serialisation
    asyncpg.ReadOnlySQLTransactionError,  # the server has become a standby
    asyncpg.LockNotAvailableError,
)


def is_passing(error: BaseException) -> bool:
    """Whether the failure is one of the moment: the same request may succeed later."""
    # asyncpg's complaints about our own arguments are InterfaceErrors too, and ValueErrors besides.
    return isinstance(error, _DATABASE_AWAY) and not isinstance(error, ValueError)


def refusal_of(error: BaseException) -> Refusal:
    """Find the refusal that stands for an error of any kind; nothing of the error's own text is kept."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, web.HTTPException) and error.status in _HTTP:
        kind, detail = _HTTP[error.status]
        return kind(detail)
    if is_passing(error):
        return errors.Unavailable("The database cannot be reached now.", retry_after_s=RETRY_AFTER_S)
    return errors.Internal("The service failed on this request; the request id finds it in the logs.")


def document(refusal: Refusal, request_id: str | None = None) -> dict[str, Any]:
    """Render the problem as an object: a whole answer's, or (without a request id) one item's of a batch."""
    problem: dict[str, Any] = {
        "type": f"/problems/{refusal.slug}",
        "title": refusal.title,
        "status": refusal.status,
        "detail": refusal.detail,
        "errors": [
            {"pointer": violation.pointer, "code": violation.code, "detail": violation.detail}
            for violation in refusal.violations
        ],
    }
    if request_id is not None:
        problem["request_id"] = request_id
    return problem


def answer(refusal: Refusal, request_id: str, *, allow: str | None = None) -> web.Response:
    """Render the problem as a whole answer, with the headers that its status asks for.

    ``allow``: the methods that the resource takes, for 405.
    """
    metrics.refusals_total.labels(refusal.slug).inc()
    response = web.Response(
        status=refusal.status,
        body=orjson.dumps(document(refusal, request_id)),
        content_type=MEDIA_TYPE,
        headers={"Cache-Control": "no-store"},
    )
    add_headers(response, refusal, allow)
    return response


def add_headers(response: web.Response, refusal: Refusal, allow: str | None = None) -> None:
    """Set the headers that a refusal's status asks for."""
    retry_after_s = refusal.retry_after_s
    if retry_after_s is None and refusal.status in {429, 503}:
        retry_after_s = RETRY_AFTER_S
    if retry_after_s is not None:
        response.headers["Retry-After"] = str(retry_after_s)
    if refusal.status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="creditsvc"'
    if allow is not None:
        response.headers["Allow"] = allow
