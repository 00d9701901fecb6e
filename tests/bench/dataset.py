"""A data set of a stated size, in minutes: rows as the service writes them.

A few hundred organisations are pushed through the product's own writer, which folds, scores and renders them.
Each further one is a copy of one of these, with its own identifier, name, salts, commitments and leaf hashes
stamped into every row; so rows are true in shape, size and index, look-ups and appends work on them, and
``creditsvc fsck`` finds them as it finds any others. What is synthetic: that there are only a few hundred
different histories, and that copies of one history bear the same instants.
"""

import asyncio
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg

from creditsvc.domain import names
from creditsvc.domain.events import decode
from creditsvc.domain.schedule import schedule_of
from creditsvc.domain.standing import Rules
from creditsvc.ledger import calendars, releases
from creditsvc.ledger.receipts import Receipt
from creditsvc.ledger.signing import begin
from creditsvc.ledger.writer import GROUP_EVENTS, Writer
from creditsvc.settings import Settings
from creditsvc.store import embedded
from creditsvc.store.clients import name_agency
from creditsvc.store.database import append_pool, connect
from creditsvc.store.migrations import migrate
from tests.bench.organisations import (
    FIRST,
    SCHEMES,
    SOURCE,
    Organisation,
    Scheme,
    history,
    lengths,
    organisation,
)
from tests.making import CATALOGUE

TEMPLATES = 150  # of each scheme
CHUNK = 20_000  # organisations of one transaction
LONGEST_SHARE = 20  # a history of so many events weighs as one organisation of a chunk
AT_ONCE = 2
LONG, SHORT = 10_000, 10  # events of the histories that are compared
LONG_COPIES, SHORT_COPIES = 16, 512
LONG_FIRST, SHORT_FIRST = 9_000_000, 9_100_000  # their numbers, beyond all others
LOGGED_MOST = 500_000  # events that are given to the log: the sequencer has to place them first
MARK = "bench.json"
_SQL = (Path(__file__).parent / "dataset.sql").read_text(encoding="utf-8")

Told = Callable[[str, int, int], None]  # what is being done, how much of it is, of how much


@dataclass(frozen=True, slots=True)
class Size:
    """How many organisations of each scheme, and how many events one has on average."""

    each: int
    mean: float
    compared: bool = True  # with histories of 10,000 events and of 10, to be held against each other

    @property
    def entities(self) -> int:
        return 2 * self.each

    @property
    def first(self) -> int:
        """The first of the companies' numbers, which go on without a gap."""
        return FIRST


@dataclass(frozen=True, slots=True)
class _Template:
    """An organisation that is copied, and to which others."""

    of: Organisation
    events: int
    copies: tuple[Scheme, int, int]  # the scheme, the number of the first copy, the number behind the last


def queries() -> dict[str, str]:
    """Cut the file of statements at their names."""
    parts = _SQL.split("-- name: ")[1:]
    return {name.strip(): text for name, _, text in (part.partition("\n") for part in parts)}


async def build(data_dir: Path, size: Size, told: Told = lambda *_: None) -> None:
    """Build it in an empty data directory, with no service running; nothing is done where it is there."""
    mark = data_dir / MARK
    if mark.exists():
        if json.loads(mark.read_text()) != asdict(size):
            raise ValueError(f"{data_dir} has a data set of another size: {mark.read_text()}")
        return
    settings = Settings(data_dir=data_dir)
    async with embedded.server(settings, own=True, create=True) as dsn:
        await migrate(dsn, report=lambda _: None)
        connection = await connect(dsn)
        try:
            await releases.announce(connection, lambda _: None)
            await begin(connection, settings)
            await name_agency(connection, SOURCE, "Bench")
            templates = _templates(size)
            await _fold(dsn, settings, connection, templates, told)
            await _copy(dsn, connection, templates, told)
        finally:
            await connection.close()
    mark.write_text(json.dumps(asdict(size)))


def _templates(size: Size) -> list[_Template]:
    """Make the templates: the first numbers of each scheme; the rest of the numbers are copies."""
    many = min(TEMPLATES, max(1, size.each // 10))
    found = []
    for scheme in SCHEMES:
        for number, events in enumerate(lengths(many, size.mean)):
            copied = size.each - many
            start, end = (many + copied * place // many for place in (number, number + 1))
            found.append(_Template(organisation(scheme, number), events, (scheme, start, end)))
    compared = ((LONG_FIRST, LONG, LONG_COPIES), (SHORT_FIRST, SHORT, SHORT_COPIES))
    for first, events, copies in compared if size.compared else ():
        of = organisation("gb-coh", first)
        found.append(_Template(of, events, ("gb-coh", first + 1, first + copies)))
    return found


async def _fold(
    dsn: str, settings: Settings, connection: asyncpg.Connection, templates: list[_Template], told: Told
) -> None:
    """Have the product's writer enter the templates' events."""
    official = schedule_of(await releases.load(connection), releases.OFFICIAL)
    rules = Rules(CATALOGUE, official, calendars.kept())
    now = datetime.now(UTC)
    raw = [event for one in templates for event in history(one.of, one.events, now=now)]
    async with await append_pool(dsn, settings) as pool:
        writer = Writer(pool, rules, committers=1, most_waiting=2 * GROUP_EVENTS)
        try:
            for start in range(0, len(raw), GROUP_EVENTS):
                told("folding histories", start, len(raw))
                group = [
                    decode(one, CATALOGUE, now, max_bytes=65_536) for one in raw[start : start + GROUP_EVENTS]
                ]
                outcomes = await writer.submit(group)
                assert all(isinstance(outcome, Receipt) for outcome in outcomes), outcomes
        finally:
            await writer.close()


async def _copy(dsn: str, connection: asyncpg.Connection, templates: list[_Template], told: Told) -> None:
    """Copy the templates, index names anew, and leave statistics as a long life would."""
    statements = queries()
    await connection.execute(statements["begin"])
    total = sum(one.copies[2] - one.copies[1] for one in templates)
    indexes = await connection.fetch(statements["name_indexes"])
    for index in indexes:
        await connection.execute(f"drop index {index['name']}")
    chunks = _chunks(templates)
    done = logged = 0

    async def work() -> None:
        nonlocal done, logged
        own = await connect(dsn)
        try:
            await own.execute("set synchronous_commit = off")
            for chunk in chunks:
                rows = await asyncio.get_running_loop().run_in_executor(pool, _rows, chunk)
                events = sum(one.events * (one.copies[2] - one.copies[1]) for one in chunk)
                logs, logged = logged + events <= LOGGED_MOST, logged + events
                await _enter(own, statements, rows, logs=logs)
                done += len(rows)
                told("copying", done, total)
        finally:
            await own.close()

    with ProcessPoolExecutor(min(AT_ONCE, os.cpu_count() or 1)) as pool:
        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    await connection.execute("set maintenance_work_mem = '1GB'")
    for place, index in enumerate(indexes):
        told("indexing names", place, len(indexes) + 1)
        await connection.execute(index["definition"])
    told("vacuuming", len(indexes), len(indexes) + 1)
    await connection.execute(statements["end"])
    for table in ("entity", "entity_name", "event", "event_identity", "record", "log_pending"):
        await connection.execute(f"vacuum (analyze) creditsvc.{table}")


def _chunks(templates: list[_Template]) -> Iterator[list[_Template]]:
    """Cut the copies into parts of one transaction."""
    chunk: list[_Template] = []
    room = CHUNK
    for one in templates:
        scheme, start, end = one.copies
        weight = max(1, one.events // LONGEST_SHARE)
        while start < end:
            taken = min(end - start, max(1, room // weight))
            chunk.append(_Template(one.of, one.events, (scheme, start, start + taken)))
            start, room = start + taken, room - taken * weight
            if room <= 0:
                yield chunk
                chunk, room = [], CHUNK
    if chunk:
        yield chunk


def _rows(chunk: list[_Template]) -> list[tuple[Any, ...]]:
    """Say who is a copy of whom, and what it is searched by."""
    found = []
    for one in chunk:
        scheme, start, end = one.copies
        for number in range(start, end):
            of = organisation(scheme, number)
            found.append(
                (
                    of.entity,
                    of.value,
                    of.name,
                    sorted(names.grams(of.name)),
                    one.of.entity,
                    one.of.value,
                    one.of.name,
                )
            )
    return found


async def _enter(
    connection: asyncpg.Connection, statements: dict[str, str], rows: list[tuple[Any, ...]], *, logs: bool
) -> None:
    async with connection.transaction():
        await connection.execute(statements["copies"])
        columns = ["entity_id", "value", "name", "grams", "template", "template_value", "template_name"]
        await connection.copy_records_to_table("copies", records=rows, columns=columns)
        await connection.execute("analyze copies")
        await connection.execute(statements["events"])
        if logs:
            await connection.execute(statements["pending"])
        for name in ("records", "entities", "names"):
            await connection.execute(statements[name])
