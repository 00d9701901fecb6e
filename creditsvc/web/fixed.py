"""Documents that are the same for everyone until the next release: made once, served as kept bytes."""

import asyncio
import hashlib
from collections.abc import Callable

from aiohttp import web

MAX_AGE_S = 300


class FixedDocument:
    """Bytes with the ETag that follows from them."""

    def __init__(self, body: bytes, media_type: str, *, csp: str | None = None) -> None:
        self.body = body
        self._headers = {
            "Content-Type": media_type,
            "ETag": f'"{hashlib.sha256(body).hexdigest()[:32]}"',
            "Cache-Control": f"public, max-age={MAX_AGE_S}",
        }
        if csp is not None:
            self._headers["Content-Security-Policy"] = csp

    def answer(self, request: web.Request) -> web.Response:
        """Answer with the document, or with 304 to who has it."""
        if is_kept(request, self._headers["ETag"]):
            headers = {name: self._headers[name] for name in ("ETag", "Cache-Control")}
            return web.Response(status=304, headers=headers)
        return web.Response(body=self.body, headers=self._headers)


class OnDemand:
    """A fixed document that is made once somebody asks for it, in a thread: a start need not wait for it."""

    def __init__(self, make: Callable[[], FixedDocument]) -> None:
        self._make = make
        self._made: FixedDocument | None = None
        self._turn = asyncio.Lock()

    async def answer(self, request: web.Request) -> web.Response:
        """Answer as the document does; who asks while it is being made waits for it."""
        if self._made is None:
            async with self._turn:
                if self._made is None:
                    self._made = await asyncio.to_thread(self._make)
        return self._made.answer(request)


def is_kept(request: web.Request, etag: str) -> bool:
    """Whether If-None-Match names this ETag, compared weakly (RFC 9110, section 13.1.2)."""
    given = request.if_none_match
    if not given:
        return False
    opaque = etag.removeprefix("W/").strip('"')
    return any(tag.value in {opaque, "*"} for tag in given)
