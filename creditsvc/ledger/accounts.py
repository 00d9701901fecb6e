"""Accounts out of their rows and back into them."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter
from typing import Any

import orjson

from creditsvc.domain import instants, names
from creditsvc.domain.account import Account, Held, RecordKey, Standing, profile_of
from creditsvc.domain.canonical import SALT_BYTES, commit, leaf_hash, notice_leaf
from creditsvc.domain.naming import VIEWS, Naming, View
from creditsvc.domain.notices import Notice
from creditsvc.domain.profile import Line, Summary
from creditsvc.domain.records import Record
from creditsvc.domain.standing import Rules
from creditsvc.ledger import open_cases
from creditsvc.ledger.entries import Row, Session, entry, score_columns, stored_line
from creditsvc.ledger.turns import in_turns
from creditsvc.store.database import load_queries
from scoring.engine import Contribution

SQL = load_queries("append")


async def lock(connection: Session, entities: Iterable[str]) -> dict[str, Account]:
    """Lock the accounts of these entities, opening those that are new, in the order that avoids rings."""
    ordered = sorted(set(entities))
    await connection.execute(SQL.insert_missing_entities, ordered)
    rows = await connection.fetch(SQL.lock_entities, ordered)
    return {row["entity_id"]: _account(row) async for row in in_turns(rows)}


def _account(row: Row) -> Account:
    shared = Standing(
        Summary.parse(row["shared_summary"]), row["version"], row["shared_from"], row["shared_until"]
    )
    public = Standing(Summary.parse(row["public_summary"]), row["public_version"], row["public_from"])
    views: dict[View, Standing] = {"public": public, "shared": shared}
    return Account(
        entity=row["entity_id"],
        version=row["version"],
        recorded_at=row["recorded_at"],
        namings={view: _naming(row[f"{view}_naming"]) for view in VIEWS},
        views=views,
        model=row["model"],
        announced=row["announced"],
        settled_since=row["shared_from"],
    )


def _naming(stored: str | None) -> Naming:
    return Naming() if stored is None else Naming(*orjson.loads(stored))


def written(naming: Naming) -> str | None:
    """Write a naming as it is stored; null for nothing told."""
    if naming == Naming():
        return None
    return orjson.dumps([naming.name, naming.name_rank, naming.status, naming.status_rank]).decode()


async def store_names(connection: Session, accounts: Mapping[str, Account]) -> None:
    """Store what the accounts have come to be called."""
    rows: list[tuple[Any, ...]] = []
    first: dict[tuple[str, View], datetime] = {}
    for entity, account in sorted(accounts.items()):
        following: dict[View, datetime] = {}
        for one in reversed(account.renamed):
            grams = " ".join(sorted(names.grams(one.name or "")))
            rows.append((entity, one.view, one.since, following.get(one.view), one.name, one.status, grams))
            following[one.view] = first[entity, one.view] = one.since
    if rows:
        await connection.execute(
            SQL.end_names, *columns([(entity, view, since) for (entity, view), since in first.items()])
        )
        await connection.execute(SQL.insert_names, *columns(rows))


async def load_records(
    connection: Session,
    accounts: Mapping[str, Account],
    named: Mapping[str, set[RecordKey]],
    until: datetime,
    rules: Rules,
) -> None:
    """Load what events name and what time or a new model has changed; these whole, with their events.

    ``until`` is the latest instant that an account may be settled at.
    """
    keys = sorted({(entity, number) for entity, records in named.items() for number, _ in records})
    outdated = {entity for entity, account in accounts.items() if account.outdated(until, rules)}
    numbers = [number for _, number in keys]
    rows = await connection.fetch(
        SQL.find_records, [entity for entity, _ in keys], numbers, list(accounts), until, list(outdated)
    )
    wanted: list[tuple[str, int]] = []
    place: dict[tuple[str, int], Held] = {}
    for row in rows:
        account = accounts[row["entity_id"]]
        key = (row["record"], row["source"])
        held = account.held[key] = Held(stored_line(row), erased=row["erased"])
        if held.erased:  # there is nothing to fold any more
            continue
        due = row["next_change"] is not None and row["next_change"] <= until
        if due or account.entity in outdated or key in named.get(account.entity, ()):
            for sequence in row["sequences"]:
                wanted.append((account.entity, sequence))
                place[account.entity, sequence] = held
    if not wanted:
        return
    entries = await connection.fetch(
        SQL.find_entries, [entity for entity, _ in wanted], [sequence for _, sequence in wanted]
    )
    for row in sorted(entries, key=itemgetter("entity_id", "sequence")):
        place[row["entity_id"], row["sequence"]].entries.append(entry(row))


async def store_records(
    connection: Session, accounts: Mapping[str, Account], at: datetime, rules: Rules
) -> None:
    """Fold what was loaded whole and store what it comes to; settles every account."""
    rows: list[tuple[Any, ...]] = []
    folded: list[tuple[Account, Record]] = []
    async for account in in_turns(accounts.values()):
        since = account.views["shared"].since  # later than the clock where that was set back
        for seen, record in account.settle(max(at, since) if since else at, rules):
            folded.append((account, record))
            rows.append(
                (
                    account.entity,
                    seen.record,
                    seen.source,
                    seen.record_class,
                    "{" + ",".join(map(str, record.sequences)) + "}",
                    seen.standing,
                    seen.public,
                    seen.objected,
                    seen.listing,
                    seen.since,
                    *score_columns(seen),
                    seen.points_until,
                    seen.next_change,
                    seen.begins,
                    seen.retired_from,
                )
            )
    if rows:
        rows.sort(key=itemgetter(0, 1, 2))
        await connection.execute(SQL.upsert_records, *columns(rows))
        await open_cases.store(connection, folded, rules)


async def store_notices(connection: Session, accounts: Mapping[str, Account]) -> None:
    """Store what settled accounts have to tell, numbered on from what each has told."""
    telling = [account for _, account in sorted(accounts.items()) if account.noticed]
    if not telling:
        return
    last = await connection.fetch(SQL.last_notices, [account.entity for account in telling])
    told = {row["entity_id"]: (row["number"], row["due"]) for row in last}
    rows: list[tuple[Any, ...]] = []
    async for account in in_turns(telling):
        number, due = told.get(account.entity, (0, None))
        fresh = [notice for notice in account.noticed if due is None or notice.due > due]
        rows += [_notice_row(notice, place, account) for place, notice in enumerate(fresh, number + 1)]
    if rows:
        await connection.execute(SQL.insert_notices, *columns(rows))


def _notice_row(notice: Notice, number: int, account: Account) -> tuple[Any, ...]:
    if account.settled_at is None:
        raise ValueError("only a settled account has notices")
    salt, content = secrets.token_bytes(SALT_BYTES), notice.content
    leaf = notice_leaf(notice.entity, number, notice.due, account.settled_at, commit(salt, content))
    return (
        notice.entity,
        number,
        notice.due,
        account.settled_at,
        notice.type,
        notice.record,
        notice.source,
        content,
        salt,
        leaf_hash(leaf),
    )


@dataclass(slots=True)
class _Shown:
    """The lines that a view's profile shows."""

    factors: list[Line] = field(default_factory=list)
    listings: list[Line] = field(default_factory=list)


async def store_profiles(connection: Session, accounts: Mapping[str, Account], rules: Rules) -> None:
    """Render and store the profiles of settled accounts."""
    entities = sorted(accounts)
    if not entities:
        return
    shown = await _shown(connection, entities)
    for row in await connection.fetch(SQL.next_changes, entities):
        account = accounts[row["entity_id"]]
        released = rules.schedule.changes(account.settled_at, account.zone) if account.settled_at else None
        account.views["shared"].until = instants.earliest(row["shared_until"], released)
        account.views["public"].until = instants.earliest(row["public_until"], released)
    rows = [_profile_row(accounts[entity], shown, rules) async for entity in in_turns(entities)]
    await connection.execute(SQL.update_entities, *columns(rows))


async def _shown(connection: Session, entities: list[str]) -> dict[tuple[str, View], _Shown]:
    shown: dict[tuple[str, View], _Shown] = {
        (entity, view): _Shown() for entity in entities for view in ("public", "shared")
    }
    for row in await connection.fetch(SQL.strongest_records, entities):
        shown[row["entity_id"], row["view"]].factors.append(_factor(row))
    for row in await connection.fetch(SQL.listed_records, entities):
        listed = _listed(row)
        shown[row["entity_id"], "shared"].listings.append(listed)
        if row["public"]:
            shown[row["entity_id"], "public"].listings.append(listed)
    return shown


def _factor(row: Row) -> Line:
    return Line(
        record=row["record"],
        source=row["source"],
        record_class=None,
        standing=True,
        public=False,
        objected=False,
        listing=False,
        since=None,
        contribution=Contribution(row["code"], "", row["points"], None),
        points_until=row["points_until"],
        next_change=None,
    )


def _listed(row: Row) -> Line:
    return Line(
        record=row["record"],
        source=row["source"],
        record_class=row["class"],
        standing=True,
        public=row["public"],
        objected=False,
        listing=True,
        since=row["since"],
        contribution=None,
        points_until=None,
        next_change=None,
    )


def _profile_row(account: Account, shown: Mapping[tuple[str, View], _Shown], rules: Rules) -> tuple[Any, ...]:
    profiles = {
        view: profile_of(
            account, view, shown[account.entity, view].factors, shown[account.entity, view].listings, rules
        )
        for view in account.views
    }
    shared, public = account.views["shared"], account.views["public"]
    return (
        account.entity,
        account.version,
        account.recorded_at,
        written(account.namings["shared"]),
        written(account.namings["public"]),
        account.model,
        account.announced,
        shared.summary.dump(),
        shared.since,
        shared.until,
        profiles["shared"],
        public.summary.dump(),
        public.version,
        public.since,
        public.until,
        profiles["public"],
    )


def columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    """Turn rows into the columns that ``unnest`` takes."""
    return [list(column) for column in zip(*rows, strict=True)]
