"""Each request's id: the caller's own if a machine made it, else a new one."""

import re
import secrets

from aiohttp import web

from creditsvc.domain import persons

HEADER = "X-Request-Id"
REQUEST_ID: web.RequestKey[str] = web.RequestKey("request_id", str)

# 16 to 64 hexadecimal digits (trace and span ids), a UUID, or a ULID (Crockford's alphabet).
_FIT = re.compile(
    r"[0-9A-Fa-f]{16,64}|[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}"
)


def new() -> str:
    return secrets.token_hex(16)


def of(request: web.BaseRequest) -> str:
    """Give the request its id, the same one whenever asked."""
    known = request.get(REQUEST_ID)
    if isinstance(known, str):
        return known
    request[REQUEST_ID] = chosen = chosen_for(request.headers.get(HEADER, ""))
    return chosen


def chosen_for(given: str) -> str:
    """Take a caller's own id of a request, or a new one if it may be anything but a machine's.

    It is logged and echoed, so it must look as if a machine had made it, and no person's identifier may
    come in by it.
    """
    if not given or _FIT.fullmatch(given) is None:
        return new()
    person = persons.holds_resident_id(given.upper()) or persons.find(given) is not None
    return new() if person else given
