"""What answers about open cases look like."""

from datetime import date
from typing import Annotated, Literal, get_args

from pydantic import Field

from creditsvc.domain.catalogue_procedures import CaseKind, Step
from creditsvc.web.shapes import Instant, Next, Shape

KINDS: tuple[str, ...] = get_args(CaseKind)
Calendars = Annotated[
    dict[str, date],
    Field(
        description=(
            "By time zone, the first day of which it is not known whether it is a working day. From then on, "
            "and in every other zone, Monday to Friday are counted"
        ),
        examples=[{"Asia/Shanghai": "2026-12-25"}],
    ),
]


class OpenCaseShape(Shape):
    """An objection or an application for repair that waits for somebody."""

    entity: str
    record: str
    source: Annotated[str, Field(description="Who handed the record in")]
    kind: CaseKind
    number: Annotated[str, Field(description="The number of the objection or of the application")]
    ground: str | None
    opened_by: Annotated[str, Field(description="The source that opened it; urn:entity:… the organisation")]
    opened_at: Instant
    handler: Annotated[str, Field(description="The agency that has to act, or has acted last")]
    step: Annotated[Step, Field(description="What is due")]
    awaits: Annotated[Literal["agency", "applicant"], Field(description="Whose step that is")]
    since: Annotated[Instant, Field(description="What the clock counts from: that day does not count")]
    due: Annotated[Instant, Field(description="When its last day is over, where the authorities are")]
    certain: Annotated[bool, Field(description="No calendar yet to be published can move `due`")]
    overdue: bool
    procedure: Annotated[str, Field(description="The procedure of the catalogue that holds for it")]


class Desk(Shape):
    """A page of what awaits an agency, the earliest due first."""

    agency: str
    calendars: Calendars
    items: list[OpenCaseShape]
    next: Next


class Cases(Shape):
    """A page of the open cases of an organisation, the earliest due first."""

    entity: str
    calendars: Calendars
    items: list[OpenCaseShape]
    next: Next
