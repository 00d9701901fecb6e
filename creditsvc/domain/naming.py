"""What an organisation is called, and whether it stands, as each view may know it.

The greatest rank wins, whatever arrives first: a registration outranks a mention, a later time an earlier
one. Only records that have arrived name anybody, and to the public only those that are public.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from creditsvc.domain import instants
from creditsvc.domain.catalogue import Catalogue
from creditsvc.domain.records import Entry, Record

View = Literal["public", "shared"]
VIEWS: tuple[View, ...] = ("public", "shared")


@dataclass(frozen=True, slots=True)
class Naming:
    """Name and status as far as events have told them, each with the rank of what told it."""

    name: str | None = None
    name_rank: str = ""
    status: str | None = None
    status_rank: str = ""

    def told(self, name: str | None, status: str | None, rank: str) -> "Naming":
        named, name_rank = (
            (name, rank) if name is not None and rank > self.name_rank else (self.name, self.name_rank)
        )
        stands, status_rank = self.status, self.status_rank
        if status is not None and rank > status_rank:
            stands, status_rank = status, rank
        return Naming(named, name_rank, stands, status_rank)


Namings = Mapping[View, Naming]
UNNAMED: Namings = {view: Naming() for view in VIEWS}


@dataclass(frozen=True, slots=True)
class Renamed:
    """From an instant on a view knows the organisation under another name or status."""

    view: View
    since: datetime
    name: str | None
    status: str | None


def tell(
    namings: Namings, entries: Iterable[Entry], record: Record, catalogue: Catalogue, *, public: bool
) -> Namings:
    """Take into account what the events of a record tell, as the record stands now."""
    return namings if record.type is None else told_by(namings, entries, catalogue, public=public)


def told_by(namings: Namings, entries: Iterable[Entry], catalogue: Catalogue, *, public: bool) -> Namings:
    """Take into account what the events of a record tell that has arrived."""
    told = dict(namings)
    for entry in entries:
        for view in VIEWS if public else ("shared",):
            told[view] = _told(told[view], entry, catalogue)
    return told


def _told(naming: Naming, entry: Entry, catalogue: Catalogue) -> Naming:
    data = entry.data
    if changes := data.get("changes"):
        data = {**data, **changes}
    name, status = data.get("entity_name"), data.get("status")
    if name is None and status is None:
        return naming
    authority = catalogue.types[entry.type].role == "states"
    when = instants.microseconds(entry.time) + 2**62  # times before 1970 rank below later ones as text too
    rank = f"{authority:d} {when:020d} {len(entry.id):03d} {entry.id} {entry.source}"
    return naming.told(name, status if authority else None, rank)


def renamed(before: Namings, after: Namings, since: datetime) -> list[Renamed]:
    """List the views in which the name or the status changed."""
    return [
        Renamed(view, since, after[view].name, after[view].status)
        for view in VIEWS
        if (before[view].name, before[view].status) != (after[view].name, after[view].status)
    ]
