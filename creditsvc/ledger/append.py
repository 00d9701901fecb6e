"""Append: one transaction that enters a group of events, and leaves records and profiles as they come to.

The order is the design: lock the entities, read the clock, find what is held already, fold, store. Nothing
is acknowledged before the commit. See docs/decisions for why a lock on the entity is all that is needed.
"""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from operator import itemgetter
from typing import Any, TypeVar

from creditsvc.domain.account import Account, RecordKey
from creditsvc.domain.canonical import SALT_BYTES, commit, leaf, leaf_hash
from creditsvc.domain.events import Event
from creditsvc.domain.notices import TICK
from creditsvc.domain.records import Entry
from creditsvc.domain.standing import Rules
from creditsvc.errors import EventConflict, Refusal
from creditsvc.ledger import open_cases
from creditsvc.ledger.accounts import SQL, load_records, lock, settle, store_names, store_notices
from creditsvc.ledger.entries import Row, Session, columns
from creditsvc.ledger.failures import ClockBehind, IdentityRace, OpeningRace, ReleaseUnknown
from creditsvc.ledger.profiles import profile_rows
from creditsvc.ledger.receipts import Outcome, Receipt
from creditsvc.ledger.releases import OFFICIAL
from creditsvc.ledger.turns import in_turns, parts

T = TypeVar("T")
BEGINNING = datetime.min.replace(tzinfo=UTC)
BEHIND_MOST = timedelta(seconds=10)  # that the clock may be, against what the log is complete until


@dataclass(frozen=True, slots=True)
class _Claim:
    """What is held under an event's identity, in the database or earlier in this group.

    Without the hash it was erased: then nobody can tell any more whether a repeat says the same.
    """

    entity: str
    content_sha256: bytes | None
    receipt: Receipt  # the first one, for the event itself


@dataclass(slots=True)
class _Group:
    """What one transaction enters."""

    now: datetime
    accounts: Mapping[str, Account]
    claims: dict[tuple[str, str], _Claim]
    events: list[tuple[Any, ...]] = field(default_factory=list)

    def reach(self, count: int) -> datetime:
        """Give the latest instant that anything may be recorded at when so many events are entered."""
        return max(self.now, *map(_after, self.accounts.values())) + count * TICK


async def append(connection: Session, events: Sequence[Event], rules: Rules) -> list[Outcome]:
    """Enter a group of events in one transaction; the outcomes are in the events' order.

    What goes wrong with one event is its own outcome. Raises ``IdentityRace`` (nothing entered, run again)
    and what asyncpg raises: then whether it committed is unknown, and running it again is harmless.
    """

    async def enter(accounts: dict[str, Account]) -> list[Outcome]:
        group = _Group(await _now(connection, accounts, rules), accounts, await _claims(connection, events))
        fresh = [event for event in events if (event.source, event.id) not in group.claims]
        await _find_agencies(connection, accounts, fresh)
        named, until = _named_records(fresh), group.reach(len(fresh))
        others = await load_records(connection, accounts, named, until, rules)
        outcomes = [_enter(event, group, rules) async for event in in_turns(events)]
        await _store(connection, group, others, rules)
        return outcomes

    return await _locked(connection, {event.entity for event in events}, enter)


async def refold(
    connection: Session,
    entities: Collection[str],
    rules: Rules,
    named: Mapping[str, set[RecordKey]] | None = None,
) -> None:
    """Bring stored profiles past their ``valid_until`` up to now, and records named; nothing is entered."""

    async def settle_them(accounts: dict[str, Account]) -> None:
        group = _Group(await _now(connection, accounts, rules), accounts, {})
        others = await load_records(connection, accounts, named or {}, group.reach(0), rules)
        await _store(connection, group, others, rules)

    await _locked(connection, entities, settle_them)


async def _locked(
    connection: Session, entities: Collection[str], work: Callable[[dict[str, Account]], Awaitable[T]]
) -> T:
    """Do work on accounts in a transaction that locks them."""
    while True:
        try:
            async with _transaction(connection):
                return await work(await lock(connection, entities))
        except OpeningRace:  # to wait for the rest while holding some could be a ring
            continue


@asynccontextmanager
async def _transaction(connection: Session) -> AsyncIterator[None]:
    """Begin and commit as asyncpg does, but with the transaction's settings in the same round trip."""
    if connection.is_in_transaction():  # a part of another
        async with connection.transaction():
            yield
        return
    await connection.execute(SQL.begin)
    try:
        yield
    except BaseException:
        if not connection.is_closed():
            await connection.execute("ROLLBACK;")
        raise
    await connection.execute("COMMIT;")


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
            return replace(claim.receipt, status="duplicate")
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
            event.source,
            event.id,
            event.entity,
            entry.sequence,
            event.content_sha256,
            entry.recorded_at,
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
    receipt = Receipt(
        event.id, event.source, "accepted", event.entity, entry.sequence, entry.recorded_at, hashed, salt
    )
    group.claims[event.source, event.id] = _Claim(event.entity, event.content_sha256, receipt)
    return receipt


async def _store(
    connection: Session, group: _Group, others: Mapping[str, Sequence[Row]], rules: Rules
) -> None:
    changed = {
        entity: account for entity, account in group.accounts.items() if account.changed(group.now, rules)
    }
    if not changed and not group.events:
        return
    records, folded = await settle(changed, group.now, rules)
    profiles = await profile_rows(changed, others, rules)
    group.events.sort(key=itemgetter(0, 1))  # identities are claimed in one order: else two groups are a ring
    rows = (parts(group.events), parts(records), parts(profiles))
    for events, lines, served in zip_longest(*rows, fillvalue=()):
        claimed = await connection.fetchval(
            SQL.store, *columns(events, 15), *columns(lines, 18), *columns(served, 16)
        )
        if claimed != len(events):
            raise IdentityRace
    await open_cases.store(connection, folded, rules)
    await store_notices(connection, changed)
    await store_names(connection, changed)
