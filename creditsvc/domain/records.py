"""A record is the fold of its events: what one item of an organisation's history comes to.

The fold takes events by the time they took effect, not by the order in which they arrived, so late and
shuffled delivery comes to the same record.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from creditsvc.domain.cases import Case, docket
from creditsvc.domain.catalogue import Catalogue

STANDING = "standing"
SHIELDED = "shielded"  # while its organisation is being reorganised
AWAITED = "awaited"  # amendments have arrived, the record itself has not
REVOKED = "revoked"
REPAIRED = "repaired"


@dataclass(frozen=True, slots=True)
class Erased:
    """What is kept of an event whose content was erased, so that what it did can still be told.

    ``public``: whether its record was public once it had come; ``touched_public``: whether the public view
    changed with it. ``retired_from`` and ``public_changed_at`` are of its record, as ``Evaluation`` has them.
    """

    public: bool
    touched_public: bool
    retired_from: datetime
    public_changed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One event as it was recorded: what the agency said, and when the service heard it.

    Of one that was erased ``data`` holds only the names that it told.
    """

    sequence: int
    recorded_at: datetime
    source: str
    id: str
    type: str
    time: datetime
    record: str
    data: Mapping[str, Any]
    touches_public: bool = False
    erased: Erased | None = None

    @property
    def holder(self) -> str:
        """The source that handed in the record that this is about: its own unless it names another."""
        return str(self.data.get("record_source", self.source))

    @property
    def key(self) -> tuple[str, str]:
        """Which record of its organisation it is of: the number, and who holds it."""
        return (self.record, self.holder)

    @property
    def order(self) -> tuple[datetime, int, str]:
        """Where it stands among the events of its record. Of two at one time, ``…/2`` precedes ``…/10``."""
        return (self.time, len(self.id), self.id)


@dataclass(frozen=True, slots=True)
class Record:
    """What the events of one record come to. ``type``, ``record_class`` and ``time`` are of its opening.

    ``cases`` are in the order in which they were opened; ``objections`` the numbers of those that mark it.

    ``opened_at``: when the service first recorded an opening of it, which publishes it; ``withdrawn_at``:
    when first a revocation or repair; ``recorded_at``: when the last of its events.
    """

    number: str
    source: str
    type: str | None
    record_class: str | None
    time: datetime | None
    state: str
    data: Mapping[str, Any]
    objections: frozenset[str]
    opened_at: datetime | None
    recorded_at: datetime
    sequences: tuple[int, ...]
    cases: tuple[Case, ...] = ()
    shielded: bool = False
    withdrawn_at: datetime | None = None

    @property
    def withdrawn(self) -> bool:
        """Neither published nor shared nor scored any more (and an awaited one not yet)."""
        return self.state in {REVOKED, REPAIRED, SHIELDED, AWAITED}


class _Fold:
    def __init__(self) -> None:
        self.opening: Entry | None = None
        self.record_class: str | None = None
        self.changes: dict[str, Any] = {}
        self.closed: tuple[str | None, str] | None = None
        self.states: set[str] = set()

    def take(self, entry: Entry, catalogue: Catalogue) -> None:
        kind = catalogue.types[entry.type]
        match kind.role:
            case "opens":
                self.opening, self.record_class = entry, kind.record_class
            case "states":  # each statement is whole: it replaces what was said before
                self.opening, self.record_class, self.changes = entry, kind.record_class, {}
            case "corrects":
                self.changes |= entry.data["changes"]
            case "closes":
                self.closed = (kind.record_class, kind.state or STANDING)
            case "revokes":
                self.states.add(REVOKED)
            case "repairs":
                self.states.add(REPAIRED)

    def state(self, *, shielded: bool) -> str:
        if self.opening is None:
            return AWAITED
        for final in (REVOKED, REPAIRED):
            if final in self.states:
                return final
        if shielded:
            return SHIELDED
        if self.closed is not None and self.closed[0] == self.record_class:
            return self.closed[1]
        return STANDING

    def data(self, catalogue: Catalogue) -> dict[str, Any]:
        if self.opening is None:
            return {}
        kind = catalogue.types[self.opening.type]
        fitting = {
            name: value
            for name, value in self.changes.items()
            if name in kind.optional or (name in kind.required and value is not None)
        }
        merged = {**self.opening.data, **fitting}
        return {name: value for name, value in merged.items() if value is not None}


def fold(entries: Iterable[Entry], catalogue: Catalogue) -> Record:
    """Fold the events of one record (at least one) to what they come to."""
    arrived = sorted(entries, key=lambda entry: entry.sequence)
    so_far = _Fold()
    for entry in sorted(arrived, key=lambda entry: entry.order):
        so_far.take(entry, catalogue)
    opening, held = so_far.opening, docket(arrived, catalogue)
    return Record(
        number=arrived[0].record,
        source=arrived[0].holder,
        type=opening.type if opening else None,
        record_class=so_far.record_class,
        time=opening.time if opening else None,
        state=so_far.state(shielded=held.shielded),
        data=so_far.data(catalogue),
        objections=frozenset(case.number for case in held.cases.values() if case.marks),
        opened_at=_first(arrived, {"opens", "states"}, catalogue),
        recorded_at=arrived[-1].recorded_at,
        sequences=tuple(entry.sequence for entry in arrived),
        cases=tuple(held.cases.values()),
        shielded=held.shielded,
        withdrawn_at=_first(arrived, {"revokes", "repairs"}, catalogue),
    )


def _first(arrived: Iterable[Entry], roles: Collection[str], catalogue: Catalogue) -> datetime | None:
    found = (one for one in arrived if catalogue.types[one.type].role in roles)
    return min((one.recorded_at for one in found), default=None)
