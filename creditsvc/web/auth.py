"""Who is asking: bearer keys, checked in constant time and remembered for seconds only."""

import asyncio
import hashlib
import hmac
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from aiohttp import web

from creditsvc.domain.parties import party
from creditsvc.errors import Forbidden, Unauthenticated
from creditsvc.store.clients import Key
from creditsvc.web.routes import Role

REMEMBER_S = 2.0  # so a revoked key stops working within seconds, on every worker
KNOWN_MAX = 10_000  # keys remembered as existing
UNKNOWN_MAX = 10_000  # key ids remembered as not existing; apart, so that guesses cannot push keys out
_BEARER = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]{16,256})")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent the request, as far as the key shows; without a key, the public."""

    role: Role
    key_id: str | None = None
    client_id: str | None = None
    sources: frozenset[str] = frozenset()  # what an agency or an organisation may send as ``source``
    entity: str | None = None  # the organisation whose own key this is
    purpose: str | None = None  # what its queries are for unless they say


PUBLIC = Caller("public")
CALLER: web.RequestKey[Caller] = web.RequestKey("caller", Caller)

FetchKey = Callable[[str], Awaitable[Key | None]]


def caller(request: web.Request) -> Caller:
    """Tell who is asking; known before any handler runs."""
    return request[CALLER]


class Keyring:
    """The keys that this worker has seen in the last seconds; bounded, and one fetch at a time for each."""

    def __init__(self, fetch: FetchKey) -> None:
        self._fetch = fetch
        self._known: OrderedDict[str, tuple[float, Key]] = OrderedDict()
        self._unknown: OrderedDict[str, float] = OrderedDict()
        self._fetching: dict[str, asyncio.Task[Key | None]] = {}

    def is_remembered(self, authorization: str) -> bool:
        """Whether this names a key seen before, so that trying it is no guess (its secret aside)."""
        found = _BEARER.fullmatch(authorization)
        return found is not None and found[1] in self._known

    async def identify(self, authorization: str) -> Caller:
        """Find who holds the key in an Authorization header; ``Unauthenticated`` if it is none that holds.

        Malformed, unknown, expired and revoked read the same: which it was is the owner's business alone.
        """
        found = _BEARER.fullmatch(authorization)
        if found is None:
            raise not_valid()
        key = await self._key(found[1])
        given = hashlib.sha256(found[2].encode()).digest()
        # Compared even if there is no such key, so that the time it takes does not tell.
        same = hmac.compare_digest(given, key.secret_sha256 if key is not None else bytes(32))
        if key is None or not same or not _holds(key):
            raise not_valid()
        return _caller(key)

    async def holder(self, key_id: str) -> Caller:
        """Find who holds a key whose secret was shown before; ``Unauthenticated`` once it is closed."""
        key = await self._key(key_id)
        if key is None or not _holds(key):
            raise not_valid()
        return _caller(key)

    async def _key(self, key_id: str) -> Key | None:
        now_s = time.monotonic()
        known = self._known.get(key_id)
        if known is not None and now_s - known[0] < REMEMBER_S:
            return known[1]
        if now_s - self._unknown.get(key_id, -REMEMBER_S) < REMEMBER_S:
            return None
        task = self._fetching.get(key_id)
        if task is None:
            task = asyncio.create_task(self._fetch_and_remember(key_id, now_s))
            self._fetching[key_id] = task
            task.add_done_callback(lambda _: self._fetching.pop(key_id, None))
        return await asyncio.shield(task)

    async def _fetch_and_remember(self, key_id: str, now_s: float) -> Key | None:
        key = await self._fetch(key_id)
        # Dated before the fetch: a revocation that the fetch just missed is seen REMEMBER_S after it at most.
        if key is None:
            self._known.pop(key_id, None)
            self._unknown[key_id] = now_s
            self._unknown.move_to_end(key_id)
            if len(self._unknown) > UNKNOWN_MAX:
                self._unknown.popitem(last=False)
        else:
            self._unknown.pop(key_id, None)
            self._known[key_id] = (now_s, key)
            self._known.move_to_end(key_id)
            if len(self._known) > KNOWN_MAX:
                self._known.popitem(last=False)
        return key


def _holds(key: Key) -> bool:
    if key.revoked_at is not None:
        return False
    return key.expires_at is None or datetime.now(UTC) < key.expires_at


def _caller(key: Key) -> Caller:
    sources = key.sources if key.entity is None else frozenset({party(key.entity)})
    return Caller(key.role, key.key_id, key.client_id, sources, key.entity, key.purpose)


def not_valid() -> Unauthenticated:
    """Make the one refusal for every key that does not hold."""
    return Unauthenticated("Send a valid key: Authorization: Bearer <key id>.<secret>.")


def require(caller: Caller, roles: frozenset[Role] | None) -> None:
    """Let pass whom a route is for: ``Unauthenticated`` without a key, ``Forbidden`` in another role."""
    if roles is None or caller.role in roles:
        return
    if caller.role == "public":
        raise not_valid()
    raise Forbidden(f"This is for the role {' or '.join(sorted(roles))}.")


KEYRING = web.AppKey("keyring", Keyring)
