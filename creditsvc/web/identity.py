"""Who sent a request: the holder of the key in its header; on a page, whoever signed in; else the public."""

from aiohttp import web

from creditsvc.errors import RateLimited, Unauthenticated
from creditsvc.web import auth, limits, sessions
from creditsvc.web.routes import Route


async def know(request: web.Request, route: Route | None) -> None:
    """Find the caller. A cookie counts on pages only: the interface takes keys, which no browser sends."""
    authorization = request.headers.get("Authorization")
    if authorization is not None:
        request[auth.CALLER] = await identify(request, authorization)
    elif route is not None and route.page:
        await sessions.recognise(request)


async def identify(request: web.Request, authorization: str) -> auth.Caller:
    """Find who holds the key in a header; ``Unauthenticated`` if it is none that holds.

    Guessing keys costs what anonymous requests cost, and no more of the database than they may use.
    """
    keyring = request.app[auth.KEYRING]
    if not keyring.is_remembered(authorization) and limits.is_spent(request):
        raise RateLimited("The limit of this address is spent.", retry_after_s=1)
    try:
        return await keyring.identify(authorization)
    except Unauthenticated:
        limits.charge(request, 1)
        raise
