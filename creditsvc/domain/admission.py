"""What an organisation's record as it stands admits: whether an event may be entered. Pure.

The ledger asks it under the lock on the organisation, so of two events that exclude each other the second
hears a refusal. Nothing here tells a stranger of a record that they cannot see.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from creditsvc.domain import instants
from creditsvc.domain.cases import Case, named_case, procedure_of, procedure_on
from creditsvc.domain.catalogue import EventType
from creditsvc.domain.events import Event
from creditsvc.domain.moves import CLOSED, MOVES
from creditsvc.domain.parties import is_party, party
from creditsvc.domain.publicity import publicity
from creditsvc.domain.records import Record
from creditsvc.domain.retention import retired_from
from creditsvc.domain.standing import Rules
from creditsvc.errors import CaseConflict, EventInvalid, Forbidden, RecordExists, Violation

MOST_EVENTS_OF_A_RECORD = 1_000  # bounds the fold of one record
# Of a kind on one record by the organisation, and as many by all agencies for it: so whoever applies leaves
# room for whoever decides, and no agency takes the organisation's place.
MOST_CASES = 20
KEPT_FOR_THE_END = 10  # events by which a record that is full can still be withdrawn


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be entered: the event, when, the record that it is about, and what else is known.

    ``record`` is None before its first event, ``taken``: another source's record of that number stands,
    ``agencies`` are the known ones among those that are referred to.
    """

    event: Event
    at: datetime
    record: Record | None
    taken: bool
    agencies: AbstractSet[str]
    rules: Rules

    @property
    def kind(self) -> EventType:
        return self.rules.catalogue.types[self.event.type]

    @property
    def zone(self) -> ZoneInfo:
        return instants.zone_of(self.event.entity)


def admit(asked: Asked) -> None:
    """Return if the event may be entered; raises a ``Refusal`` that says why not."""
    _admit_sender(asked.event, asked.kind)
    record = asked.record
    if record is None:
        _admit_first(asked)
        return
    if not _is_for(asked.event, record) or _comes_too_late(asked, record):
        raise _unknown(asked.event)
    most = MOST_EVENTS_OF_A_RECORD + (KEPT_FOR_THE_END if asked.kind.role in {"revokes", "repairs"} else 0)
    if len(record.sequences) >= most:
        raise EventInvalid(
            f"A record takes at most {MOST_EVENTS_OF_A_RECORD} events; open a new one",
            [Violation("/data/record", "record-full", "This record has no room for another event")],
        )
    match asked.kind.role:
        case "moves":
            _admit_move(asked, record)
        case "shields" | "unshields":
            _admit_shielding(asked.kind, record)
        case "repairs" if "repair" in asked.event.data:
            _case(asked, record, ("repair", asked.event.data["repair"]))
    if record.type is not None:
        _admit_change(asked, record, record.type)


def _admit_sender(event: Event, kind: EventType) -> None:
    if not is_party(event.source):
        return
    if event.source != party(event.entity):
        raise Forbidden("An organisation speaks for itself only")
    if kind.procedure is None or kind.move is None or MOVES[kind.procedure][kind.move].mover != "applicant":
        raise Forbidden(
            "An organisation may object, appeal, apply for repair, supplement that and withdraw either; "
            "what is on record is for its agencies to say"
        )


def _admit_first(asked: Asked) -> None:
    """Admit the first event of a record: one that opens it, or an amendment that arrives before it does."""
    event, role = asked.event, asked.kind.role
    if event.holder != event.source or is_party(event.source):
        raise _unknown(event)
    if asked.taken and role == "moves":
        raise EventInvalid(
            "Another source holds the record of this number",
            [Violation("/data/record_source", "record-source", "Name the source that handed it in")],
        )
    if asked.taken and role not in {"opens", "states"}:
        raise Forbidden("Only the source that handed a record in may amend it")
    if asked.kind.procedure == "repair":
        raise _unknown(event)


def _is_for(event: Event, record: Record) -> bool:
    """Whether the sender may know of a record: its holder, the organisation, who has to do with its cases."""
    return _concerns(event, record) or (record.type is not None and not record.withdrawn)


def _concerns(event: Event, record: Record) -> bool:
    """Whether the sender is party to the record, or has to do with its cases."""
    if event.source == record.source or is_party(event.source):
        return True
    return any(
        event.source in case.handled or (case.open and event.source == case.by) for case in record.cases
    )


def _comes_too_late(asked: Asked, record: Record) -> bool:
    """Whether somebody else than its holder speaks of a record that no view has any more.

    Who has to do with a case may go on with that; a new one is not opened.
    """
    source = asked.event.source
    if source == record.source:
        return False
    over = retired_from(record, asked.rules.catalogue, asked.zone)
    if over is None or asked.at < over:
        return False
    return asked.kind.move == "open" or not any(source in {case.by, *case.handled} for case in record.cases)


def gone(event: Event, kind: EventType) -> EventInvalid:
    """Say that nothing can be said of a record any more whose content was erased; to its holder alone."""
    _admit_sender(event, kind)
    if event.source != event.holder:
        return _unknown(event)
    return EventInvalid(
        "The record was kept for as long as it may be, and its content was erased",
        [Violation("/data/record", "record-erased", "Nothing more can be said of this record")],
    )


def _unknown(event: Event) -> EventInvalid:
    wrong = [Violation("/data/record", "record-unknown", "Name a record that stands, as /records lists it")]
    if is_party(event.source) and event.holder == event.source:
        wrong = [Violation("/data/record_source", "required", "Name the source that handed the record in")]
    return EventInvalid("There is no such record", wrong)


def _admit_shielding(kind: EventType, record: Record) -> None:
    if (kind.role == "shields") == record.shielded:
        raise CaseConflict(f"The record is {'' if record.shielded else 'not '}shielded already")


def _admit_change(asked: Asked, record: Record, opened_by: str) -> None:
    kind = asked.kind
    if kind.role == "opens" or (kind.role == "states" and record.record_class != kind.record_class):
        raise RecordExists(
            "A record with this number stands already; send credit.record.corrected to change it",
            [Violation("/data/record", "record-exists", "Use another record number, or correct the record")],
        )
    if kind.role == "closes" and kind.record_class != record.record_class:
        raise EventInvalid(
            f"The record is a {record.record_class}, which {kind.name} does not end",
            [Violation("/data/record", "wrong-class", "Send the event type that fits the record")],
        )
    if kind.role == "corrects":
        _admit_corrections(asked.event, asked.rules.catalogue.types[opened_by])


def _admit_corrections(event: Event, opening: EventType) -> None:
    if opening.role == "states":
        raise EventInvalid(
            f"A statement is not corrected but made anew: send {opening.name}",
            [Violation("/type", "wrong-type", f"Send {opening.name} with the facts as they are")],
        )
    wrong = [
        Violation(
            f"/data/changes/{name}", "not-of-this-record", f"{opening.name} has no such field to change"
        )
        for name in event.data["changes"]
        if name not in opening.required | opening.optional
    ]
    wrong += [
        Violation(f"/data/changes/{name}", "required", "This field may be changed but not removed")
        for name, value in event.data["changes"].items()
        if value is None and name in opening.required
    ]
    if wrong:
        raise EventInvalid("The correction does not fit its record", wrong)


def _admit_move(asked: Asked, record: Record) -> None:
    key = named_case(asked.event.data, asked.kind)
    if key is None or asked.kind.move is None:
        raise ValueError("not a move")
    if asked.kind.move == "open":
        _admit_opening(asked, record)
        return
    case = _case(asked, record, key)
    transition = MOVES[case.kind][asked.kind.move]
    _admit_mover(asked.event, case, transition.mover)
    if case.state not in transition.before:
        raise CaseConflict(f"The {case.kind} is {case.state}: that cannot follow")
    match asked.kind.move:
        case "decide":
            _admit_decision(asked, case)
        case "appeal":
            _admit_appeal(asked, case, record)
        case "extend" if case.extended:
            raise CaseConflict("The decision was put off already; it may be once")


def _case(asked: Asked, record: Record, key: tuple[str, str]) -> Case:
    kind = key[0]
    for case in record.cases:
        if (case.kind, case.number) == key:
            if asked.kind.role == "repairs" and not case.open:
                raise CaseConflict(f"The {kind} is {case.state}: that cannot follow")
            return case
    if not _concerns(asked.event, record):
        raise _unknown(asked.event)  # whether it is there is not told by asking for its cases
    raise EventInvalid(
        f"There is no such {kind} on this record",
        [Violation(f"/data/{kind}", "case-unknown", "Name it as it was opened, once that has been taken")],
    )


def _admit_mover(event: Event, case: Case, mover: str) -> None:
    if mover == "applicant" and event.source not in {case.by, party(event.entity)}:
        raise Forbidden(f"Only the organisation, or who opened the {case.kind} for it, may do that")
    if mover == "handler" and event.source != case.handler:
        raise Forbidden(f"Only the agency that the {case.kind} is before may do that")


def _admit_opening(asked: Asked, record: Record) -> None:
    event, kind = asked.event, asked.kind.procedure
    own = [case for case in record.cases if case.kind == kind]
    if any(case.number == event.data[kind] for case in own if kind is not None):
        raise CaseConflict(
            f"This number was used for another {kind} on the record",
            [Violation(f"/data/{kind}", "case-exists", "Use a new number")],
        )
    alike = [case for case in own if is_party(case.by) == is_party(event.source)]
    if len(alike) >= MOST_CASES:
        raise EventInvalid(
            f"A record takes at most {MOST_CASES} of these",
            [Violation("/data/record", "record-full", "Turn to the agency that handed the record in")],
        )
    if record.type is None and record.withdrawn_at is not None:
        raise _unknown(event)  # it was revoked before it arrived
    if record.withdrawn and record.type is not None:
        raise EventInvalid(
            f"The record is {record.state}: nobody is shown it, and it counts for nothing",
            [Violation("/data/record", "record-withdrawn", "There is nothing to object to or to repair")],
        )
    if kind == "repair":
        _admit_application(asked, record, own)


def _admit_application(asked: Asked, record: Record, own: Sequence[Case]) -> None:
    if record.type is None:
        raise _unknown(asked.event)
    if not is_party(asked.event.source) and asked.event.source != record.source:
        raise Forbidden("Only the organisation, or the agency that handed the record in, applies for repair")
    if any(case.open for case in own):
        raise CaseConflict("An application for repair of this record is open already")
    if procedure_on("repair", asked.at, record, asked.rules.catalogue, asked.zone).waits == "nothing":
        return
    start = publicity(record, asked.rules.catalogue, asked.zone).repairable_from
    if start is None:
        raise EventInvalid(
            "No rule says that such a record can be repaired",
            [Violation("/data/record", "not-repairable", "Object to it, or ask the agency to end it")],
        )
    if asked.at < start:
        raise EventInvalid(
            f"The minimum period is not over: repair may be applied for from {instants.text(start)} on",
            [Violation("/data/record", "too-early", f"Apply from {instants.text(start)} on")],
        )


def _admit_decision(asked: Asked, case: Case) -> None:
    data = asked.event.data
    decision, to = data["decision"], data.get("to")
    if case.state == CLOSED and decision != "upheld":
        raise CaseConflict("The record is withdrawn, which closed the objection; only upheld can follow")
    if decision == "refused" and not data.get("reason"):
        raise EventInvalid(
            "A refusal has its reasons", [Violation("/data/reason", "required", "Say why it is refused")]
        )
    if (decision == "referred") != (to is not None):
        raise EventInvalid(
            "Whoever refers an objection on says to whom, and nobody else does",
            [Violation("/data/to", "referral", "The source of the agency, with the decision referred")],
        )
    if to is None:
        return
    if to not in asked.agencies:
        raise EventInvalid(
            "There is no such agency", [Violation("/data/to", "agency-unknown", "Name a known source")]
        )
    if to in case.handled:
        raise CaseConflict("That agency has had the objection already: who has it must decide it")


def _admit_appeal(asked: Asked, case: Case, record: Record) -> None:
    if case.appealed:
        raise CaseConflict("The refusal was appealed against already; that may be once")
    clock = procedure_of(case, record, asked.rules.catalogue, asked.zone).clocks["appeal"]
    last = case.since.astimezone(asked.zone).date() + timedelta(days=clock.days)
    if asked.at >= instants.start_of(last + timedelta(days=1), asked.zone):
        raise CaseConflict(f"The time to appeal was over with {last}; open a new objection")
