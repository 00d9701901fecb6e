"""Pages for people beside the interface under load: what each takes while look-ups or ingest run flat out."""

import asyncio
import json
import os
import secrets
import signal
import sys
from dataclasses import replace
from statistics import median
from urllib.parse import quote

from tests.bench import load as loads
from tests.bench.dataset import LONG_COPIES, LONG_FIRST
from tests.bench.figures import number
from tests.bench.load import GRACE_S, Load, Loaded
from tests.bench.measures import FULL_BATCH, Bench, events
from tests.bench.organisations import FIRST, SCHEMES, organisation
from tests.processes import PATIENCE_S

ASKING = 2  # at once
PATHS = 300  # of each kind of page that is of an organisation
LONGER = 2  # times a turn of the others: there are eight pages to ask for
HEAD_START_S = 0.5

Figures = dict[str, dict[str, float]]  # of each page


def paths(each: int) -> dict[str, list[str]]:
    """Give the pages that are measured, each by where it is found."""
    step = max(1, each // PATHS)
    of = [f"/entities/gb-coh:{FIRST + place}" for place in range(0, each, step)]
    names = [organisation(SCHEMES[place % 2], place * step % each).name for place in range(PATHS)]
    long = FIRST + LONG_FIRST
    return {
        "home": ["/"],
        "search": [f"/?q={quote(name)}" for name in names],
        "organisation": of,
        "10,000 events": [f"/entities/gb-coh:{long + place}" for place in range(1, LONG_COPIES)],
        "report": [f"{path}/report" for path in of],
        "sign-in": ["/sign-in"],
        "statistics": ["/statistics"],
        "methods": ["/methods"],
    }


async def probe(bench: Bench, seconds: float, connections: int = ASKING) -> Figures:
    """Ask for pages for a while; ``RuntimeError`` when any was refused or never came."""
    told = {"url": bench.service.url, "pages": paths(bench.each), "seconds": seconds}
    told |= {"connections": connections, "seed": secrets.randbits(24)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.prober"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=loads.ROOT,
    )
    try:
        async with asyncio.timeout(seconds + GRACE_S):
            said = (await process.communicate(json.dumps(told).encode()))[0].decode()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if "RESULT " not in said:
        raise RuntimeError(f"prober: {said[-1000:]}")
    found = json.loads(said.rpartition("RESULT ")[2])
    figures: Figures = found["pages"]
    if found["refused"] or found["broken"] or not all(one["requests"] for one in figures.values()):
        raise RuntimeError(f"pages: {found}")
    return figures


async def pages(bench: Bench) -> None:
    """Measure pages beside look-ups, then beside ingest, then the first of each from a new worker."""
    pushes = replace(events(bench, FULL_BATCH), connections=2)
    for key, beside in (("pages", bench.numbers()), ("pages-ingest", pushes)):
        rounds = [await _beside(bench, beside) for _ in range(bench.rounds)]
        told = "; ".join(_words(name, [one for one, _ in rounds]) for name in rounds[0][0])
        load = [loaded for _, loaded in rounds]
        if key == "pages":
            rate, tail = (median(getattr(one, name) for one in load) for name in ("per_s", "p99_ms"))
            told += f"; beside {number(rate)} look-ups/s, 99 of 100 of them within {number(tail)} ms"
        slowest = {part: [_slowest(one, part) for one, _ in rounds] for part in ("p95_ms", "p99_ms")}
        bench.found(key, median(slowest["p95_ms"]), f"p50/p95/p99 in ms: {told}", slowest["p95_ms"])
        bench.found(f"{key}-p99", median(slowest["p99_ms"]), "", slowest["p99_ms"])
    bench.tell("first pages")
    first = [await _first(bench) for _ in range(bench.rounds)]
    worst = [max(each["first_ms"] for each in one.values()) for one in first]
    told = ", ".join(f"{name} {number(median(one[name]['first_ms'] for one in first))}" for name in first[0])
    bench.found("pages-first", median(worst), f"ms: {told}", worst)


def _slowest(found: Figures, part: str) -> float:
    return max(one[part] for one in found.values())


def _words(name: str, rounds: list[Figures]) -> str:
    parts = (number(median(one[name][part] for one in rounds)) for part in ("p50_ms", "p95_ms", "p99_ms"))
    return f"{name} {'/'.join(parts)}"


async def _beside(bench: Bench, beside: Load) -> tuple[Figures, Loaded]:
    """Ask for pages while a load runs; what came of the load too."""
    bench.tell(f"pages beside {beside.kind}")
    seconds = LONGER * bench.seconds
    loading = asyncio.create_task(loads.once(beside, seconds + 2 * HEAD_START_S))
    await asyncio.sleep(HEAD_START_S)
    try:
        return await probe(bench, seconds), await loading
    finally:
        loading.cancel()


async def _first(bench: Bench) -> Figures:
    """Have the workers replaced, and ask one of them once for each page."""
    before = bench.service.workers
    for pid in before:
        os.kill(pid, signal.SIGTERM)
    async with asyncio.timeout(PATIENCE_S):
        while not {*bench.service.workers}.isdisjoint(before):  # noqa: ASYNC110  processes are looked at
            await asyncio.sleep(0.05)
    await bench.service.ready()
    return await probe(bench, 0, connections=1)
