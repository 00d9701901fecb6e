"""What fsck has read of one organisation and of the log beside it, and how it names what stands there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from creditsvc.domain.account import RecordKey
from creditsvc.ledger.entries import Place, Row


@dataclass(frozen=True, slots=True)
class Moment:
    """What one snapshot tells of the log: since when, complete until when, what stands where, what waits."""

    began_at: datetime | None
    complete_until: datetime | None
    places: Mapping[Place, Sequence[int]]
    waiting: frozenset[Place]

    def name(self, place: Place) -> str:
        at = " and ".join(map(str, self.places.get(place, ())))
        return f"{place[0]} {place[1]} {place[2]}" + (f" (position {at})" if at else "")


@dataclass(frozen=True, slots=True)
class Stored:
    """All rows of one organisation, each kind in its order."""

    row: Row
    events: Sequence[Row]
    notices: Sequence[Row]
    records: Sequence[Row]
    names: Sequence[Row]
    cases: Sequence[Row]

    @property
    def entity(self) -> str:
        return str(self.row["entity_id"])


def place_of(row: Row, kind: str) -> Place:
    """Say which entry of the log an event's or a notice's row is."""
    return row["entity_id"], kind, row["sequence" if kind == "event" else "number"]


def key_of(row: Row) -> RecordKey:
    """Say which record an event's or a notice's row is about."""
    return row["record"], row["holder"] or row["source"]
