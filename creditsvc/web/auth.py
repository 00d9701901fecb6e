"""Who is asking: bearer keys, checked in constant time and remembered for seconds only."""

from dataclasses import dataclass

from aiohttp import web

from creditsvc.web.routes import Role


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent the request, as far as the key shows; without a key, the public."""

    role: Role
    key_id: str | None = None
    client_id: str | None = None
    sources: frozenset[str] = frozenset()  # what an agency may send as ``source``
    entity: str | None = None  # the organisation whose own key this is


PUBLIC = Caller("public")
CALLER: web.RequestKey[Caller] = web.RequestKey("caller", Caller)


def caller(request: web.Request) -> Caller:
    """Who is asking; known before any handler runs."""
    return request[CALLER]
