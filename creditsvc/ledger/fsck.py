"""fsck: work out records, profiles and leaf hashes again from the events, and compare with what is stored.

It reads a page of entities at a time, each from one snapshot, and so runs beside a working service.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

import orjson

from creditsvc.domain import catalogue, names
from creditsvc.domain.account import Past, Replayed, account_at, replay
from creditsvc.domain.canonical import canonical, commit, leaf, leaf_hash
from creditsvc.domain.schedule import schedule_of
from creditsvc.domain.standing import Rules
from creditsvc.ledger import releases
from creditsvc.ledger.accounts import written
from creditsvc.ledger.entries import Row, Session, entry, stored_line
from creditsvc.store.database import connect, load_queries

SQL = load_queries("fsck")
PAGE = 200
MOST_FAULTS = 1_000  # more would say no more


async def check(dsn: str, *, progress: Callable[[int, int], None]) -> list[str]:
    """Check everything; gives the faults found, each naming what is wrong, at most ``MOST_FAULTS``.

    ``progress`` is told how many entities are done, and of how many.
    """
    connection = await connect(dsn)
    try:
        schedule = schedule_of(await releases.load(connection), releases.OFFICIAL)
        rules = Rules(catalogue.load(), schedule)
        return await _check(connection, rules, progress)
    finally:
        await connection.close()


async def _check(connection: Session, rules: Rules, progress: Callable[[int, int], None]) -> list[str]:
    faults: list[str] = []
    total = await connection.fetchval(SQL.count_entities)
    done, last = 0, ""
    while len(faults) < MOST_FAULTS:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            entities = await connection.fetch(SQL.entities, last, PAGE)
            if not entities:
                break
            faults += await _check_page(connection, entities, rules)
        last = entities[-1]["entity_id"]
        done += len(entities)
        progress(done, max(total, done))
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        strays = await connection.fetch(SQL.strays)
    faults += [f"{row['entity_id']}: {row['kind']} {row['place']}: belongs to no history" for row in strays]
    return faults[:MOST_FAULTS]


async def _check_page(connection: Session, entities: Sequence[Row], rules: Rules) -> list[str]:
    keys = [row["entity_id"] for row in entities]
    events = _by_entity(await connection.fetch(SQL.events, keys))
    records = _by_entity(await connection.fetch(SQL.records, keys))
    borne = _by_entity(await connection.fetch(SQL.names, keys))
    faults: list[str] = []
    for row in entities:
        key = row["entity_id"]
        try:
            for fault in _check_entity(
                row, events.get(key, []), records.get(key, []), borne.get(key, []), rules
            ):
                faults.append(f"{key}: {fault}")  # noqa: PERF401  what was found before a failure counts
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            # Whatever was done to the rows, the rest is still checked.
            faults.append(f"{key}: its events cannot be folded ({type(error).__name__})")
    return faults


def _by_entity(rows: Sequence[Row]) -> dict[str, list[Row]]:
    return {key: list(found) for key, found in groupby(rows, key=itemgetter("entity_id"))}


def _check_entity(
    stored: Row, events: Sequence[Row], records: Sequence[Row], borne: Sequence[Row], rules: Rules
) -> Iterator[str]:
    if stored["version"] != len(events):
        yield f"has {len(events)} events where its version says {stored['version']}"
    previous = None
    for place, row in enumerate(events, start=1):
        if row["sequence"] != place:
            yield f"event {row['sequence']} stands where {place} belongs"
            return
        if previous is not None and row["recorded_at"] <= previous:
            yield f"event {place}: recorded no later than the one before it"
        previous = row["recorded_at"]
        yield from (f"event {place}: {fault}" for fault in _check_event(row))
    if not events:
        return
    entries = [entry(row) for row in events]
    replayed = replay(stored["entity_id"], entries, rules)
    yield from _check_flags(events, replayed)
    past = account_at(stored["entity_id"], entries, replayed.namings, stored["shared_from"], rules)
    yield from _check_records(past, records, events)
    yield from _check_profile(stored, past, rules)
    yield from _check_names(borne, replayed)


def _check_event(row: Row) -> Iterator[str]:
    content = row["content"]
    hashed = leaf_hash(
        leaf(
            row["entity_id"],
            row["sequence"],
            row["recorded_at"],
            row["source"],
            commit(row["salt"], content),
        )
    )
    if hashed != row["leaf_hash"]:
        yield "its leaf hash is not that of its content, place and time"
    try:
        said: dict[str, Any] = orjson.loads(content)
    except orjson.JSONDecodeError:
        yield "its content is not JSON"
        return
    if canonical(said) != content:
        yield "its content is not in canonical form"
    told = tuple(said.get(name) for name in ("source", "id", "type", "subject"))
    if told != (row["source"], row["id"], row["type"], row["entity_id"]):
        yield "its columns say other than its content"
    identity = (row["identity_entity"], row["identity_sequence"], row["content_sha256"])
    if identity != (row["entity_id"], row["sequence"], hashlib.sha256(content).digest()):
        yield "its identity is missing or is another's"
    if not row["pending"]:
        yield "the log has neither placed it nor is it waiting for the log"


def _check_flags(events: Sequence[Row], replayed: Replayed) -> Iterator[str]:
    for row, opens, touches in zip(events, replayed.opens, replayed.touches, strict=True):
        if (row["opens"], row["touches_public"]) != (opens, touches):
            yield f"event {row['sequence']}: its flags are not what it comes to"


def _check_names(borne: Sequence[Row], replayed: Replayed) -> Iterator[str]:
    following: dict[str, datetime] = {}
    expected: set[tuple[Any, ...]] = set()
    for one in reversed(replayed.renamed):
        expected.add((one.view, one.since, following.get(one.view), one.name, one.status))
        following[one.view] = one.since
    if expected != {(row["view"], row["since"], row["until"], row["name"], row["status"]) for row in borne}:
        yield "the names in the search index are not those it bears and bore"
    elif any(set(row["grams"] or ()) != names.grams(row["name"] or "") for row in borne):
        yield "the bigrams in the search index are not those of its names"


def _check_records(past: Past, stored: Sequence[Row], events: Sequence[Row]) -> Iterator[str]:
    sequences: dict[tuple[str, str], list[int]] = {}
    for row in events:
        sequences.setdefault((row["record"], row["source"]), []).append(row["sequence"])
    expected = {(line.record, line.source): line for line in past.lines}
    for row in stored:
        key = (row["record"], row["source"])
        line = expected.pop(key, None)
        if line is None:
            yield f"record {row['record']}: no event made it"
        elif line != stored_line(row):
            yield f"record {row['record']}: is not what its events come to"
        elif list(row["sequences"]) != sequences[key]:
            yield f"record {row['record']}: does not list its events"
    yield from (f"record {number}: is missing" for number, _ in expected)


def _check_profile(stored: Row, past: Past, rules: Rules) -> Iterator[str]:
    account = past.account
    shared, public = account.views["shared"], account.views["public"]
    expected = {
        "version": account.version,
        "recorded_at": account.recorded_at,
        "shared_naming": written(account.namings["shared"]),
        "public_naming": written(account.namings["public"]),
        "model": account.model,
        "announced": account.announced,
        "shared_summary": shared.summary.dump(),
        "shared_from": shared.since,
        "shared_until": shared.until,
        "shared_profile": past.profile("shared", rules),
        "public_summary": public.summary.dump(),
        "public_version": public.version,
        "public_from": public.since,
        "public_until": public.until,
        "public_profile": past.profile("public", rules),
    }
    for name, value in expected.items():
        if stored[name] != value:
            yield f"its {name} is not what its events come to"
