"""Each request's id: the caller's own if it is fit to be logged and echoed, else a new one."""

import re
import secrets

from aiohttp import web

from creditsvc.domain import persons

HEADER = "X-Request-Id"
REQUEST_ID: web.RequestKey[str] = web.RequestKey("request_id", str)

_FIT = re.compile(r"[A-Za-z0-9._-]{1,64}")


def new() -> str:
    return secrets.token_hex(16)


def of(request: web.BaseRequest) -> str:
    """Give the request its id, the same one whenever asked."""
    known = request.get(REQUEST_ID)
    if isinstance(known, str):
        return known
    given = request.headers.get(HEADER, "")
    # What a caller calls its request is logged and echoed, so no person's identifier may come in by it.
    fit = _FIT.fullmatch(given) is not None and persons.find(given) is None
    request[REQUEST_ID] = chosen = given if fit else new()
    return chosen
