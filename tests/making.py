"""Events and databases that several tests make."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import count
from typing import Any

from creditsvc.domain import catalogue
from creditsvc.domain.events import Event, decode
from creditsvc.domain.schedule import Schedule
from creditsvc.domain.standing import Rules
from creditsvc.ledger.reader import Reader
from creditsvc.ledger.refolder import Refolder
from creditsvc.ledger.writer import Writer
from creditsvc.settings import Settings
from creditsvc.store.database import append_pool, lookup_pool
from scoring import engine

CATALOGUE = catalogue.load()
RULES = Rules(CATALOGUE, Schedule.always(engine.load("credit-baseline", "1")))
ENTITY = "uscc:91350100M000100Y43"
OTHER_ENTITY = "siren:552081317"
SOURCE = "urn:agency:cn-tj-samr"
OTHER_SOURCE = "urn:agency:cn-fj-samr"
_numbers = count(1)


def raw(kind: str, record: str | None = "R1", **given: Any) -> dict[str, Any]:
    """Make an event as an agency would send it: whole and admissible unless told otherwise.

    Names of the envelope (id, source, subject, time) go there, all others into the data.
    """
    envelope: dict[str, Any] = {
        "specversion": "1.0",
        "id": f"e{next(_numbers)}",
        "source": SOURCE,
        "type": f"credit.{kind}",
        "subject": ENTITY,
        "time": "2026-03-05T00:00:00+08:00",
    }
    data: dict[str, Any] = dict(_data(f"credit.{kind}"))
    if record is not None:
        data["record"] = record
    for name, value in given.items():
        (envelope if name in envelope else data)[name] = value
    return {**envelope, "data": data}


def _data(kind: str) -> Mapping[str, Any]:
    known = CATALOGUE.types[kind]
    return {name: known.example[name] for name in known.required if name in known.example}


def event(kind: str, record: str | None = "R1", **given: Any) -> Event:
    return decode(raw(kind, record, **given), CATALOGUE, datetime.now(UTC), max_bytes=65536)


@asynccontextmanager
async def ledger(
    dsn: str, *, gate: Callable[[], None] = lambda: None, **given: Any
) -> AsyncIterator[tuple[Writer, Reader]]:
    """The two halves of the service over a database, as the application puts them together."""
    settings = Settings(**given)
    async with await lookup_pool(dsn, settings) as looking, await append_pool(dsn, settings) as appending:
        most = settings.queue_max_events
        writer = Writer(appending, RULES, committers=2, most_waiting=most, gate=gate)
        refolder = Refolder(appending, RULES)
        try:
            yield writer, Reader(looking, refolder, RULES)
        finally:
            await refolder.close()
            await writer.close()
