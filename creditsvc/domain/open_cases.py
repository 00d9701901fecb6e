"""The cases of a record in which a clock runs, each with the instant at which it is over. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from creditsvc.domain.cases import procedure_of, running
from creditsvc.domain.catalogue_procedures import CaseKind, Clock, Step
from creditsvc.domain.records import Record
from creditsvc.domain.standing import Rules
from creditsvc.domain.workdays import Due, due


@dataclass(frozen=True, slots=True)
class OpenCase:
    """One of them, with the edition of the calendar that ``due`` was worked out by.

    ``handler`` is the agency whose step it is, or that acted last before the applicant's.
    """

    record: str
    source: str
    kind: CaseKind
    number: str
    opened_by: str
    handler: str
    ground: str | None
    procedure: str
    opened_at: datetime
    step: Step
    awaits: Literal["agency", "applicant"]
    since: datetime
    clock: Clock
    due: Due
    calendar: tuple[int, ...]


def open_cases(record: Record, rules: Rules, zone: ZoneInfo) -> Iterator[OpenCase]:
    """Give the cases of a record that wait for somebody, in the order in which they were opened."""
    calendar = rules.calendar(zone)
    for case in record.cases:
        procedure = procedure_of(case, record, rules.catalogue, zone)
        clock = running(case, procedure)
        if clock is None:
            continue
        yield OpenCase(
            record=record.number,
            source=record.source,
            kind=case.kind,
            number=case.number,
            opened_by=case.by,
            # Whoever upheld it may have had it referred to them; the record is its holder's to put right.
            handler=record.source if clock.step == "remedy" else case.handler,
            ground=case.ground,
            procedure=procedure.name,
            opened_at=case.opened_at,
            step=clock.step,
            awaits=clock.awaits,
            since=clock.since,
            clock=clock.clock,
            due=due(clock.since, clock.clock, zone, calendar),
            calendar=calendar.edition if clock.clock.counted == "working-days" else (),
        )
