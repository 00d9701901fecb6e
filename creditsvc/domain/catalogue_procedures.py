"""How objections and repair go, as the catalogue's data: who must act within how long.

The procedures are listed for each kind of case, those for few records first: the first that fits a case when
it is opened holds for it until its end.
"""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from pydantic import ConfigDict

from creditsvc.domain.titles import Title
from creditsvc.domain.violations import pointer

CaseKind = Literal["objection", "repair"]
Step = Literal["accept", "decide", "remedy", "appeal", "supplement"]
ClockName = Literal["accept", "decide", "remedy", "appeal", "supplement", "extension"]

# Without these a case of the kind could wait for ever; the others are laid down by some procedures only.
NEEDED: Mapping[CaseKind, frozenset[ClockName]] = {
    "objection": frozenset({"decide", "remedy", "appeal"}),
    "repair": frozenset({"accept", "decide", "supplement"}),
}
KNOWN: Mapping[CaseKind, frozenset[ClockName]] = {
    "objection": NEEDED["objection"] | {"accept"},
    "repair": NEEDED["repair"] | {"extension"},
}

_SHAPE = ConfigDict(extra="forbid")
Problem = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Clock:
    """So many days after the one on which it starts; over with the end of the last."""

    __pydantic_config__ = _SHAPE
    days: int
    counted: Literal["working-days", "days"]


@dataclass(frozen=True, slots=True)
class Procedure:
    """For cases on records of some ``classes`` or opening ``types`` (None: of all).

    Opened from one day (inclusive) until another (exclusive; None: open), and ``within_days`` of the day on
    which the record was recorded first. ``clocks``: how long each step may take; ``extension`` is what a
    decision may be put off by, once. ``waits``: repair may be applied for when the ``minimum`` of the rule of
    publicity is over, or at once (``nothing``). ``undecided``: what becomes of a record whose objection is
    not decided in time: nothing, or ``withheld`` from the public until it is.
    """

    __pydantic_config__ = _SHAPE
    name: str
    title: Title
    source: str
    clocks: Mapping[ClockName, Clock]
    classes: tuple[str, ...] | None = None
    types: tuple[str, ...] | None = None
    opened_from: date | None = None
    opened_until: date | None = None
    within_days: int | None = None
    waits: Literal["minimum", "nothing"] = "minimum"
    undecided: Literal["withheld"] | None = None
    notes: tuple[str, ...] = field(default_factory=tuple)

    def fits(self, record_class: str, event_type: str, opened_on: date, recorded_on: date) -> bool:
        """Tell whether it holds for a case opened on one day, on a record first recorded on another."""
        if self.classes is not None and record_class not in self.classes:
            return False
        if self.types is not None and event_type not in self.types:
            return False
        if self.opened_from is not None and opened_on < self.opened_from:
            return False
        if self.opened_until is not None and opened_on >= self.opened_until:
            return False
        return self.within_days is None or (opened_on - recorded_on).days <= self.within_days


Procedures = Mapping[CaseKind, tuple[Procedure, ...]]


def check_procedures(
    procedures: Procedures, classes: AbstractSet[str], types: AbstractSet[str]
) -> Iterator[Problem]:
    """Find what is wrong in a catalogue's procedures: (JSON pointer into the file, what is wrong there)."""
    names: set[str] = set()
    for kind, needed in NEEDED.items():
        listed = procedures.get(kind, ())
        at = pointer(("procedures", kind))
        if not listed or not _fits_all(listed[-1]):
            yield at, "the last procedure is for every case"
        for index, one in enumerate(listed):
            if one.name in names:
                yield f"{at}/{index}/name", "there is another procedure of this name"
            names.add(one.name)
            if not needed <= set(one.clocks) <= KNOWN[kind]:
                yield f"{at}/{index}/clocks", f"needs {', '.join(sorted(needed))}, and takes few others"
            yield from ((f"{at}/{index}{place}", what) for place, what in _procedure(one, classes, types))


def _fits_all(one: Procedure) -> bool:
    limits = (one.classes, one.types, one.opened_from, one.opened_until, one.within_days)
    return all(limit is None for limit in limits)


def _procedure(one: Procedure, classes: AbstractSet[str], types: AbstractSet[str]) -> Iterator[Problem]:
    if not set(one.classes or ()) <= classes:
        yield "/classes", "no such class"
    if not set(one.types or ()) <= types:
        yield "/types", "no such type opens a record"
    for name, clock in one.clocks.items():
        if clock.days < 1:
            yield f"/clocks/{name}/days", "at least 1"
    # What happens by itself must not move when the working days of a further year become known.
    if one.undecided is not None and one.clocks["decide"].counted != "days":
        yield "/undecided", "what happens by itself is counted in days of the calendar"
    if "appeal" in one.clocks and one.clocks["appeal"].counted != "days":
        yield "/clocks/appeal", "so is the time after which nobody can appeal any more"
