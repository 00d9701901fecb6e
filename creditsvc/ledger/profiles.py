"""Profiles of settled accounts: which records they show, and the rows in which they are kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

import orjson

from creditsvc.domain import instants
from creditsvc.domain.account import Account, profile_of
from creditsvc.domain.naming import Naming
from creditsvc.domain.profile import Line, newest_listings
from creditsvc.domain.standing import Rules
from creditsvc.ledger.entries import Row
from creditsvc.ledger.turns import in_turns


class Seen(NamedTuple):
    """What a profile may show of a record that is not loaded: a factor of the score, or a listing."""

    record: str
    source: str
    record_class: str | None
    public: bool
    listing: bool
    since: datetime | None
    code: str | None
    points: Decimal
    points_until: datetime | None


@dataclass(slots=True)
class Shown:
    """What the profiles of an account may show, by view: factors, listings, and what time changes next."""

    shared: list[Line | Seen] = field(default_factory=list)
    public: list[Line | Seen] = field(default_factory=list)
    shared_listings: list[Line | Seen] = field(default_factory=list)
    public_listings: list[Line | Seen] = field(default_factory=list)
    shared_until: datetime | None = None
    public_until: datetime | None = None

    def take(self, line: Line) -> None:
        """Take in a record that was folded."""
        self._take(line, line.next_change, begins=line.begins)

    def _take(self, seen: Line | Seen, change: datetime | None, *, begins: bool) -> None:
        if seen.points:
            self.shared.append(seen)
            if seen.public:
                self.public.append(seen)
        if seen.listing:
            self.shared_listings.append(seen)
            if seen.public:
                self.public_listings.append(seen)
        if change is not None:
            self.shared_until = instants.earliest(self.shared_until, change)
            if seen.public or begins:
                self.public_until = instants.earliest(self.public_until, change)

    def take_row(self, row: Row) -> None:
        """Take in a stored record that stays as it is, for what it was found for."""
        why = row["why"]
        if why == "shared until":
            self.shared_until = instants.earliest(self.shared_until, row["next_change"])
            return
        if why == "public until":
            self.public_until = instants.earliest(self.public_until, row["next_change"])
            return
        seen = Seen._make(row[2:11])
        if why == "any":
            self._take(seen, row["next_change"], begins=row["begins"])
        else:
            self._found_for[why].append(seen)

    @property
    def _found_for(self) -> Mapping[str, list[Line | Seen]]:
        return {
            "shared": self.shared,
            "public": self.public,
            "shared listing": self.shared_listings,
            "public listing": self.public_listings,
        }


async def profile_rows(
    accounts: Mapping[str, Account], others: Mapping[str, Sequence[Row]], rules: Rules
) -> list[tuple[Any, ...]]:
    """Render the profiles of settled accounts; gives the rows to store, in the order of the entities.

    ``others``: what may be shown beside the records that were folded, as it was loaded with these.
    """
    return [
        _row(account, _shown(account, others.get(entity, ())), rules)
        async for entity, account in in_turns(sorted(accounts.items()))
    ]


def _shown(account: Account, others: Sequence[Row]) -> Shown:
    shown = Shown()
    held = account.held
    for row in others:
        loaded = held.get((row["record"], row["source"]))
        if loaded is None or not loaded.entries:
            shown.take_row(row)
    for one in held.values():
        if one.entries and one.line is not None:
            shown.take(one.line)
    return shown


def _row(account: Account, shown: Shown, rules: Rules) -> tuple[Any, ...]:
    shared, public = account.views["shared"], account.views["public"]
    released = rules.schedule.changes(account.settled_at, account.zone) if account.settled_at else None
    shared.until = instants.earliest(shown.shared_until, released)
    public.until = instants.earliest(shown.public_until, released)
    if alike := _alike(account):
        profile = None
    else:
        profile = profile_of(account, "shared", shown.shared, newest_listings(shown.shared_listings), rules)
    return (
        account.entity,
        account.version,
        account.recorded_at,
        None if alike else written(account.namings["shared"]),
        written(account.namings["public"]),
        account.model,
        account.announced,
        None if alike else shared.summary.dump(),
        shared.since,
        shared.until,
        profile,
        public.summary.dump(),
        public.version,
        public.since,
        public.until,
        profile_of(account, "public", shown.public, newest_listings(shown.public_listings), rules),
    )


def _alike(account: Account) -> bool:
    """Whether both views come to the same, which is stored once: the public has all records of the other."""
    shared, public = account.views["shared"], account.views["public"]
    return (
        shared.moment() == public.moment()
        and account.namings["shared"] == account.namings["public"]
        and shared.summary == public.summary
        and shared.summary.records > 0  # of none, what the public is not told of would differ
    )


def written(naming: Naming) -> str | None:
    """Write a naming as it is stored; null for nothing told."""
    if naming.name is None and naming.status is None:
        return None
    return orjson.dumps([naming.name, naming.name_rank, naming.status, naming.status_rank]).decode()
