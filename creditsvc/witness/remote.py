"""A log over HTTP, as an outside party reads it: every answer bounded, none trusted.

``Unanswered`` proves nothing about the log: a machine between may be at fault. What an answer says is judged
elsewhere.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import aiohttp
import orjson

from creditsvc.ledger.tiles import HASH_BYTES, Tile
from creditsvc.loading.answers import REDIRECTED, is_redirect

NOTE_MAX_BYTES = 256 * 1024
DOCUMENT_MAX_BYTES = 64 * 1024
# An entry is an event of at most 64 KiB (CREDITSVC_EVENT_MAX_BYTES), its place, salt and hash: twice the
# event leaves room. Whoever gets no page asks for fewer entries, down to one.
ITEM_MAX_BYTES = 128 * 1024
PAGE_MAX_BYTES = 16 * 1024 * 1024  # also of one entry: it brings along the events of its record that it opens
# Each value in a page follows one of these marks, and takes some 100 bytes of memory at most: 50 MB in all.
MARKS, MARKS_MAX = (b"{", b"[", b",", b":"), 500_000
TIMEOUT_S = 60.0
PATIENCE_S = 60.0  # with a service that asks to come later
LONGEST_PAUSE_S = 10.0
MAX_DELAY_MAX_S = 86_400.0  # a promise for later than in a day is none
WELL_KNOWN = "/.well-known/creditsvc-log.json"

_LATER = frozenset({429, 502, 503, 504})


class Unanswered(Exception):  # noqa: N818  it says what happened
    """The log did not give what it was asked for; the text says what and how, ``advice`` what to do."""

    advice = (
        "Look again later. If it stays so, ask its operator why: a log that does not answer is not checked."
    )


class Unreadable(Unanswered):
    """It answered, but not with what an answer must be, or failed over this very request."""


class Remote:
    """The log of a service at an address; ``key`` opens the feed."""

    def __init__(self, session: aiohttp.ClientSession, url: str, key: str | None = None) -> None:
        self.url = url
        self.has_key = key is not None
        self._session = session
        self._headers = {} if key is None else {"Authorization": f"Bearer {key}"}

    async def checkpoint(self) -> str:
        """Give the newest checkpoint, unchecked."""
        body = await self._get("/v1/log/checkpoint", NOTE_MAX_BYTES, headers={"Cache-Control": "no-cache"})
        try:
            return body.decode()
        except UnicodeDecodeError as error:
            raise Unreadable("the checkpoint is not UTF-8") from error

    async def tile(self, tile: Tile) -> bytes:
        """Give the hashes of a tile, unchecked but for their number."""
        path = f"/v1/log/tile/{tile.path()}"
        hashes = await self._get(path, DOCUMENT_MAX_BYTES)
        if len(hashes) != tile.width * HASH_BYTES:
            raise Unreadable(f"tile {tile.path()} has {len(hashes)} bytes")
        return hashes

    async def max_delay_s(self) -> float:
        """Give the longest time, as the log publishes it, from an event's receipt to its place in the log."""
        document = await self._json(WELL_KNOWN, DOCUMENT_MAX_BYTES, {})
        delay = document.get("max_delay_s") if isinstance(document, Mapping) else None
        if isinstance(delay, bool) or not isinstance(delay, int | float) or not 0 < delay <= MAX_DELAY_MAX_S:
            raise Unreadable(f"{WELL_KNOWN} names no max_delay_s")
        return float(delay)

    async def entries(self, first: int, count: int) -> Any:
        """Give a page of the feed from a position on, unchecked."""
        return await self._page("/v1/log/events", count, {"from": str(first)})

    async def history(self, entity: str, count: int, query: Mapping[str, str]) -> Any:
        """Give a page of an organisation's events, unchecked; None where the caller is shown none."""
        try:
            return await self._page(f"/v1/entities/{entity}/history", count, query)
        except _NotThere:
            return None

    async def _page(self, path: str, count: int, query: Mapping[str, str]) -> Any:
        """Give a page of so many entries at most, in bytes that so many can take."""
        most = PAGE_MAX_BYTES if count == 1 else min(count * ITEM_MAX_BYTES, PAGE_MAX_BYTES)
        return await self._json(path, most, {**query, "limit": str(count)})

    async def _json(self, path: str, most: int, query: Mapping[str, str]) -> Any:
        body = await self._get(path, most, query=query, headers=self._headers)
        if sum(map(body.count, MARKS)) > MARKS_MAX:
            raise Unreadable(f"{path} is answered with more than {MARKS_MAX} values")
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise Unreadable(f"{path} is not answered with JSON") from error

    async def _get(
        self,
        path: str,
        most: int,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """Give the body of a 200; waits as long as the service asks it to, within its patience."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                status, body, pause_s = await self._once(path, most, query or {}, headers or {})
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
                raise Unanswered(f"no answer from {self.url}{path} ({type(error).__name__})") from error
            if status == 200:
                return body
            if status not in _LATER or time.monotonic() + pause_s > deadline:
                raise _failed(path, status)
            await asyncio.sleep(pause_s)

    async def _once(
        self, path: str, most: int, query: Mapping[str, str], headers: Mapping[str, str]
    ) -> tuple[int, bytes, float]:
        async with self._session.get(
            self.url + path, params=query, headers=headers, allow_redirects=False
        ) as response:
            body = bytearray()
            async for chunk in response.content.iter_chunked(64 * 1024):
                body += chunk
                if len(body) > most:
                    raise Unreadable(f"{path} is answered with more than {most} bytes")
            return response.status, bytes(body), _pause_s(response.headers.get("Retry-After", ""))


class _NotThere(Unanswered):
    pass


class _NotLetIn(Unanswered):
    advice = (
        "Give an auditor's key that is live in CREDITSVC_KEY, or none: then checkpoints alone are checked."
    )


def _failed(path: str, status: int) -> Unanswered:
    if is_redirect(status):
        return Unanswered(REDIRECTED.replace("--url", "the URL"))
    if status == 404:
        return _NotThere(f"{path} is answered with 404")
    if status in {401, 403}:
        return _NotLetIn(f"{path} is answered with {status}")
    kind = Unreadable if status == 500 else Unanswered
    return kind(f"{path} is answered with {status}")


def _pause_s(retry_after: str) -> float:
    return min(max(float(retry_after), 1.0), LONGEST_PAUSE_S) if retry_after.isdecimal() else 1.0
