"""A record is the fold of its events: what one item of an organisation's history comes to.

The fold takes events by the time they took effect, not by the order in which they arrived, so late and
shuffled delivery comes to the same record.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import Any

from creditsvc.domain.cases import Case, Docket, docket
from creditsvc.domain.catalogue import Catalogue, EventType
from creditsvc.domain.parties import holder_of

STANDING = "standing"
SHIELDED = "shielded"  # while its organisation is being reorganised
AWAITED = "awaited"  # amendments have arrived, the record itself has not
REVOKED = "revoked"
REPAIRED = "repaired"
_WITHDRAWN = frozenset({REVOKED, REPAIRED, SHIELDED, AWAITED})


_NONE: frozenset[str] = frozenset()

Order = tuple[datetime, int, str]


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


@dataclass(slots=True)  # not frozen: one is made for each event, and the guard is half its cost
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
        """The source that handed in the record that this is about."""
        return holder_of(self.source, self.data)

    @property
    def key(self) -> tuple[str, str]:
        """Which record of its organisation it is of: the number, and who holds it."""
        return (self.record, self.holder)

    @property
    def order(self) -> Order:
        """Where it stands among the events of its record. Of two at one time, ``…/2`` precedes ``…/10``."""
        return (self.time, len(self.id), self.id)


@dataclass(slots=True)  # not frozen: one is made for each event, and the guard is half its cost
class Record:
    """What the events of one record come to. ``type``, ``record_class`` and ``time`` are of its opening.

    ``cases`` are in the order in which they were opened; ``objections`` the numbers of those that mark it.

    ``opened_at``: when the service first recorded an opening of it, which publishes it; ``withdrawn_at``:
    when first a revocation or repair; ``recorded_at``: when the last of its events; ``told_at``: when the
    last of those that say something of the record itself, not of its cases. ``entries``: its events.
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
    told_at: datetime | None = None
    entries: tuple[Entry, ...] = field(default=(), compare=False, repr=False)

    @property
    def withdrawn(self) -> bool:
        """Neither published nor shared nor scored any more (and an awaited one not yet)."""
        return self.state in _WITHDRAWN


class _Fold:
    """Takes events as they arrive. What took effect last holds, whatever came last, so nothing is sorted."""

    def __init__(self) -> None:
        self.opening: Entry | None = None
        self.record_class: str | None = None
        self.opened_at: datetime | None = None
        self.withdrawn_at: datetime | None = None
        self.told_at: datetime | None = None
        self._changes: dict[str, tuple[Order, Any]] = {}
        self._closed: tuple[Order, str | None, str] | None = None
        self._restated: Order | None = None
        self._states: set[str] = set()

    def take(self, entry: Entry, catalogue: Catalogue) -> bool:
        """Take an event; tells whether it says anything of the record itself."""
        kind = catalogue.types[entry.type]
        match kind.role:
            case "opens" | "states":
                self._open(entry, kind)
            case "corrects":
                for name, value in entry.data["changes"].items():
                    if name not in self._changes or self._changes[name][0] <= entry.order:
                        self._changes[name] = (entry.order, value)
            case "closes":
                if self._closed is None or self._closed[0] <= entry.order:
                    self._closed = (entry.order, kind.record_class, kind.state or STANDING)
            case "revokes" | "repairs":
                self._states.add(REVOKED if kind.role == "revokes" else REPAIRED)
                self.withdrawn_at = self.withdrawn_at or entry.recorded_at
            case _:
                return False
        self.told_at = entry.recorded_at
        return True

    def _open(self, entry: Entry, kind: EventType) -> None:
        self.opened_at = self.opened_at or entry.recorded_at
        if self.opening is None or self.opening.order <= entry.order:
            self.opening, self.record_class = entry, kind.record_class
        # Each statement is whole: it replaces what was said before.
        if kind.role == "states" and (self._restated is None or self._restated < entry.order):
            self._restated = entry.order

    def state(self, *, shielded: bool) -> str:
        if self.opening is None:
            return AWAITED
        for final in (REVOKED, REPAIRED):
            if final in self._states:
                return final
        if shielded:
            return SHIELDED
        if self._closed is not None and self._closed[1] == self.record_class:
            return self._closed[2]
        return STANDING

    def data(self, catalogue: Catalogue) -> dict[str, Any]:
        if self.opening is None:
            return {}
        kind = catalogue.types[self.opening.type]
        merged = {**self.opening.data}
        for name, (order, value) in self._changes.items():
            fits = name in kind.optional or (name in kind.required and value is not None)
            if fits and (self._restated is None or order > self._restated):
                merged[name] = value
        if None in merged.values():
            return {name: value for name, value in merged.items() if value is not None}
        return merged

    def record(self, arrived: Sequence[Entry], held: Docket, catalogue: Catalogue) -> Record:
        opening = self.opening
        return Record(
            number=arrived[0].record,
            source=arrived[0].holder,
            type=opening.type if opening else None,
            record_class=self.record_class,
            time=opening.time if opening else None,
            state=self.state(shielded=held.shielded),
            data=self.data(catalogue),
            objections=frozenset([case.number for case in held.cases.values() if case.marks])
            if held.cases
            else _NONE,
            opened_at=self.opened_at,
            recorded_at=arrived[-1].recorded_at,
            sequences=tuple(entry.sequence for entry in arrived),
            cases=tuple(held.cases.values()),
            shielded=held.shielded,
            withdrawn_at=self.withdrawn_at,
            told_at=self.told_at,
            entries=tuple(arrived),
        )


def fold(entries: Iterable[Entry], catalogue: Catalogue) -> Record:
    """Fold the events of one record (at least one) to what they come to."""
    arrived = sorted(entries, key=attrgetter("sequence"))
    so_far = _Fold()
    for entry in arrived:
        so_far.take(entry, catalogue)
    return so_far.record(arrived, docket(arrived, catalogue), catalogue)


def stages(record: Record, catalogue: Catalogue) -> Iterator[Record]:
    """Give what a record came to with each event that said anything of it itself, without its cases."""
    so_far, none = _Fold(), Docket()
    for entry in record.entries:
        if so_far.take(entry, catalogue):
            yield so_far.record((entry,), none, catalogue)
