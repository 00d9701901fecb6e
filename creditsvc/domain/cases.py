"""Cases: the objections and the applications for repair on one record, folded from its events. Pure.

They are folded in the order in which the service heard their events, whatever times these name: a decision
answers what was on the table when it came. What the machine (``moves``) does not allow is refused at the door
and so is not there; where it is, of old, it changes nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, Protocol
from zoneinfo import ZoneInfo

from creditsvc.domain import instants
from creditsvc.domain.catalogue import Catalogue, EventType
from creditsvc.domain.catalogue_procedures import CaseKind, Clock, Procedure, Step
from creditsvc.domain.moves import CLOSED, GRANTED, MOVES, OPEN, OPENING_STATE

if TYPE_CHECKING:  # records hold cases
    from creditsvc.domain.records import Entry, Record


@dataclass(frozen=True, slots=True)
class Case:
    """One objection to a record, or one application for its repair.

    ``by`` is the source that opened it, ``handler`` the agency whose turn it is to act on it, ``handled`` all
    that had it. ``routed_at`` is when it came to its handler, ``since`` when its state last changed. Of an
    objection: ``appealed_at`` is when its refusal was appealed against, ``remedied`` whether a correction or
    the revocation of the record has come since.
    """

    kind: CaseKind
    number: str
    by: str
    handler: str
    state: str
    ground: str | None
    opened_at: datetime
    routed_at: datetime
    since: datetime
    handled: frozenset[str]
    extended: bool = False
    appealed_at: datetime | None = None
    remedied: bool = False

    @property
    def open(self) -> bool:
        """Whether it is not over yet: it waits for the handler, or for more from the applicant."""
        return self.state in OPEN[self.kind]

    @property
    def appealed(self) -> bool:
        return self.appealed_at is not None

    @property
    def marks(self) -> bool:
        """Whether it marks the record as objected to."""
        return self.kind == "objection" and self.open


CaseKey = tuple[CaseKind, str]
AWAITED_OF: Mapping[Step, Literal["agency", "applicant"]] = {
    "accept": "agency",
    "decide": "agency",
    "remedy": "agency",
    "appeal": "applicant",
    "supplement": "applicant",
}


_STEPS: Mapping[tuple[CaseKind, str], Step] = {
    ("objection", "accepted"): "decide",
    ("objection", "appealed"): "decide",
    ("objection", "upheld"): "remedy",
    ("objection", "refused"): "appeal",
    ("repair", "applied"): "accept",
    ("repair", "asked"): "supplement",
    ("repair", "accepted"): "decide",
}


@dataclass(frozen=True, slots=True)
class Running:
    """The clock that runs in a case: the step that is due, counted from when, how long, and whose it is."""

    step: Step
    since: datetime
    clock: Clock

    @property
    def awaits(self) -> Literal["agency", "applicant"]:
        return AWAITED_OF[self.step]


def named_case(data: Mapping[str, Any], kind: EventType) -> CaseKey | None:
    """Tell which case checked data is about; null where it is about none."""
    return None if kind.procedure is None else (kind.procedure, data[kind.procedure])


class Docket:
    """The cases of one record while its events are folded, in the order in which they were recorded."""

    def __init__(self) -> None:
        self.cases: dict[CaseKey, Case] = {}
        self._decided_early: set[CaseKey] = set()
        self.shielded = False

    def take(self, entry: "Entry", kind: EventType) -> None:
        match kind.role:
            case "moves":
                self._move(entry, kind)
            case "corrects":
                self._remedy()
            case "revokes" | "repairs":
                self._remedy()
                self._close(entry, GRANTED if kind.role == "repairs" else CLOSED)
            case "shields" | "unshields":
                self.shielded = kind.role == "shields"

    def _move(self, entry: "Entry", kind: EventType) -> None:
        key = named_case(entry.data, kind)
        if key is None or kind.move is None:
            return
        found = self.cases.get(key)
        if kind.move == "open":
            if found is None:
                self.cases[key] = _opened(entry, key, early=key in self._decided_early)
        elif found is None:
            self._decided_early.add(key)  # of old, a decision could arrive before its objection
        elif found.state in MOVES[key[0]][kind.move].before:
            self.cases[key] = moved(found, entry, kind)

    def _remedy(self) -> None:
        for key, found in self.cases.items():
            if found.kind == "objection":
                self.cases[key] = replace(found, remedied=True)

    def _close(self, entry: "Entry", repair: str) -> None:
        for key, found in self.cases.items():
            if found.open:
                state = repair if found.kind == "repair" else CLOSED
                self.cases[key] = replace(found, state=state, since=entry.recorded_at)


def _opened(entry: "Entry", key: CaseKey, *, early: bool) -> Case:
    kind, number = key
    return Case(
        kind=kind,
        number=number,
        by=entry.source,
        handler=entry.holder,
        state=CLOSED if early else OPENING_STATE[kind],
        ground=entry.data.get("ground"),
        opened_at=entry.recorded_at,
        routed_at=entry.recorded_at,
        since=entry.recorded_at,
        handled=frozenset({entry.holder}),
    )


def moved(case: Case, entry: "Entry", kind: EventType) -> Case:
    """Make the move of an event, which the case's state allows."""
    at, data = entry.recorded_at, entry.data
    if kind.move == "decide" and data["decision"] == "referred":
        to = data["to"]
        state = "appealed" if case.appealed else "opened"
        return replace(case, state=state, handler=to, handled=case.handled | {to}, routed_at=at, since=at)
    if kind.move is None:
        raise ValueError("an event that moves no case")
    after = MOVES[case.kind][kind.move].after
    return replace(
        case,
        state=data["decision"] if after is None else after,
        since=case.since if kind.move == "extend" else at,
        extended=case.extended or kind.move == "extend",
        appealed_at=at if kind.move == "appeal" else case.appealed_at,
    )


def docket(entries: Iterable["Entry"], catalogue: Catalogue) -> Docket:
    """Fold the cases of a record from its events, given by sequence."""
    found = Docket()
    for entry in entries:
        found.take(entry, catalogue.types[entry.type])
    return found


class Dated(Protocol):
    """What the choice of a procedure asks of a record."""

    @property
    def type(self) -> str | None: ...
    @property
    def record_class(self) -> str | None: ...
    @property
    def opened_at(self) -> datetime | None: ...


def procedure_of(case: Case, record: Dated, catalogue: Catalogue, zone: ZoneInfo) -> Procedure:
    """Find the procedure that holds for a case: that of the day on which it was opened."""
    return procedure_on(case.kind, case.opened_at, record, catalogue, zone)


def procedure_on(
    kind: CaseKind, opened_at: datetime, record: Dated, catalogue: Catalogue, zone: ZoneInfo
) -> Procedure:
    """Find the procedure for a case of a kind that is opened at an instant."""
    opened_on = opened_at.astimezone(zone).date()
    recorded_on = (record.opened_at or opened_at).astimezone(zone).date()
    listed = catalogue.procedures[kind]
    fitting = (
        one
        for one in listed
        if one.fits(record.record_class or "", record.type or "", opened_on, recorded_on)
    )
    return next(fitting, listed[-1])


def running(case: Case, procedure: Procedure) -> Running | None:
    """Tell which clock runs in a case; null where nothing is due."""
    clocks = procedure.clocks
    step = _step(case, procedure)
    if step is None:
        return None
    clock = clocks[step]
    if case.extended and "extension" in clocks:
        clock = replace(clock, days=clock.days + clocks["extension"].days)
    # Where accepting has no time of its own it is a part of deciding, and does not start the clock anew.
    whole = case.kind == "objection" and case.state == "accepted" and "accept" not in clocks
    return Running(step, case.routed_at if whole else case.since, clock)


def appeal_ends(case: Case, record: Dated, catalogue: Catalogue, zone: ZoneInfo) -> datetime | None:
    """Give the instant from which a refusal can be appealed against no more; null where none can be."""
    if case.kind != "objection" or case.state != "refused" or case.appealed:
        return None
    clock = procedure_of(case, record, catalogue, zone).clocks["appeal"]
    last = case.since.astimezone(zone).date() + timedelta(days=clock.days)
    return instants.start_of(last + timedelta(days=1), zone)


def _step(case: Case, procedure: Procedure) -> Step | None:
    if case.kind == "objection" and case.state == "opened":
        return "accept" if "accept" in procedure.clocks else "decide"
    done = case.remedied if case.state == "upheld" else case.appealed and case.state == "refused"
    return None if done else _STEPS.get((case.kind, case.state))


def withheld_from(record: "Record", catalogue: Catalogue, zone: ZoneInfo) -> datetime | None:
    """Give the instant from which the public is not shown a record whose objection is still undecided.

    Where the procedure says so; null else. It is over with the event that decides, if that ever comes.
    """
    if not record.cases:
        return None
    ends = (_withheld_from(case, record, catalogue, zone) for case in record.cases if case.marks)
    return instants.earliest(*ends)


def _withheld_from(case: Case, record: "Record", catalogue: Catalogue, zone: ZoneInfo) -> datetime | None:
    procedure = procedure_of(case, record, catalogue, zone)
    if procedure.undecided is None:
        return None
    since = case.appealed_at or case.opened_at  # a referral gives nobody more time
    last = since.astimezone(zone).date() + timedelta(days=procedure.clocks["decide"].days)
    return instants.start_of(last + timedelta(days=1), zone)
