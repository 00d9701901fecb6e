"""Where the time goes: ``python -m tests.bench.profile [--data DIRECTORY] [--what lookups ingest-1000]``.

For each kind of load it tells the processor time of a request, by who spent it (workers, PostgreSQL, the
sequencer), and, where ``py-spy`` is installed, what one worker did in that time: which functions
it was in, and which it was in at the bottom. The service is not changed for it: its processes are watched.
"""

import argparse
import asyncio
import contextlib
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench import dataset, load, measures
from tests.bench.__main__ import GIVEN
from tests.bench.dataset import Size
from tests.bench.load import Load
from tests.bench.measures import Bench
from tests.processes import Service, children, service

RATE_HZ = 400
SHOWN = 32
TICKS = os.sysconf("SC_CLK_TCK")

WHAT: dict[
    str, tuple[int, Callable[[Bench], Load]]
] = {  # with how many organisations or events a request has
    "lookups": (1, Bench.numbers),
    "batches": (1_000, measures.many),
    "ingest-1000": (1_000, lambda bench: measures.events(bench, 1_000)),
    "ingest-1": (1, lambda bench: measures.events(bench, 1)),
}


def spent_s(pids: list[int]) -> float:
    """Sum up the processor time of processes so far, of their threads and of children that have ended."""
    total = 0
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += sum(int(field) for field in fields[11:15])
    return total / TICKS


def groups(one: Service) -> dict[str, list[int]]:
    """Name the processes of a service by what they do; PostgreSQL's by the name that it gives them."""
    backends = children(one.postmaster)
    kinds = {"backends": "[local]", "wal writer": "walwriter", "checkpointer": "checkpointer"}
    found = {
        name: [pid for pid, command in backends.items() if part in command] for name, part in kinds.items()
    }
    sequencer = [pid for pid, command in children(one.pid).items() if "creditsvc.sequencing" in command]
    return {"workers": one.workers, "sequencer": sequencer} | found


@asynccontextmanager
async def spied(pid: int, seconds: float, raw: Path) -> AsyncIterator[None]:
    """Have a process sampled while something runs, if there is a sampler."""
    spy = shutil.which("py-spy")
    if spy is None:
        yield
        return
    options = ["--pid", str(pid), "--duration", str(round(seconds)), "--rate", str(RATE_HZ)]
    process = await asyncio.create_subprocess_exec(
        *(spy, "record", *options, "--format", "raw", "--output", str(raw), "--nonblocking"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield
        await process.wait()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


def read(raw: str) -> tuple[int, Counter[str], Counter[str]]:
    """Read collapsed stacks: all samples, those in which a function was, those in which it was the last."""
    inside: Counter[str] = Counter()
    last: Counter[str] = Counter()
    total = 0
    for line in raw.splitlines():
        stack, _, text = line.rpartition(" ")
        frames = [_function(frame) for frame in stack.split(";")]
        count = int(text)
        total += count
        inside.update(dict.fromkeys(frames, count))
        last[frames[-1]] += count
    return total, inside, last


def _function(frame: str) -> str:
    """Leave out the line; keep the end of the path."""
    name, _, where = frame.partition(" (")
    path = where.rpartition(":")[0].rstrip(")") or where.rstrip(")")
    return f"{name} ({'/'.join(path.split('/')[-2:])})"


async def profile(bench: Bench, what: str, seconds: float, console: Console) -> None:
    """Make one kind of load and tell what it cost."""
    each, make = WHAT[what]
    pids = groups(bench.service)
    raw = bench.workspace / f"{what}.raw"
    await load.run(make(bench), 1)
    before = {name: spent_s(some) for name, some in pids.items()}
    async with spied(bench.service.workers[0], max(1, seconds - 1), raw):
        loaded = await load.run(make(bench), seconds)
    items = loaded.requests * each
    console.rule(f"{what}: {items / loaded.seconds:,.0f}/s, half within {loaded.p50_ms:.2f} ms")
    for name, some in pids.items():
        spent = spent_s(some) - before[name]
        console.print(f"{name:>14}: {spent / items * 1e6:8.1f} µs each, {spent / loaded.seconds:5.2f} cores")
    if raw.exists():
        _show(*read(raw.read_text()), console)


def _show(total: int, inside: Counter[str], last: Counter[str], console: Console) -> None:
    table = Table(box=None, header_style="bold")
    for column in ("within", "", "at the bottom of it", ""):
        table.add_column(column, overflow="ellipsis", no_wrap=True)
    for (outer, some), (inner, own) in zip(inside.most_common(SHOWN), last.most_common(SHOWN), strict=False):
        table.add_row(outer, f"{some / total:.1%}", inner, f"{own / total:.1%}")
    console.print(table)


async def run(given: argparse.Namespace, console: Console) -> None:
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        workspace = Path(scratch)
        directory = given.data / "all" if given.data else workspace / "data"
        size = Size(given.entities // 2, given.mean, compared=given.data is not None)
        await dataset.build(directory, size)
        async with service(directory, **GIVEN) as one:
            bench = Bench(one, "", None, None, size.each, given.seconds, 1, workspace, lambda _: None)
            await measures.warm(bench)
            for what in given.what:
                await profile(bench, what, given.seconds, console)


def main() -> None:
    parser = argparse.ArgumentParser(description="Where the time of a request goes")
    parser.add_argument("--what", choices=[*WHAT], nargs="+", default=[*WHAT])
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--entities", type=int, default=20_000)
    parser.add_argument("--mean", type=float, default=2.0)
    parser.add_argument("--data", type=Path, help="a data set that `python -m tests.bench --data` has built")
    asyncio.run(run(parser.parse_args(), Console(width=180)))


if __name__ == "__main__":
    main()
