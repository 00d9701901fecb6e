"""Load: closed loops over a number of connections, by ``wrk`` where it is installed, else by ``generator``.

Each connection sends its next request when it has its answer, so latencies are those under full load.
``wrk`` is compiled and takes little of the cores that it shares with what it measures; the generator of our
own takes more of them, which is said.
"""

import asyncio
import json
import secrets
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import orjson

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LONGEST_S = 30.0  # for a first answer
GRACE_S = 60.0  # beyond the time of a load, for its last answers
ONE = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
JSON = "application/json"

Kind = Literal["numbers", "lines", "lookups", "events"]


@dataclass(frozen=True, slots=True)
class Load:
    """What to send, and for how long.

    ``numbers``: GET ``path`` with a company's number behind it; ``lines``: GET the paths in ``file``;
    ``lookups``: POST so many (``size``) of them; ``events``: POST so many, made from templates in ``file``.
    """

    url: str
    kind: Kind
    path: str = ""
    first: int = 0  # of the companies' numbers
    count: int = 0
    size: int = 1
    file: Path | None = None
    token: str | None = None
    type: str | None = None
    connections: int = 32

    def given(self) -> dict[str, str]:
        """Give what the generators are told; no two runs of a load make the same event."""
        names = ("kind", "path", "first", "count", "size", "file", "token", "type")
        found = {name: getattr(self, name) for name in names}
        found["run"] = f"{secrets.token_hex(4)}-"
        found["seed"] = int.from_bytes(secrets.token_bytes(3))
        return {name: str(value) for name, value in found.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Loaded:
    """What came of it. ``refused``: answers of 400 and above; ``broken``: requests without any."""

    requests: int
    seconds: float
    refused: int
    broken: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    most_ms: float

    @property
    def per_s(self) -> float:
        return self.requests / self.seconds


@cache
def generator() -> str:
    """Name what makes the load."""
    return "wrk" if shutil.which("wrk") else "tests.bench.generator"


async def run(load: Load, seconds: float) -> Loaded:
    """Make the load, longer where nothing was answered; ``RuntimeError`` when any was refused or broken."""
    while True:
        loaded = await once(load, seconds)
        if loaded.refused or loaded.broken:
            raise RuntimeError(f"{load.kind} {load.path}: {loaded}")
        if loaded.requests:
            return loaded
        if seconds > LONGEST_S:
            raise RuntimeError(f"{load.kind} {load.path}: no answer within {seconds:.0f} s")
        seconds *= 2


async def once(load: Load, seconds: float) -> Loaded:
    """Make the load once, whatever comes of it."""
    given = load.given()
    if generator() == "wrk":
        command = _wrk(load, seconds, given)
    else:
        told = given | {"url": load.url, "connections": str(load.connections), "seconds": str(seconds)}
        command = [sys.executable, "-m", "tests.bench.generator", json.dumps(told)]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=ROOT
    )
    try:
        async with asyncio.timeout(seconds + GRACE_S):
            said = (await process.communicate())[0].decode()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    lines = [line for line in said.splitlines() if line.startswith("RESULT ")]
    if not lines:
        raise RuntimeError(f"{generator()}: {said[-1000:]}")
    return Loaded(**json.loads(lines[-1].removeprefix("RESULT ")))


def _wrk(load: Load, seconds: float, given: Mapping[str, str]) -> list[str]:
    whole = max(1, round(seconds))  # it takes whole seconds
    options = ["--threads=1", f"--connections={load.connections}", f"--duration={whole}s", "--timeout=30s"]
    arguments = [f"{name}={value}" for name, value in given.items()]
    return ["wrk", *options, f"--script={HERE / 'wrk.lua'}", load.url, "--", *arguments]


def write_templates(path: Path, events: list[dict[str, object]]) -> Path:
    """Write events as templates: their identity a slot, their organisation's number another.

    A slot is a character of its own, 1 and 2, which JSON would escape: so it is put in behind that.
    """
    number = str(events[0]["subject"]).partition(":")[2]
    lines = []
    for event in events:
        text = orjson.dumps(event).replace(str(event["id"]).encode(), b"\1").replace(number.encode(), b"\2")
        lines.append(text + b"\n")
    path.write_bytes(b"".join(lines))
    return path
