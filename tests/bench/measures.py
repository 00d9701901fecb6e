"""What is measured, each thing in turns with what it is held against."""

import asyncio
import secrets
import shutil
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from urllib.parse import quote

import aiohttp

from tests.bench import load as loads
from tests.bench.dataset import LONG_COPIES, LONG_FIRST, SHORT_COPIES, SHORT_FIRST
from tests.bench.figures import GOALS, Finding, number, ratio
from tests.bench.load import BATCH, JSON, ONE, Load, Loaded
from tests.bench.machine import ENTITY_TABLES, EVENT_TABLES, MIB, Memory, bytes_of, watched
from tests.bench.organisations import FIRST, SCHEMES, SOURCE, history, organisation
from tests.bench.peers import pgbench
from tests.processes import Service

PATH = "/v1/entities/gb-coh:"
NAMES = 2_000
STARTS = 3
FULL_BATCH = 5_000

Turn = Callable[[], Awaitable[float]]


@dataclass(slots=True)
class Bench:
    """One run: what is measured, against what, and how long each turn is."""

    service: Service
    socket_dir: str
    fastapi: str | None
    constant: str | None
    each: int  # companies with consecutive numbers
    seconds: float  # of one turn
    rounds: int
    workspace: Path
    tell: Callable[[str], None]
    agency: str = ""
    partner: str = ""
    smaller: "tuple[str, int] | None" = None  # the URL and companies of a service with a tenth of them
    memory: Memory = field(default_factory=Memory)
    findings: list[Finding] = field(default_factory=list)

    def found(self, key: str, measured: float, beside: str = "", rounds: list[float] | None = None) -> None:
        self.findings.append(Finding(GOALS[key], measured, beside, rounds or []))

    async def load(self, load: Load, what: str) -> Loaded:
        self.tell(what)
        async with watched(self.service.workers, self.memory):
            return await loads.run(load, self.seconds)

    def numbers(self, url: str | None = None, first: int = FIRST, count: int | None = None) -> Load:
        return Load(url or self.service.url, "numbers", path=PATH, first=first, count=count or self.each)

    def templates(self) -> Path:
        """Write the events that are pushed: all kinds, each on a record of its own."""
        of = organisation("gb-coh", 0)
        events = [
            event | {"id": f"bench-slot-{place}", "data": event["data"] | {"record": f"bench-slot-{place}"}}
            for place, event in enumerate(history(of, 16))
        ]
        for event in events:
            event["data"].pop("entity_name", None)
        return loads.write_templates(self.workspace / "events.txt", events)


def _kept(found: dict[str, list[Loaded]], name: str, what: str) -> list[float]:
    return [getattr(one, what) for one in found[name]]


async def in_turns(
    subjects: dict[str, Callable[[], Awaitable[Loaded]]], rounds: int
) -> dict[str, list[Loaded]]:
    """Measure each in turns: A B A B; the first round is a warm-up where there are several."""
    found: dict[str, list[Loaded]] = {name: [] for name in subjects}
    for _ in range(rounds):
        for name, subject in subjects.items():
            found[name].append(await subject())
    return found


def _paired(found: dict[str, list[Loaded]], one: str, other: str) -> float:
    return ratio(_kept(found, one, "per_s"), _kept(found, other, "per_s"))


def _against(found: dict[str, list[Loaded]], one: str, other: str, times: int = 1) -> str:
    rates = [median(_kept(found, name, "per_s")) * times for name in (one, other)]
    return f"{number(rates[0])}/s against {number(rates[1])}/s"


async def lookups(bench: Bench) -> None:
    """Single public look-ups, beside the row alone, a constant, and the usual way to build such a service."""

    script = pgbench.write(bench.workspace / "select.sql")

    async def selected() -> Loaded:
        bench.tell("pgbench")
        one = await pgbench.run(
            bench.socket_dir, script, first=FIRST, count=bench.each, seconds=bench.seconds
        )
        return Loaded(round(one.per_s), 1.0, 0, 0, one.mean_ms, 0, 0, 0)

    subjects: dict[str, Callable[[], Awaitable[Loaded]]] = {
        "service": lambda: bench.load(bench.numbers(), "look-ups"),
        "pgbench": selected,
    }
    if bench.constant:
        subjects["constant"] = lambda: bench.load(bench.numbers(bench.constant), "aiohttp with a constant")
    if bench.fastapi:
        subjects["fastapi"] = lambda: bench.load(bench.numbers(bench.fastapi), "look-ups of FastAPI")
    await loads.run(bench.numbers(), 1)
    found = await in_turns(subjects, bench.rounds)
    for peer in ("pgbench", "constant", "fastapi"):
        if peer in found:
            bench.found(peer, _paired(found, "service", peer), _against(found, "service", peer))
    tails = _kept(found, "service", "p99_ms")
    middle = median(_kept(found, "service", "p50_ms"))
    bench.found("p99", median(tails), f"half within {number(middle)} ms, under full load", tails)


async def lookups_beside_ingest(bench: Bench) -> None:
    """The same look-ups while batches of 5,000 come in as fast as they are taken."""
    pushes = replace(events(bench, FULL_BATCH), connections=2)
    tails, rates, pushed = [], [], []
    for _ in range(bench.rounds):
        before = await _appended(bench)
        pushing = asyncio.create_task(loads.once(pushes, bench.seconds + 2))
        await asyncio.sleep(1)
        one = await bench.load(bench.numbers(), "look-ups beside ingest")
        tails.append(one.p99_ms)
        rates.append(one.per_s)
        await pushing
        pushed.append(await _appended(bench) - before)
    events_per_s = median(pushed) / (bench.seconds + 2)
    beside = f"{number(median(rates))} look-ups/s beside {number(events_per_s)} events/s"
    bench.found("p99-ingest", median(tails), beside, tails)


def many(bench: Bench) -> Load:
    """Look 1,000 organisations up at once, as a partner."""
    return Load(
        bench.service.url,
        "lookups",
        path="/v1/lookups",
        first=FIRST,
        count=bench.each,
        size=1_000,
        token=bench.partner,
        type=JSON,
        connections=8,
    )


async def batches(bench: Bench) -> None:
    """Look-ups of 1,000 organisations at once, by a partner."""
    found = [await bench.load(many(bench), "look-ups in batches") for _ in range(bench.rounds)]
    rates = [one.per_s * 1_000 for one in found]
    tail = median(one.p99_ms for one in found)
    bench.found("lookups", median(rates), f"8 connections; 99 of 100 batches within {number(tail)} ms", rates)


def events(bench: Bench, size: int, url: str | None = None) -> Load:
    """Make pushes of new records of random organisations."""
    return Load(
        url or bench.service.url,
        "events",
        path="/v1/events" if url is None or size > 1 else "/v1/event",
        first=FIRST,
        count=bench.each,
        size=size,
        file=bench.templates(),
        token=bench.agency if url is None else None,
        type=(ONE if size == 1 else BATCH) if url is None else JSON,
        connections=32 if size == 1 else 4,
    )


async def ingest(bench: Bench) -> None:
    """Events that are durable, folded, scored and answered with proof, against a bare insert."""
    for size in (1_000, 100, 1):
        what = f"ingest by {size:,}"
        subjects: dict[str, Callable[[], Awaitable[Loaded]]] = {
            "service": lambda size=size, what=what: bench.load(events(bench, size), what)  # type: ignore[misc]
        }
        if bench.fastapi:
            subjects["fastapi"] = lambda size=size, what=what: bench.load(  # type: ignore[misc]
                events(bench, size, bench.fastapi), f"{what} of FastAPI"
            )
        before = await _outcomes(bench)
        found = await in_turns(subjects, bench.rounds)
        refused = (await _outcomes(bench)).get("rejected", 0) - before.get("rejected", 0)
        if refused:
            raise RuntimeError(f"{refused} of the events pushed were rejected")
        if bench.fastapi:
            beside = _against(found, "service", "fastapi", size)
            bench.found(f"ingest-{size}", _paired(found, "service", "fastapi"), beside)


async def _outcomes(bench: Bench) -> dict[str, float]:
    """Count the events of all times by their outcome, as the service's metrics tell."""
    start = 'creditsvc_events_total{outcome="'
    return {name.split('"')[1]: value for name, value in await _metrics(bench) if name.startswith(start)}


async def _appended(bench: Bench) -> float:
    """Count the events of all transactions so far: those of a batch that is under way count too."""
    return sum(value for name, value in await _metrics(bench) if name == "creditsvc_append_group_events_sum")


async def _metrics(bench: Bench) -> list[tuple[str, float]]:
    async with aiohttp.ClientSession() as session, session.get(f"{bench.service.url}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    rows = [line.rpartition(" ") for line in lines if not line.startswith("#")]
    return [(name, float(value)) for name, _, value in rows]


async def sizes(bench: Bench) -> None:
    """What ten times as many organisations cost, and a history a thousand times as long."""
    if bench.smaller is not None:
        url, each = bench.smaller
        found = await in_turns(
            {
                "all": lambda: bench.load(bench.numbers(), "look-ups among all"),
                "tenth": lambda: bench.load(bench.numbers(url, count=each), "look-ups among a tenth"),
            },
            bench.rounds,
        )
        bench.found("entities-10x", _paired(found, "tenth", "all"), _against(found, "all", "tenth"))
    long, short = FIRST + LONG_FIRST + 1, FIRST + SHORT_FIRST + 1
    found = await in_turns(
        {
            "long": lambda: bench.load(bench.numbers(first=long, count=LONG_COPIES - 1), "long histories"),
            # As many of them: look-ups of one organisation at one moment share their query.
            "short": lambda: bench.load(bench.numbers(first=short, count=LONG_COPIES - 1), "short histories"),
        },
        bench.rounds,
    )
    bench.found("history-lookup", _paired(found, "short", "long"), _against(found, "long", "short"))
    one = replace(events(bench, 1), connections=1)
    found = await in_turns(
        {
            "long": lambda: bench.load(
                replace(one, first=long, count=LONG_COPIES - 1), "appends to long histories"
            ),
            "short": lambda: bench.load(
                replace(one, first=short, count=SHORT_COPIES - 1), "appends to short histories"
            ),
        },
        bench.rounds,
    )
    half = {name: median(_kept(found, name, "p50_ms")) for name in found}
    beside = f"half within {number(half['long'])} ms against {number(half['short'])} ms"
    bench.found(
        "history-append", ratio(*(_kept(found, name, "p50_ms") for name in ("long", "short"))), beside
    )


async def search(bench: Bench) -> None:
    """Search by name, 4 at a time: whole names and parts that few have; then pairs that many have."""
    for key, what in (("search", "searches"), ("search-broad", "broad searches")):
        path = bench.workspace / f"{key}.txt"
        path.write_text("".join(f"/v1/entities?name={quote(name)}\n" for name in _names(bench, key)))
        one = Load(bench.service.url, "lines", file=path, connections=4)
        found = [await bench.load(one, what) for _ in range(bench.rounds)]
        tails, half = [each.p99_ms for each in found], median(each.p50_ms for each in found)
        rate = median(each.per_s for each in found)
        bench.found(key, median(tails), f"half within {number(half)} ms, {number(rate)}/s", tails)


def _names(bench: Bench, key: str) -> Iterator[str]:
    """Give whole names and distinctive parts in equal numbers, or pairs of characters that are common."""
    for place in range(NAMES):
        name = organisation(SCHEMES[place % 2], place * (bench.each // NAMES)).name
        coined = name.split()[0] if place % 2 == 0 else name[2:5]
        if key == "search-broad":
            yield coined[:3] if place % 2 == 0 else name[:2]
        else:
            yield name if place % 4 < 2 else coined


async def starts(bench: Bench) -> None:
    """First starts: from the command until every worker says that it is ready."""
    took = []
    for place in range(STARTS):
        bench.tell("first start")
        directory = bench.workspace / f"start-{place}"
        one = Service(directory)
        began = time.monotonic()
        try:
            await one.start()
            took.append(time.monotonic() - began)
        finally:
            await one.end()
        shutil.rmtree(directory, ignore_errors=True)
    bench.found("start", median(took), f"{number(min(took))} to {number(max(took))} s", took)


async def space(bench: Bench) -> None:
    """What is on disk, with every index, by what is kept."""
    async with bench.service.database() as connection:
        organisations = await connection.fetchval("select count(*) from creditsvc.entity")
        entries = await connection.fetchval("select count(*) from creditsvc.event_identity")
        placed = await connection.fetchval("select size from creditsvc.log_state")
        of_events = await bytes_of(connection, EVENT_TABLES)
        of_entities = await bytes_of(connection, ENTITY_TABLES)
        content = await connection.fetchval(
            "select avg(octet_length(content)) from creditsvc.event tablesample system (0.5)"
        )
    beside = f"{entries:,} events, {placed:,} of them in the log; {float(content or 0):,.0f} B as sent"
    bench.found("event-bytes", of_events / entries, beside)
    bench.found("entity-bytes", of_entities / organisations, f"{organisations:,} organisations")


def memory(bench: Bench) -> None:
    """Tell the most that a worker took in all that was measured, where that was looked at."""
    if bench.memory.rss:
        bench.found(
            "memory", bench.memory.rss / MIB, f"its own share (PSS): {bench.memory.pss / MIB:.0f} MiB"
        )


async def warm(bench: Bench) -> None:
    """Make the keys, and look at what can be looked up."""
    bench.agency = await bench.service.key(
        "agency", sources=[SOURCE], client_id=f"bench-{secrets.token_hex(4)}"
    )
    bench.partner = await bench.service.key(
        "partner", purpose="bench", client_id=f"bench-{secrets.token_hex(4)}"
    )
    async with aiohttp.ClientSession() as session:
        for url in (bench.service.url, bench.fastapi):
            for company in (FIRST, FIRST + bench.each - 1) if url else ():
                async with session.get(f"{url}{PATH}{company}") as answer:
                    assert answer.status == 200, await answer.text()
                    assert str(company).encode() in await answer.read()
