"""Accounts out of their rows and back into them."""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any

import orjson

from creditsvc.domain import names
from creditsvc.domain.account import Account, Held, RecordKey, Standing
from creditsvc.domain.canonical import SALT_BYTES, commit, leaf_hash, notice_leaf
from creditsvc.domain.naming import Naming, View
from creditsvc.domain.notices import Notice
from creditsvc.domain.profile import Line, Summary
from creditsvc.domain.records import Record
from creditsvc.domain.standing import Rules
from creditsvc.ledger.entries import Row, Session, columns, entry, score_columns, stored_line
from creditsvc.ledger.failures import OpeningRace
from creditsvc.ledger.turns import in_turns, parts
from creditsvc.store.database import load_queries

SQL = load_queries("append")
SHORT_EVENTS = 16  # of an entity: reading all its records costs less than to find out which are shown


async def lock(connection: Session, entities: Iterable[str]) -> dict[str, Account]:
    """Lock the accounts of these entities, opening those that are new, in the order that avoids rings.

    Raises ``OpeningRace`` where another transaction opened one of them meanwhile.
    """
    ordered = sorted(set(entities))
    rows = await connection.fetch(SQL.lock_entities, ordered)
    if len(rows) != len(ordered):
        raise OpeningRace
    return {row["entity_id"]: _account(row) async for row in in_turns(rows)}


def _account(row: Row) -> Account:
    # What both views have in common is stored once, as the public's.
    summary = Summary.parse(row["shared_summary"] or row["public_summary"])
    named = _naming(row["public_naming"])
    shared = Standing(summary, row["version"], row["shared_from"], row["shared_until"])
    public = Standing(Summary.parse(row["public_summary"]), row["public_version"], row["public_from"])
    views: dict[View, Standing] = {"public": public, "shared": shared}
    return Account(
        entity=row["entity_id"],
        version=row["version"],
        recorded_at=row["recorded_at"],
        namings={
            "public": named,
            "shared": named if row["shared_naming"] is None else _naming(row["shared_naming"]),
        },
        views=views,
        model=row["model"],
        announced=row["announced"],
        settled_since=row["shared_from"],
    )


def _naming(stored: str | None) -> Naming:
    return Naming() if stored is None else Naming(*orjson.loads(stored))


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
            SQL.end_names, *columns([(entity, view, since) for (entity, view), since in first.items()], 3)
        )
        await connection.execute(SQL.insert_names, *columns(rows, 7))


@dataclass(slots=True)
class _Wanted:
    """Which records are to be loaded, and up to when an account may be settled."""

    named: Mapping[str, set[RecordKey]]
    until: datetime
    outdated: set[str]

    def has(self, entity: str, key: RecordKey, row: Row) -> bool:
        """Whether a record is to be folded again."""
        due = row["next_change"] is not None and row["next_change"] <= self.until
        return due or entity in self.outdated or key in self.named.get(entity, ())

    def arguments(self, begun: Mapping[str, Account]) -> tuple[Any, ...]:
        """Give what the query for the records of these accounts is told."""
        keys = sorted({(entity, number) for entity in begun for number, _ in self.named.get(entity, ())})
        short = [entity for entity, account in begun.items() if account.version <= SHORT_EVENTS]
        many = begun.keys() - self.outdated - set(short)
        counted = [(entity, len(self.named.get(entity, ()))) for entity in sorted(many)]
        few = [entity for entity in short if entity not in self.outdated]
        whole = [entity for entity in begun if entity in self.outdated]
        return (*columns(keys, 2), list(begun), self.until, whole, few, *columns(counted, 2))


async def load_records(
    connection: Session,
    accounts: Mapping[str, Account],
    named: Mapping[str, set[RecordKey]],
    until: datetime,
    rules: Rules,
) -> dict[str, list[Row]]:
    """Load what events name and what time or a new model has changed; these whole, with their events.

    ``until`` is the latest instant that an account may be settled at. Gives what profiles may show of other
    records, as they are stored, by entity.
    """
    outdated = {entity for entity, account in accounts.items() if account.outdated(until, rules)}
    wanted = _Wanted(named, until, outdated)
    others: dict[str, list[Row]] = {}
    place: dict[tuple[str, int], Held] = {}
    begun = [(entity, account) for entity, account in accounts.items() if account.version]
    for part in parts(begun):
        for row in await connection.fetch(SQL.find_records, *wanted.arguments(dict(part))):
            entity = row["entity_id"]
            if row["why"] is not None:
                others.setdefault(entity, []).append(row)
                continue
            held, key = accounts[entity].held, (row["record"], row["source"])
            if key in held:
                continue
            one = held[key] = Held(stored_line(row), erased=row["erased"])
            if not one.erased and wanted.has(entity, key, row):  # of what is erased there is nothing to fold
                place.update(((entity, sequence), one) for sequence in row["sequences"])
    if place:
        entries = await connection.fetch(SQL.find_entries, *columns([*place], 2))
        entries.sort(key=itemgetter("entity_id", "sequence"))
        async for row in in_turns(entries):
            place[row["entity_id"], row["sequence"]].entries.append(entry(row))
    return others


async def settle(
    accounts: Mapping[str, Account], at: datetime, rules: Rules
) -> tuple[list[tuple[Any, ...]], list[tuple[Account, Record]]]:
    """Fold what was loaded whole, which settles every account; gives the rows to store, and the records."""
    rows: list[tuple[Any, ...]] = []
    folded: list[tuple[Account, Record]] = []
    async for account in in_turns(accounts.values()):
        since = account.views["shared"].since  # later than the clock where that was set back
        for seen, record in account.settle(max(at, since) if since else at, rules):
            folded.append((account, record))
            rows.append(_record_row(account.entity, seen, record))
    rows.sort(key=itemgetter(0, 1, 2))
    return rows, folded


def _record_row(entity: str, seen: Line, record: Record) -> tuple[Any, ...]:
    return (
        entity,
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
        await connection.execute(SQL.insert_notices, *columns(rows, 10))


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
