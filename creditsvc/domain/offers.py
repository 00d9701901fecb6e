"""What somebody may do now in a case: read off the machine (``moves``), to be shown. Pure.

The ledger decides again when it is done, under its lock (``admission``): somebody else may act first.
"""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from creditsvc.domain.cases import Case, appeal_ends, procedure_of
from creditsvc.domain.catalogue import Catalogue, EventType
from creditsvc.domain.catalogue_file import Move, Role
from creditsvc.domain.catalogue_procedures import CaseKind
from creditsvc.domain.moves import CLOSED, MOVES
from creditsvc.domain.parties import party
from creditsvc.domain.records import Record

DECISIONS = ("upheld", "refused", "referred")
# What the holder of the record does to it because of a case.
_ACTS: dict[CaseKind, dict[str, Role]] = {
    "objection": {"correct": "corrects", "revoke": "revokes"},
    "repair": {"grant": "repairs"},
}


@dataclass(frozen=True, slots=True)
class Offer:
    """Something to be done: by which event, and who would say it.

    ``name``: the move, or of a decision which; or ``grant``, ``correct``, ``revoke`` of the record itself.
    """

    name: str
    type: EventType
    source: str
    decision: str | None = None


@dataclass(frozen=True, slots=True)
class Matter:
    """A case on a record of an organisation, as it stands."""

    entity: str
    record: Record
    case: Case
    catalogue: Catalogue


def offers(matter: Matter, sources: AbstractSet[str], at: datetime, zone: ZoneInfo) -> Iterator[Offer]:
    """Give what those who speak for some sources may do at an instant."""
    for name, kind, decision in _all(matter):
        source = _speaker(matter, kind, sources)
        if source is not None and _may(matter, name, kind) and _in_time(matter, name, at, zone):
            yield Offer(name, kind, source, decision)


def meant(matter: Matter, name: str, sources: AbstractSet[str]) -> Offer | None:
    """Find what somebody wants to do, whether or not they may; null for what nobody ever may."""
    for one, kind, decision in _all(matter):
        if one == name and sources:
            return Offer(one, kind, _speaker(matter, kind, sources) or min(sources), decision)
    return None


def moving(kind: CaseKind, move: Move, catalogue: Catalogue) -> EventType:
    """Find the type of event that makes a move."""
    return next(one for one in catalogue.types.values() if (one.procedure, one.move) == (kind, move))


def _all(matter: Matter) -> Iterator[tuple[str, EventType, str | None]]:
    kind, types = matter.case.kind, matter.catalogue.types.values()
    for move in MOVES[kind]:
        if move == "open":
            continue
        found = moving(kind, move, matter.catalogue)
        for name in DECISIONS if move == "decide" else (move,):
            yield name, found, name if move == "decide" else None
    for act, role in _ACTS[kind].items():
        yield act, next(one for one in types if one.role == role), None


def _speaker(matter: Matter, kind: EventType, sources: AbstractSet[str]) -> str | None:
    """Find as whom they would say it; None where it is not theirs."""
    case = matter.case
    theirs = {
        "handler": (case.handler,),
        "applicant": (party(matter.entity), case.by),
        "holder": (matter.record.source,),
    }
    return next((source for source in theirs[_mover(case.kind, kind)] if source in sources), None)


def _mover(case_kind: CaseKind, kind: EventType) -> str:
    return "holder" if kind.move is None else MOVES[case_kind][kind.move].mover


def _may(matter: Matter, name: str, kind: EventType) -> bool:
    case, record = matter.case, matter.record
    if kind.move is not None:
        fits = case.state in MOVES[case.kind][kind.move].before
        return fits and (case.state != CLOSED or name == "upheld")
    if record.type is None or record.withdrawn:
        return False
    if name == "correct" and matter.catalogue.types[record.type].role == "states":
        return False
    return case.open if name == "grant" else case.state == "upheld"


def _in_time(matter: Matter, name: str, at: datetime, zone: ZoneInfo) -> bool:
    case, record, catalogue = matter.case, matter.record, matter.catalogue
    if name == "appeal":
        ends = appeal_ends(case, record, catalogue, zone)
        return ends is not None and at < ends
    if name == "extend":
        return not case.extended and "extension" in procedure_of(case, record, catalogue, zone).clocks
    return True
