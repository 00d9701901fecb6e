"""Bodies of requests: read within their limits of size and time, and inflated within the same."""

import asyncio
import zlib
from collections.abc import Callable

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestPayloadError

from creditsvc.errors import Malformed, TooLarge, UnsupportedMediaType
from creditsvc.web import auth, problems
from creditsvc.web.capacity import BODIES, Share
from creditsvc.web.keys import SETTINGS

INFLATE_IN_LOOP_MAX_BYTES = 64 * 1024  # more is inflated in a thread
INFLATE_STEP_BYTES = 256 * 1024
_INFLATE_WBITS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


async def read_body(request: web.Request, *, most: int) -> bytes:
    """Read the whole body, inflated, or refuse: 413 above ``most`` bytes, 408 when it takes too long.

    503 at once when the bodies in flight leave no room for it.

    Raises ``Malformed`` for a body that is cut off or does not inflate, ``UnsupportedMediaType`` for an
    encoding other than gzip and deflate.
    """
    settings = request.app[SETTINGS]
    declared = request.content_length
    if declared is not None and declared > most:
        raise _too_large(most)
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in _INFLATE_WBITS and encoding not in {"identity", ""}:
        raise UnsupportedMediaType("Send the body as it is, or encoded as gzip or deflate.")
    share = Share(request.app[BODIES], public=auth.caller(request).role == "public")
    share.reach(declared or 0)
    try:
        async with asyncio.timeout(settings.body_timeout_s):
            body = await _receive(request, most, share)
    except TimeoutError as error:
        raise problems.RequestTimeout(
            f"The body did not arrive within {settings.body_timeout_s:g} s."
        ) from error
    except (RequestPayloadError, HttpProcessingError, ConnectionError) as error:
        raise Malformed("The body is cut off or its chunks are malformed.") from error
    if encoding not in _INFLATE_WBITS:
        return body
    if len(body) <= INFLATE_IN_LOOP_MAX_BYTES:
        return inflate(body, encoding, most, share.reach)
    return await asyncio.to_thread(inflate, body, encoding, most, share.reach)


async def _receive(request: web.Request, most: int, share: Share) -> bytes:
    body = bytearray()
    while chunk := await request.content.readany():
        body += chunk
        if len(body) > most:
            raise _too_large(most)
        share.reach(len(body))
    return bytes(body)


def inflate(body: bytes, encoding: str, most: int, reach: Callable[[int], None] = lambda _: None) -> bytes:
    """Inflate a gzip or deflate body (RFC 1952, 1950, 1951), never making more than ``most`` bytes of it.

    ``reach`` is told how many bytes are held by now, packed and not, and may refuse.
    Deflate is taken with its zlib header and, as some clients send it, without.
    """
    wbits = _INFLATE_WBITS[encoding]
    if encoding == "deflate" and body and body[0] & 0x0F != zlib.DEFLATED:
        wbits = -zlib.MAX_WBITS
    inflated, packed = bytearray(), len(body)
    try:
        while True:
            stream = zlib.decompressobj(wbits)
            while body and not stream.eof:
                inflated += stream.decompress(body, min(INFLATE_STEP_BYTES, most + 1 - len(inflated)))
                if len(inflated) > most:
                    raise _too_large(most)
                reach(packed + len(inflated))
                body = stream.unconsumed_tail
            if not stream.eof:
                raise Malformed("The compressed body is cut off.")
            body = stream.unused_data  # a gzip file may have several members
            if not body:
                return bytes(inflated)
            if encoding == "deflate":
                raise Malformed("Something follows the compressed body.")
    except zlib.error as error:
        raise Malformed(f"The body is not valid {encoding}.") from error


def _too_large(most: int) -> TooLarge:
    return TooLarge(f"A body has at most {most} bytes, compressed or not.")
