"""Append: one transaction that enters a group of events, and leaves records and profiles as they come to.

The order is the design: lock the entities, read the clock, find what is held already, fold, store. Nothing
is acknowledged before the commit. See docs/decisions for why a lock on the entity is all that is needed.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from creditsvc.domain.account import Account, RecordKey
from creditsvc.domain.canonical import SALT_BYTES, commit, leaf, leaf_hash
from creditsvc.domain.events import Event
from creditsvc.domain.notices import TICK
from creditsvc.domain.records import Entry
from creditsvc.domain.standing import Rules
from creditsvc.errors import EventConflict, Refusal
from creditsvc.ledger.accounts import (
    SQL,
    columns,
    load_records,
    lock,
    store_names,
    store_notices,
    store_profiles,
    store_records,
)
from creditsvc.ledger.entries import Session
from creditsvc.ledger.failures import ClockBehind, IdentityRace, ReleaseUnknown
from creditsvc.ledger.receipts import Outcome, Receipt
from creditsvc.ledger.releases import OFFICIAL
from creditsvc.ledger.turns import in_turns

BEGINNING = datetime.min.replace(tzinfo=UTC)
BEHIND_MOST = timedelta(seconds=10)  # that the clock may be, against what the log is complete until


@dataclass(frozen=True, slots=True)
class _Claim:
    """What is held under an event's identity, in the database or earlier in this group.

    Without the hash it was erased: then nobody can tell any more whether a repeat says the same.
    """

    entity: str
    content_sha256: bytes | None
    receipt: Receipt


@dataclass(slots=True)
class _Group:
    """What one transaction enters."""

    now: datetime
    accounts: Mapping[str, Account]
    claims: dict[tuple[str, str], _Claim]
    events: list[tuple[Any, ...]] = field(default_factory=list)
    identities: list[tuple[str, str, str, int, bytes]] = field(default_factory=list)

    def reach(self, count: int) -> datetime:
        """Give the latest instant that anything may be recorded at when so many events are entered."""
        return max(self.now, *map(_after, self.accounts.values())) + count * TICK


async def append(connection: Session, events: Sequence[Event], rules: Rules) -> list[Outcome]:
    """Enter a group of events in one transaction; the outcomes are in the events' order.

    What goes wrong with one event is its own outcome. Raises ``IdentityRace`` (nothing entered, run again)
    and what asyncpg raises: then whether it committed is unknown, and running it again is harmless.
    """
    async with connection.transaction():
        accounts = await lock(connection, (event.entity for event in events))
        group = _Group(await _now(connection, accounts, rules), accounts, await _claims(connection, events))
        fresh = [event for event in events if (event.source, event.id) not in group.claims]
        await _find_agencies(connection, accounts, fresh)
        await load_records(connection, accounts, _named_records(fresh), group.reach(len(fresh)), rules)
        outcomes = [_enter(event, group, rules) async for event in in_turns(events)]
        await _store(connection, group, rules)
    return outcomes


async def refold(
    connection: Session,
    entities: Sequence[str],
    rules: Rules,
    named: Mapping[str, set[RecordKey]] | None = None,
) -> None:
    """Bring stored profiles past their ``valid_until`` up to now, and records named; nothing is entered."""
    async with connection.transaction():
        accounts = await lock(connection, entities)
        group = _Group(await _now(connection, accounts, rules), accounts, {})
        await load_records(connection, accounts, named or {}, group.reach(0), rules)
        await _store(connection, group, rules)


async def _now(connection: Session, accounts: Mapping[str, Account], rules: Rules) -> datetime:
    """Read the clock under the locks, and tell the accounts when the log began.

    Raises ``ReleaseUnknown`` when there are rules that we do not know, ``ClockBehind`` when the clock is so
    far behind the log that events would be recorded in the future.
    """
    row = await connection.fetchrow(SQL.now, OFFICIAL, BEHIND_MOST)
    if row is None or row["released"] > len(rules.schedule.releases):
        raise ReleaseUnknown
    if row["behind"]:
        raise ClockBehind
    for account in accounts.values():
        account.began_at = row["began_at"]
    now: datetime = row["now"]
    return now


def _after(account: Account) -> datetime:
    """Give the first instant after all that an account shows, even if the clock was set back."""
    since = account.views["shared"].since
    return BEGINNING if since is None else since + TICK


async def _claims(connection: Session, events: Sequence[Event]) -> dict[tuple[str, str], _Claim]:
    rows = await connection.fetch(
        SQL.find_identities, [event.source for event in events], [event.id for event in events]
    )
    return {
        (row["source"], row["id"]): _Claim(
            row["entity_id"],
            row["content_sha256"],
            Receipt(
                row["id"],
                row["source"],
                "duplicate",
                row["entity_id"],
                row["sequence"],
                row["recorded_at"],
                row["leaf_hash"],
                row["salt"],
            ),
        )
        for row in rows
    }


async def _find_agencies(
    connection: Session, accounts: Mapping[str, Account], events: Sequence[Event]
) -> None:
    """Tell the accounts which of the agencies that cases are referred to are known."""
    referred = {event.data["to"] for event in events if "to" in event.data}
    if not referred:
        return
    rows = await connection.fetch(SQL.known_agencies, list(referred))
    known = frozenset(row["source"] for row in rows)
    for account in accounts.values():
        account.agencies = known


def _named_records(events: Sequence[Event]) -> dict[str, set[RecordKey]]:
    named: dict[str, set[RecordKey]] = {}
    for event in events:
        named.setdefault(event.entity, set()).add(event.key)
    return named


def _enter(event: Event, group: _Group, rules: Rules) -> Outcome:
    claim = group.claims.get((event.source, event.id))
    if claim is not None:
        same = claim.content_sha256 in {None, event.content_sha256}
        if claim.entity == event.entity and same:
            return claim.receipt
        return EventConflict("This source and id were used for an event with other content; use a new id")
    account = group.accounts[event.entity]
    held = account.held.get(event.key)
    opens = held is None or not held.entries
    try:
        entry = account.enter(event, max(group.now, _after(account)), rules)
    except Refusal as refusal:
        return refusal
    return _note(event, entry, group, opens=opens)


def _note(event: Event, entry: Entry, group: _Group, *, opens: bool) -> Receipt:
    salt = secrets.token_bytes(SALT_BYTES)
    hashed = leaf_hash(
        leaf(event.entity, entry.sequence, entry.recorded_at, event.source, commit(salt, event.content))
    )
    group.events.append(
        (
            event.entity,
            entry.sequence,
            entry.recorded_at,
            event.source,
            event.id,
            event.type,
            event.time,
            event.record,
            event.content,
            salt,
            hashed,
            opens,
            entry.touches_public,
            None if entry.holder == event.source else entry.holder,
        )
    )
    group.identities.append((event.source, event.id, event.entity, entry.sequence, event.content_sha256))
    receipt = Receipt(
        event.id, event.source, "accepted", event.entity, entry.sequence, entry.recorded_at, hashed, salt
    )
    again = Receipt(
        event.id, event.source, "duplicate", event.entity, entry.sequence, entry.recorded_at, hashed, salt
    )
    group.claims[event.source, event.id] = _Claim(event.entity, event.content_sha256, again)
    return receipt


async def _store(connection: Session, group: _Group, rules: Rules) -> None:
    if group.events:
        claimed = await connection.fetch(SQL.insert_identities, *columns(group.identities))
        if len(claimed) != len(group.identities):
            raise IdentityRace
        await connection.execute(SQL.insert_events, *columns(group.events))
    changed = {
        entity: account for entity, account in group.accounts.items() if account.changed(group.now, rules)
    }
    await store_records(connection, changed, group.now, rules)
    await store_notices(connection, changed)
    await store_profiles(connection, changed, rules)
    await store_names(connection, changed)
