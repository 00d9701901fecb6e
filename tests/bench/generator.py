"""A load generator where ``wrk`` is not: ``python -m tests.bench.generator '{"kind": …}'``; see `load`.

Raw sockets under uvloop: it reads no more of an answer than its status and where it ends.
"""

import asyncio
import json
import random
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import uvloop

from tests.bench.figures import percentile

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_LAST_CHUNK = b"\r\n0\r\n\r\n"  # in JSON no line ends so
PATIENCE_S = 30.0
BODIES = 64  # of look-ups that are made before and sent again and again


class Requests:
    """Makes requests, one after the other."""

    def __init__(self, given: dict[str, str]) -> None:
        self._given = given
        self._chance = random.Random(int(given["seed"]))
        self._first, self._count = int(given["first"]), int(given["count"])
        self._sent = 0
        kind, file = given["kind"], Path(given.get("file", ""))
        self._lines = file.read_text().splitlines() if kind == "lines" else []
        self._templates = file.read_text().splitlines() if kind == "events" else []
        self._bodies = [self._lookups() for _ in range(BODIES)] if kind == "lookups" else []
        makers: dict[str, Callable[[], bytes]] = {
            "numbers": lambda: self._get(given["path"] + self._number()),
            "lines": lambda: self._get(self._chance.choice(self._lines)),
            "lookups": lambda: self._chance.choice(self._bodies),
            "events": self._events,
        }
        self.next = makers[kind]

    def _number(self) -> str:
        return str(self._first + self._chance.randrange(self._count))

    def _head(self, method: str, path: str) -> str:
        head = f"{method} {path} HTTP/1.1\r\nHost: bench\r\n"
        if "token" in self._given:
            head += f"Authorization: Bearer {self._given['token']}\r\n"
        if "type" in self._given:
            head += f"Content-Type: {self._given['type']}\r\n"
        return head

    def _get(self, path: str) -> bytes:
        return f"{self._head('GET', path)}\r\n".encode()

    def _post(self, body: str) -> bytes:
        raw = body.encode()
        return f"{self._head('POST', self._given['path'])}Content-Length: {len(raw)}\r\n\r\n".encode() + raw

    def _lookups(self) -> bytes:
        wanted = [f"gb-coh:{self._number()}" for _ in range(int(self._given["size"]))]
        return self._post(json.dumps({"entities": wanted}))

    def _event(self) -> str:
        self._sent += 1
        template = self._templates[self._sent % len(self._templates)]
        return template.replace("\1", f"{self._given['run']}{self._sent}").replace("\2", self._number())

    def _events(self) -> bytes:
        size = int(self._given["size"])
        return self._post(self._event() if size == 1 else f"[{','.join(self._event() for _ in range(size))}]")


class Connection(asyncio.Protocol):
    """One connection: sends, waits for the whole answer, sends again."""

    def __init__(self, requests: Requests, took_ms: list[float], counts: dict[str, int]) -> None:
        self._requests, self._took_ms, self._counts = requests, took_ms, counts
        self._transport: asyncio.Transport | None = None
        self._data = b""
        self._began = 0.0
        self.stopping = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class
        self._send()

    def _send(self) -> None:
        assert self._transport is not None
        request = self._requests.next()
        self._began = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._data += data
        head = self._data.find(b"\r\n\r\n")
        if head < 0:
            return
        length = _LENGTH.search(self._data, 0, head + 2)
        if length is None and _CHUNKED.search(self._data, 0, head + 2):
            if not self._data.endswith(_LAST_CHUNK):
                return
        elif len(self._data) < head + 4 + (int(length[1]) if length else 0):
            return
        if not self.stopping:
            self._took_ms.append((time.perf_counter() - self._began) * 1000)
            self._counts["refused"] += self._data[9:12] >= b"400"
            self._data = b""
            self._send()

    def connection_lost(self, _: Exception | None) -> None:
        self._counts["broken"] += not self.stopping


async def work(given: dict[str, str]) -> dict[str, float]:
    """Send for so long, and tell what came of it."""
    where = urlsplit(given["url"])
    requests, took_ms, counts = Requests(given), [], {"refused": 0, "broken": 0}
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    made = [
        await loop.create_connection(
            lambda: Connection(requests, took_ms, counts), where.hostname, where.port
        )
        for _ in range(int(given["connections"]))
    ]
    await asyncio.sleep(float(given["seconds"]))
    while not took_ms and time.perf_counter() - began < PATIENCE_S:  # noqa: ASYNC110  one answer is waited for
        await asyncio.sleep(0.05)
    seconds = time.perf_counter() - began
    for transport, connection in made:
        connection.stopping = True
        transport.abort()
    took_ms.sort()
    found = {f"p{part}_ms": percentile(took_ms or [0.0], part) for part in (50, 90, 99)}
    return {
        "requests": len(took_ms),
        "seconds": seconds,
        **counts,
        **found,
        "most_ms": max(took_ms, default=0.0),
    }


if __name__ == "__main__":
    result = uvloop.run(work(json.loads(sys.argv[1])))
    sys.stdout.write(f"RESULT {json.dumps(result)}\n")
