"""Rate limits: GCRA as plain arithmetic, and a bounded table of who has spent what.

Each worker process keeps its own table and grants its share, the quota divided by the number of workers, so
that the sum over all of them never exceeds what is promised; nothing is shared and nothing is waited for.
A caller on one connection is served by one worker and so may get no more than that worker's share.
``RateLimit-Policy`` names the whole quota, ``RateLimit`` what this worker still grants for certain.

Sources: ITU-T I.371 (generic cell rate algorithm); draft-ietf-httpapi-ratelimit-headers for the headers.
"""

import ipaddress
import math
import time
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache

from aiohttp import web

from creditsvc.errors import RateLimited
from creditsvc.settings import Settings
from creditsvc.web.auth import CALLER, PUBLIC, Caller

WINDOW_S = 60
ROUNDING_S = 1e-6  # of floating point, on a clock that has run for years
TABLE_MAX_ENTRIES = 100_000  # about 20 MB; the longest unseen are forgotten first


@dataclass(frozen=True, slots=True)
class Quota:
    """So many units in so many seconds; all of them may be spent at once."""

    name: str
    units: float
    window_s: float = WINDOW_S


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a charge came to."""

    allowed: bool
    spent_until_s: (
        float  # the theoretical arrival time: when the whole quota is there again, on the clock given
    )
    remaining: int  # units that could be spent right now
    reset_s: float  # from now until the whole quota is there again
    retry_after_s: float  # from now until the same charge would be allowed; 0 if it was


def charge_quota(quota: Quota, spent_until_s: float, now_s: float, units: float) -> Verdict:
    """Charge ``units`` to a quota that is spent until a certain time (GCRA, virtual scheduling).

    A charge above the whole quota is allowed when nothing else is spent, and its debt delays what follows:
    refused for good it could never be served. A refused charge costs nothing.
    """
    per_unit_s = quota.window_s / quota.units
    start_s = max(spent_until_s, now_s)
    end_s = start_s + units * per_unit_s
    room_s = max(quota.window_s, units * per_unit_s)
    allowed = end_s - now_s <= room_s + ROUNDING_S
    spent_s = end_s if allowed else start_s
    left_s = max(0.0, quota.window_s - (spent_s - now_s))
    return Verdict(
        allowed=allowed,
        spent_until_s=spent_s,
        remaining=math.floor(left_s / per_unit_s + 1e-9),
        reset_s=spent_s - now_s,
        retry_after_s=0.0 if allowed else end_s - now_s - room_s,
    )


class Table:
    """Until when each caller has spent its quota; bounded, the longest unseen forgotten first."""

    def __init__(self, entries_max: int = TABLE_MAX_ENTRIES) -> None:
        self._entries_max = entries_max
        self._spent_until_s: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._spent_until_s)

    def charge(self, who: str, quota: Quota, now_s: float, units: float) -> Verdict:
        verdict = charge_quota(quota, self._spent_until_s.get(who, now_s), now_s, units)
        self._spent_until_s[who] = verdict.spent_until_s
        self._spent_until_s.move_to_end(who)
        self._forget(now_s)
        return verdict

    def _forget(self, now_s: float) -> None:
        # Two at a time: the table shrinks faster than it grows. A quota that is whole again needs no entry.
        for _ in range(2):
            oldest = next(iter(self._spent_until_s))
            if len(self._spent_until_s) <= self._entries_max and self._spent_until_s[oldest] > now_s:
                return
            if len(self._spent_until_s) == 1:
                return
            del self._spent_until_s[oldest]


class Limits:
    """The quotas of one worker. Floods of addresses cannot make it forget what keys have spent."""

    def __init__(self, settings: Settings) -> None:
        self._trust_forwarded = settings.trust_forwarded
        self._workers = settings.worker_count
        other = settings.other_per_minute
        self._promised = {
            "public": settings.anonymous_per_minute,
            "agency": settings.agency_per_minute,
            "partner": settings.partner_per_minute,
            "entity": other,
            "auditor": other,
            "operator": other,
        }
        self._quotas = {
            role: Quota(role, promised / self._workers) for role, promised in self._promised.items()
        }
        self._keys = Table()
        self._addresses = Table()

    def charge(self, caller: Caller, address: str, now_s: float, units: float) -> Verdict:
        quota = self._quotas[caller.role]
        if caller.key_id is None:
            return self._addresses.charge(address, quota, now_s, units)
        return self._keys.charge(caller.key_id, quota, now_s, units)

    def address(self, request: web.BaseRequest) -> str:
        """Tell where the request comes from, as far as limits go."""
        if self._trust_forwarded:
            # The last address is the one that our own proxy wrote; those before it are the client's word.
            forwarded = request.headers.getall("X-Forwarded-For", [""])[-1].rpartition(",")[2].strip()
            if forwarded:
                return network(forwarded)
        return network(request.remote or "")

    def headers(self, caller: Caller, verdict: Verdict) -> dict[str, str]:
        """Render a verdict as structured fields (RFC 9651)."""
        return {"RateLimit-Policy": self.policy(caller), "RateLimit": left(caller, verdict)}

    def policy(self, caller: Caller) -> str:
        """Render what is promised to a caller; the same for each of a role."""
        return f'"{caller.role}";q={self._promised[caller.role]};w={WINDOW_S}'


def left(caller: Caller, verdict: Verdict) -> str:
    """Render what is left."""
    return f'"{caller.role}";r={verdict.remaining};t={math.ceil(verdict.reset_s)}'


@lru_cache(maxsize=4096)
def network(address: str) -> str:
    """Reduce an address to what one subscriber holds: IPv4 whole, IPv6 its /64 (RFC 6177)."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def is_spent(request: web.Request) -> bool:
    """Whether the address of a request has nothing left, without charging it."""
    limits = request.app[LIMITS]
    return limits.charge(PUBLIC, limits.address(request), time.monotonic(), 0).remaining < 1


LIMITS = web.AppKey("limits", Limits)
VERDICT: web.RequestKey[Verdict] = web.RequestKey("verdict", Verdict)


def charge(request: web.Request, units: float) -> None:
    """Charge the caller of a request, who has paid 1 for sending it; ``RateLimited`` if it is too much.

    A handler of batches calls it with what the batch costs beyond that 1, before it does the work.
    """
    if units <= 0:
        return
    limits = request.app[LIMITS]
    verdict = limits.charge(request[CALLER], limits.address(request), time.monotonic(), units)
    request[VERDICT] = verdict
    if not verdict.allowed:
        raise RateLimited(
            "The limit of this key, or without a key of this address, is spent.",
            retry_after_s=max(1, math.ceil(verdict.retry_after_s)),
        )
