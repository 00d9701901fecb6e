"""How fast the sequencer is beside ingest: ``python -m tests.bench.log [--seconds 15]``.

One service on its embedded PostgreSQL; clients push batches of 1,000 inspections as fast as they are taken.
Three stretches of one run, to be compared with each other and with nothing else:

1. ingest alone, the sequencer stopped (SIGSTOP);
2. the sequencer alone, on what has piled up;
3. both.
"""

import argparse
import asyncio
import os
import signal
import tempfile
import time
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import aiohttp
import asyncpg
import orjson
from rich.console import Console
from rich.table import Table

from tests.processes import BATCH, Service, children, service

SOURCE = "urn:agency:bench"
CLIENTS = 4
BATCH_EVENTS = 1_000
ORGANISATIONS = 20_000
LOOK_S = 0.1


@dataclass
class Stretch:
    """What one stretch came to."""

    name: str
    seconds: float = 0.0
    pushed: int = 0
    placed: int = 0
    most_waiting: int = 0
    oldest_s: float = 0.0


def event(number: int) -> dict[str, object]:
    carrier = number % ORGANISATIONS
    return {
        "specversion": "1.0",
        "id": f"b{number}",
        "source": SOURCE,
        "type": "credit.inspection.completed",
        "subject": f"usdot:{100_000 + carrier}",
        "time": "2026-03-05T00:00:00+08:00",
        "data": {"record": f"I{number}", "outcome": "satisfactory", "entity_name": f"Carrier {carrier}"},
    }


def batch(numbers: "count[int]") -> bytes:
    return orjson.dumps([event(next(numbers)) for _ in range(BATCH_EVENTS)])


async def push(url: str, key: str, numbers: "count[int]", until: float) -> int:
    """Push batches until a time; gives how many events were taken."""
    taken = 0
    headers = {"Authorization": f"Bearer {key}", "Content-Type": BATCH}
    async with aiohttp.ClientSession() as session:
        while time.monotonic() < until:
            async with session.post(f"{url}/v1/events", data=batch(numbers), headers=headers) as answer:
                document = orjson.loads(await answer.read())
                assert answer.status == 200, document
                assert all(result["status"] == "accepted" for result in document["results"]), document
                taken += len(document["results"])
    return taken


async def watch(connection: asyncpg.Connection, stretch: Stretch) -> None:
    """Look at the backlog again and again."""
    while True:
        row = await connection.fetchrow(
            "select count(*) as waiting, extract(epoch from clock_timestamp() - min(recorded_at)) as oldest"
            " from log_pending"
        )
        stretch.most_waiting = max(stretch.most_waiting, row["waiting"])
        stretch.oldest_s = max(stretch.oldest_s, float(row["oldest"] or 0))
        await asyncio.sleep(LOOK_S)


async def measure(one: Service, key: str, seconds: float) -> list[Stretch]:
    (sequencer,) = (pid for pid, command in children(one.pid).items() if "creditsvc.sequencing" in command)
    numbers = count()
    stretches: list[Stretch] = []
    async with one.database() as connection:

        async def stretch(name: str, *, pushing: bool) -> None:
            found = Stretch(name)
            stretches.append(found)
            before = await connection.fetchval("select size from log_state")
            watching = asyncio.create_task(watch(watcher, found))
            started = time.monotonic()
            if pushing:
                pushes = [push(one.url, key, numbers, started + seconds) for _ in range(CLIENTS)]
                found.pushed = sum(await asyncio.gather(*pushes))
            else:
                while await connection.fetchval("select exists (select from log_pending)"):  # noqa: ASYNC110
                    await asyncio.sleep(LOOK_S / 4)
            found.seconds = time.monotonic() - started
            watching.cancel()
            found.placed = await connection.fetchval("select size from log_state") - before

        async with one.database() as watcher:
            await push(one.url, key, numbers, time.monotonic() + 2)  # warm
            os.kill(sequencer, signal.SIGSTOP)
            await stretch("ingest alone", pushing=True)
            os.kill(sequencer, signal.SIGCONT)
            await stretch("sequencer alone", pushing=False)
            await stretch("both", pushing=True)
            await stretch("what was left", pushing=False)
    return stretches


def show(stretches: list[Stretch]) -> None:
    alone, draining, both, left = stretches
    table = Table(title="The log beside ingest", box=None, header_style="bold")
    for column in ("", "events pushed/s", "placed in the log/s", "most waiting", "oldest waited"):
        table.add_column(column, justify="left" if not column else "right")
    for one in stretches:
        table.add_row(
            one.name,
            f"{one.pushed / one.seconds:,.0f}" if one.pushed else "-",
            f"{one.placed / one.seconds:,.0f}" if one.placed else "-",
            f"{one.most_waiting:,}",
            f"{one.oldest_s:.2f} s",
        )
    console = Console()
    console.print(table)
    ingest = alone.pushed / alone.seconds
    console.print(
        f"Alone, the sequencer places {draining.placed / draining.seconds / ingest:.1f} events for each that "
        f"ingest takes alone. Beside it ingest keeps {both.pushed / both.seconds / ingest:.0%} of its pace, "
        f"the log {both.placed / both.pushed:.0%} of that; it is complete {left.seconds:.2f} s after the end."
    )


async def run(seconds: float) -> None:
    with tempfile.TemporaryDirectory() as directory:
        async with service(Path(directory) / "data", log_max_delay_s=3600, log_pending_max=10**9) as one:
            key = await one.key("agency", sources=[SOURCE])
            show(await measure(one, key, seconds))


def main() -> None:
    parser = argparse.ArgumentParser(description="How fast the sequencer is beside ingest")
    parser.add_argument("--seconds", type=float, default=15, help="of each stretch that pushes")
    asyncio.run(run(parser.parse_args().seconds))


if __name__ == "__main__":
    main()
