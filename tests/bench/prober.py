"""Asks for pages in turn, a few at a time, and tells each page's latencies: ``python -m tests.bench.prober``.

A page is asked for again once it has come, by as many as ask: people do not ask as fast as programs.
"""

import asyncio
import json
import math
import random
import sys
import time
from typing import Any
from urllib.parse import urlsplit

import uvloop

from tests.bench.figures import percentile
from tests.bench.generator import Connection

PATIENCE_S = 30.0


class Turns:
    """Makes the requests of one connection: a page of each kind in turn, so that place tells which it was."""

    def __init__(self, pages: dict[str, list[str]], start: int, seed: int) -> None:
        self._pages = [*pages.values()]
        self._names = [*pages]
        self._chance = random.Random(seed)
        self._start = self._sent = start

    def next(self) -> bytes:
        path = self._chance.choice(self._pages[self._sent % len(self._pages)])
        self._sent += 1
        return f"GET {path} HTTP/1.1\r\nHost: bench\r\nAccept: text/html\r\n\r\n".encode()

    def name(self, place: int) -> str:
        return self._names[(self._start + place) % len(self._names)]


async def work(given: dict[str, Any]) -> dict[str, object]:
    """Ask for so long, or until each page was asked for once, and tell what came of it."""
    where, pages = urlsplit(given["url"]), given["pages"]
    counts = {"refused": 0, "broken": 0}
    asking: list[tuple[Turns, list[float]]] = []
    loop = asyncio.get_running_loop()
    made = []
    for place in range(int(given["connections"])):
        turns, took_ms = Turns(pages, place, int(given["seed"]) + place), list[float]()
        asking.append((turns, took_ms))
        made.append(
            await loop.create_connection(
                lambda turns=turns, took_ms=took_ms: Connection(turns, took_ms, counts),  # type: ignore[misc]
                where.hostname,
                where.port,
            )
        )
    began, seconds = time.perf_counter(), float(given["seconds"])
    await asyncio.sleep(seconds)
    while any(len(took_ms) < len(pages) for _, took_ms in asking):
        if counts["broken"] or time.perf_counter() - began > seconds + PATIENCE_S:
            break
        await asyncio.sleep(0.05)
    for transport, connection in made:
        connection.stopping = True
        transport.abort()
    return {**counts, "pages": {name: _told(name, asking) for name in pages}}


def _told(name: str, asking: list[tuple[Turns, list[float]]]) -> dict[str, float]:
    found = [ms for turns, took_ms in asking for place, ms in enumerate(took_ms) if turns.name(place) == name]
    ordered = sorted(found)
    told = {f"p{part}_ms": percentile(ordered, part) for part in (50, 95, 99)}
    return told | {"first_ms": found[0] if found else math.nan, "requests": len(found)}


if __name__ == "__main__":
    result = uvloop.run(work(json.loads(sys.stdin.read())))
    sys.stdout.write(f"RESULT {json.dumps(result)}\n")
