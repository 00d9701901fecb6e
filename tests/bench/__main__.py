"""``python -m tests.bench``: the service beside its peers, in one run, against the goals.

It builds a data set, runs the service with everything switched on and its peers on the same database, and
measures each thing in turns with what it is held against. It asserts no time; see docs/benchmark.md.
"""

import argparse
import asyncio
import contextlib
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from creditsvc.store.embedded.socket_directory import read_note
from tests.bench import dataset, load, machine, measures, pages, picture, report
from tests.bench.dataset import LOGGED_MOST, Size
from tests.bench.measures import Bench
from tests.bench.peers import running
from tests.processes import Service, service

# For planning: what is on disk, with indexes, beside what PostgreSQL logs ahead; and what a build copies.
BYTES_PER_EVENT, BYTES_PER_ENTITY, BYTES_AHEAD = 1_700, 2_400, 3 * 10**9
EVENTS_PER_MINUTE, ENTITIES_PER_MINUTE = 1_000_000, 600_000
DISK_PART, TIME_PART = 0.8, 2 / 3  # of what is free, and of the time, at most
LEAST_MEAN = 1.0
TENTH = 10
TURN_LEAST_S, TURN_MOST_S = 1.0, 10.0
DRAIN_LOOK_S = 0.5
FILE_WIDTH = 180  # of the table, where no terminal says how wide it is
# The tables of the peers are beside the service's; a backlog of copied events must not refuse pushed ones.
GIVEN = {"log_pending_max": 10**9, "log_level": "INFO"}

Measure = Callable[[Bench], Awaitable[None]]
# Each with how many turns it takes in a round.
MEASURES: dict[str, tuple[Measure, float]] = {
    "lookups": (measures.lookups, 4),
    "search": (measures.search, 2),
    "sizes": (measures.sizes, 6),
    "ingest": (measures.ingest, 6),
    "beside": (measures.lookups_beside_ingest, 1.5),
    "pages": (pages.pages, 2 * pages.LONGER + 1),  # after these: it has the workers replaced
    "batches": (measures.batches, 1),  # last: filing who looked goes on for minutes
}


@dataclass(slots=True)
class Asked:
    """What the command line asks for."""

    size: Size
    minutes: float
    rounds: int
    data: Path | None
    only: list[str]
    remarks: list[str]


def parse(given: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="The service beside its peers")
    parser.add_argument("--entities", type=int, default=1_000_000, help="organisations in the data set")
    parser.add_argument("--mean", type=float, default=2.0, help="events of an organisation, on average")
    parser.add_argument("--quick", action="store_true", help="20,000 organisations")
    parser.add_argument("--large", action="store_true", help="up to ten million, with 50 million events")
    parser.add_argument("--minutes", type=float, default=10.0, help="for measuring and building together")
    parser.add_argument("--rounds", type=int, default=3, help="in which each thing is measured once")
    parser.add_argument(
        "--only", choices=[*MEASURES, "start"], nargs="+", default=[], help="some measures alone"
    )
    parser.add_argument("--data", type=Path, help="keep the data set here, and take it from here")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--keep", action="store_true", help="write docs/benchmark.md and its picture")
    return parser.parse_args(given)


def asked(given: argparse.Namespace) -> Asked:
    """Work out what is asked for; a large data set is cut down to what disk and time allow."""
    entities, mean, remarks = given.entities, given.mean, list[str]()
    if given.quick:
        entities = 20_000
    if given.large:
        entities, mean = 10_000_000, 5.0
        place = given.data.parent if given.data else Path(tempfile.gettempdir())
        room = int(shutil.disk_usage(place).free * DISK_PART)
        scaled, fewer, why = fitting(entities, mean, room, given.minutes)
        if why:
            remarks.append(
                f"cut down from {entities:,} organisations with {mean:g} events each to what {why} allows"
            )
            entities, mean = scaled, fewer
    return Asked(
        Size(entities // 2, mean), given.minutes, max(1, given.rounds), given.data, given.only, remarks
    )


def fitting(entities: int, mean: float, room: int, minutes: float) -> tuple[int, float, str]:
    """Give how many organisations fit on the disk and into the time, with how many events, and which says so.

    Events are given up first: what has most rows are the tables of organisations and their names.
    """
    share = 1 + 1 / TENTH  # the service with a tenth is built too
    fits = []
    for what, of_all, of_entity, of_event in (
        ("the disk", max(0, room - BYTES_AHEAD), BYTES_PER_ENTITY, BYTES_PER_EVENT),
        ("the time", minutes * TIME_PART, 1 / ENTITIES_PER_MINUTE, 1 / EVENTS_PER_MINUTE),
    ):
        most = min(entities, int(of_all / share / (of_entity + LEAST_MEAN * of_event)) // 1_000 * 1_000)
        left = of_all / share / max(1, most) - of_entity
        fits.append((most, max(LEAST_MEAN, min(mean, round(left / of_event, 1))), what))
    most, fewer, why = min(fits)
    return most, fewer, "" if (most, fewer) == (entities, mean) else why


@contextlib.asynccontextmanager
async def _services(
    directory: Path, size: Size, told: dataset.Told
) -> AsyncIterator[tuple[Service, Service]]:
    """Build the data set and one of a tenth of it, and run a service on each."""
    tenth = Size(max(dataset.TEMPLATES, size.each // TENTH), size.mean, compared=False)
    await dataset.build(directory / "tenth", tenth, told)
    await dataset.build(directory / "all", size, told)
    async with (
        service(directory / "tenth", **GIVEN) as smaller,
        service(directory / "all", **GIVEN) as whole,
    ):
        for one in (smaller, whole):
            await _drained(one, told)
            await _read(one, told)
        yield whole, smaller


async def _drained(one: Service, told: dataset.Told) -> None:
    """Wait until the log holds what was copied: nothing is measured beside that."""
    async with one.database() as connection:
        total = await connection.fetchval("select count(*) from creditsvc.log_pending")
        while left := await connection.fetchval("select count(*) from creditsvc.log_pending"):
            told("placing in the log", total - left, total)
            await asyncio.sleep(DRAIN_LOOK_S)


async def _read(one: Service, told: dataset.Told) -> None:
    """Have the system hold organisations in memory, as far as it has any: so it is once a service has run."""
    told("reading into memory", 0, 1)
    async with one.database() as connection:
        await connection.execute("select count(*) from creditsvc.entity where public_profile is null")
        await connection.execute("select count(*) from creditsvc.entity where entity_id > ''")
    told("reading into memory", 1, 1)


async def run(wanted: Asked, console: Console) -> report.Run:
    """Measure everything, and end all that was started for it."""
    deadline, of = time.monotonic() + wanted.minutes * 60, machine.machine()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with (
        Progress(*columns, console=console, transient=True) as progress,
        tempfile.TemporaryDirectory(prefix="bench-") as scratch,
    ):
        task = progress.add_task("starting")

        began, said = time.monotonic(), ""

        def told(what: str, done: int, total: int) -> None:
            nonlocal said
            progress.update(task, description=what, completed=done, total=total)
            if not console.is_terminal and what != said:
                console.print(f"{time.monotonic() - began:6.1f} s  {what}")
                said = what

        workspace = Path(scratch)
        directory = wanted.data or workspace / "data"
        directory.mkdir(parents=True, exist_ok=True)
        async with contextlib.AsyncExitStack() as stack:
            whole, smaller = await stack.enter_async_context(_services(directory, wanted.size, told))
            bench = await _bench(stack, whole, workspace, wanted, told)
            bench.smaller = (smaller.url, max(dataset.TEMPLATES, wanted.size.each // TENTH))
            data = await _counted(whole)
            await _measure(bench, wanted, deadline, told)
    found = report.Run(of, data, load.generator(), bench.seconds, bench.rounds)
    found.remarks, found.findings = wanted.remarks, bench.findings
    return found


async def _counted(whole: Service) -> dict[str, int]:
    async with whole.database() as connection:
        row = await connection.fetchrow(
            "select (select count(*) from creditsvc.entity) as entities,"
            " (select count(*) from creditsvc.event_identity) as events,"
            " (select size from creditsvc.log_state) as logged"
        )
    return dict(row)


async def _bench(
    stack: contextlib.AsyncExitStack, whole: Service, workspace: Path, wanted: Asked, told: dataset.Told
) -> Bench:
    """Start the peers beside the service, where their libraries are installed."""
    socket_dir = str(read_note(whole.data_dir / "postgresql.socket"))
    fastapi = None
    if all(find_spec(name) for name in ("fastapi", "sqlalchemy", "uvicorn")):
        await _peer_table(whole)
        fastapi = await stack.enter_async_context(running.fastapi(socket_dir, workspace / "fastapi.log"))
    else:
        wanted.remarks.append("without FastAPI: its libraries are not installed")
    constant = await stack.enter_async_context(running.constant(workspace / "constant.log"))
    place = {"done": 0}

    def tell(what: str) -> None:
        place["done"] += 1
        told(what, place["done"], turns(wanted))

    bench = Bench(whole, socket_dir, fastapi, constant, wanted.size.each, 0, wanted.rounds, workspace, tell)
    await measures.warm(bench)
    return bench


async def _peer_table(whole: Service) -> None:
    from tests.bench.peers.fastapi_app import TABLE  # noqa: PLC0415  its libraries may not be there

    async with whole.database() as connection:
        await connection.execute(TABLE)


def turns(wanted: Asked) -> int:
    """Count the turns of a run."""
    return round(sum(each for name, (_, each) in MEASURES.items() if chosen(wanted, name)) * wanted.rounds)


def chosen(wanted: Asked, name: str) -> bool:
    return not wanted.only or name in wanted.only


async def _measure(bench: Bench, wanted: Asked, deadline: float, told: dataset.Told) -> None:
    started = time.monotonic()
    if chosen(wanted, "start"):
        await measures.starts(bench)
    took = time.monotonic() - started
    left = deadline - time.monotonic()
    bench.seconds = max(TURN_LEAST_S, min(TURN_MOST_S, left / (turns(wanted) or 1) - 0.5))
    for name, (measure, _) in MEASURES.items():
        if chosen(wanted, name):
            try:
                await measure(bench)
            except RuntimeError as error:  # the others are worth having all the same
                wanted.remarks.append(f"{name}: {error}")
    measures.memory(bench)
    told("counting bytes", 1, 1)
    await measures.space(bench)
    if left < took:
        wanted.remarks.append("building took most of the time, so turns are short: give more --minutes")


def main() -> None:
    given = parse()
    console = Console()
    if not console.is_terminal:
        console.width = FILE_WIDTH
    found = asyncio.run(run(asked(given), console))
    console.print(report.table(found))
    if given.json:
        given.json.write_bytes(found.document())
    if given.keep:
        docs = machine.ROOT / "docs"
        (docs / "benchmark.md").write_text(report.page(found, LOGGED_MOST), encoding="utf-8")
        (docs / "benchmark.svg").write_text(picture.draw(found.findings), encoding="utf-8")


if __name__ == "__main__":
    main()
