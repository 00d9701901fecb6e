"""One record and its cases, as whoever asks for a page sees them: what the forms about it stand on."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from aiohttp import web

from creditsvc.domain import instants
from creditsvc.domain.catalogue_procedures import Clock
from creditsvc.domain.open_cases import OpenCase, open_cases
from creditsvc.domain.parties import is_party, party
from creditsvc.domain.records import Entry
from creditsvc.domain.standing import Rules
from creditsvc.domain.views import Seen, part
from creditsvc.domain.workdays import due, left
from creditsvc.errors import Malformed, NotFound, Violation
from creditsvc.ledger.pages import Looked
from creditsvc.web import limits, reading
from creditsvc.web.keys import READER, RULES
from creditsvc.web.routes import Parameter
from creditsvc.web.site.answering import agency_names

UNITS = 1  # beyond the 1 of any request: the record is folded


@dataclass(frozen=True, slots=True)
class Subject:
    """A record of an organisation that is being looked at."""

    entity: str
    looked: Looked
    zone: ZoneInfo
    agencies: Mapping[str, str]

    @property
    def item(self) -> Mapping[str, Any]:
        return self.looked.item

    def called(self, source: str | None) -> str:
        """Say who a source is, where that is known."""
        return "" if source is None else self.agencies.get(source) or source

    def is_own(self, source: str) -> bool:
        """Whether a source is the organisation itself."""
        return source == party(self.entity)


@dataclass(frozen=True, slots=True)
class Running:
    """A clock as it is shown: the last day, how many days of those counted are left, if that may move."""

    step: str
    awaits: str
    last: date
    left: int
    counted: str
    overdue: bool
    certain: bool
    procedure: str


@dataclass(frozen=True, slots=True)
class Past:
    """One event of a record; ``withheld``: the words that are not shown to whoever asks."""

    entry: Entry
    data: Mapping[str, Any]
    withheld: bool


async def subject(request: web.Request) -> Subject:
    """Find the record that the query names; ``NotFound`` where whoever asks is not shown it."""
    entity = reading.entity_of(request)
    number, source = request.query.get("record"), request.query.get("source")
    if not number or not source:
        wrong = Violation("/query/record", "required", "The record's number, and who handed it in")
        raise Malformed("Which record it is about is not said.", [wrong])
    viewer = reading.viewer(request, entity)
    limits.charge(request, UNITS)
    charge = partial(limits.charge, request)
    seen, viewer = await reading.moment(request, entity, viewer, None, charge)
    looked = await request.app[READER].pages.record(entity, viewer, seen.moment.valid_from, (number, source))
    if looked is None:
        raise NotFound("There is no such record on show.")
    concerned = {looked.record.source}
    for case in looked.record.cases:
        concerned |= {case.by, case.handler, *case.handled}
    concerned |= {entry.source for entry in looked.record.entries}
    names = await agency_names(request, (one for one in concerned if not is_party(one)))
    return Subject(entity, looked, instants.zone_of(entity), names)


def clocks(request: web.Request, found: Subject) -> dict[tuple[str, str], Running]:
    """Give the clocks that run in the record's cases, by kind and number."""
    rules = request.app[RULES]
    return {
        (one.kind, one.number): _running(one, found.zone, rules)
        for one in open_cases(found.looked.record, rules, found.zone)
    }


def _running(one: OpenCase, zone: ZoneInfo, rules: Rules) -> Running:
    return Running(
        step=one.step,
        awaits=one.awaits,
        last=last_day(one.due.at, zone),
        left=days_left(one.due.at, one.clock.counted, zone, rules),
        counted=one.clock.counted,
        overdue=one.due.at <= datetime.now(UTC),
        certain=one.due.certain,
        procedure=one.procedure,
    )


def last_day(at: datetime, zone: ZoneInfo) -> date:
    """Give the last day before an instant at which a clock is over."""
    return (at - instants.TICK).astimezone(zone).date()


def days_left(at: datetime, counted: str, zone: ZoneInfo, rules: Rules) -> int:
    """Count the days that are left behind today, working days or all; below 0 where it is over."""
    now = datetime.now(UTC)
    if counted == "days":
        return (last_day(at, zone) - now.astimezone(zone).date()).days
    return left(now, at, zone, rules.calendar(zone))


def would_end(clock: Clock, zone: ZoneInfo, rules: Rules) -> tuple[date, bool]:
    """Say on which day a clock that started now would be over, and whether that is certain."""
    found = due(datetime.now(UTC), clock, zone, rules.calendar(zone))
    return last_day(found.at, zone), found.certain


def history(looked: Looked) -> Iterator[Past]:
    """Give the events of a record, as whoever asks is shown them, the latest first."""
    for entry in sorted(looked.record.entries, key=lambda one: one.sequence, reverse=True):
        yield _past(entry, looked.seen)


def _past(entry: Entry, seen: Seen) -> Past:
    shown = part({"source": entry.source, "data": entry.data}, seen)
    return Past(entry, entry.data if shown is None else shown.event["data"], shown is not None)


async def names_of(request: web.Request, entities: list[str]) -> dict[str, str]:
    """Tell what organisations are called, as far as that is public."""
    profiles = request.app[READER].public_profiles
    stored = await asyncio.gather(*(profiles.get(entity) for entity in entities))
    return {
        entity: orjson.loads(one.profile)["name"] or ""
        for entity, one in zip(entities, stored, strict=True)
        if one is not None and one.profile is not None
    }


RECORD = Parameter(
    name="record", description="The record's number.", schema={"type": "string"}, problems=frozenset({404})
)
SOURCE = Parameter(name="source", description="The source that handed it in.", schema={"type": "string"})
