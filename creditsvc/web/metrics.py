"""What the service counts, in base units and with bounded labels; one scrape sums all workers.

With several workers each writes its numbers into files under ``PROMETHEUS_MULTIPROC_DIR``, which the parent
sets before a worker starts, and whichever worker is scraped adds them all up. What the ledger counts is
in ``creditsvc.ledger.measures``.
"""

import asyncio
import math
import os
import time
from collections import deque
from functools import lru_cache

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client import generate_latest as render
from prometheus_client.multiprocess import MultiProcessCollector

from creditsvc.ledger.measures import OPEN_CASES
from creditsvc.web.routes import Response, Route

DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
REMEMBER_S = 1.0
RENDERINGS_MAX = 4  # in that time, whoever scrapes and however often; beyond them the last is repeated
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNMATCHED = "unmatched"  # the route label of a request that no route takes

requests_total = Counter(
    "creditsvc_http_requests_total",
    "Requests answered, by route template, method and class of status",
    ("route", "method", "status"),
)
request_seconds = Histogram(
    "creditsvc_http_request_duration_seconds",
    "From the request's head read to the answer's last byte handed to the system",
    ("route", "method"),
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
connections = Gauge(
    "creditsvc_connections", "Connections of clients that are open now", multiprocess_mode="livesum"
)
connections_refused_total = Counter(
    "creditsvc_connections_refused_total", "Connections closed at once because there were enough"
)
refusals_total = Counter(
    "creditsvc_refusals_total", "Requests refused, by the last word of the problem's type", ("problem",)
)
for _problem in ("internal", "unavailable", "rate-limited"):  # so that the first one shows as a rise
    refusals_total.labels(_problem)


@lru_cache(maxsize=4096)  # routes, methods and classes of status: all bounded
def _of_request(route: str, method: str, status_class: int) -> tuple[Counter, Histogram]:
    counted = requests_total.labels(route, method, f"{status_class}xx")
    return counted, request_seconds.labels(route, method)


def observe_request(route: str, method: str, status: int, duration_s: float) -> str:
    """Count one answered request; methods outside the common ones count as OTHER, so labels stay bounded.

    Gives the method as it was counted.
    """
    known = method if method in METHODS else "OTHER"
    counted, timed = _of_request(route, known, status // 100)
    counted.inc()
    timed.observe(duration_s)
    return known


def registry() -> CollectorRegistry:
    """Give what tells every metric, of all workers where there are several."""
    if DIRECTORY not in os.environ:
        return REGISTRY
    found = CollectorRegistry()
    MultiProcessCollector(found)  # type: ignore[no-untyped-call]
    found.register(OPEN_CASES)
    return found


def exposition() -> bytes:
    """Render every metric in the Prometheus text format."""
    return render(registry())


class Remembered:
    """The last exposition; rendering is done one at a time, and so many times a second at most."""

    def __init__(self) -> None:
        self._body = b""
        self._rendered_s = deque([-math.inf] * RENDERINGS_MAX, maxlen=RENDERINGS_MAX)
        self._lock = asyncio.Lock()

    async def body(self) -> bytes:
        async with self._lock:
            if time.monotonic() - self._rendered_s[0] >= REMEMBER_S:
                # In a thread: it reads a file or two per worker, and look-ups need not wait for that.
                self._body = await asyncio.to_thread(exposition)
                self._rendered_s.append(time.monotonic())
            return self._body


_remembered = Remembered()


async def scrape(_: web.Request) -> web.Response:
    body = await _remembered.body()
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"})


ROUTES = (
    Route(
        "GET",
        "/metrics",
        scrape,
        name="metrics",
        summary="What the service counts, in the Prometheus text format",
        bare=True,
        responses={200: Response("All metrics", {"type": "string"}, media_type="text/plain")},
    ),
)
