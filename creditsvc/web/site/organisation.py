"""``/entities/{entity}``: what is public of an organisation, why it is graded so, and how it came to that."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from aiohttp import web

from creditsvc.domain import identifiers, instants, scores
from creditsvc.domain.catalogue import Catalogue
from creditsvc.domain.records import Entry
from creditsvc.domain.views import PUBLIC
from creditsvc.errors import EntityUnknown, Malformed, Violation
from creditsvc.ledger.course import Step
from creditsvc.ledger.stretches import Stretch
from creditsvc.report.values import written
from creditsvc.report.words import Words as ReportWords
from creditsvc.report.words import words as report_words
from creditsvc.web import limits, reading
from creditsvc.web.keys import CATALOGUE, READER, RULES
from creditsvc.web.parameters import ENTITY
from creditsvc.web.routes import Parameter, Response
from creditsvc.web.site import chart
from creditsvc.web.site.answering import end_of, in_words, local, plain
from creditsvc.web.site.home import LANGUAGE, PAGE_RESPONSE, html
from creditsvc.web.site.language import language_of
from creditsvc.web.site.rendering import long_page, page

STRETCH = 30  # events of the history that one page shows, and the records that begin with them
WHOLE_MAX = 500  # events of a history that is folded whole for its page; of a longer one its profile tells
UNITS = 9  # beyond the 1 of any request: the whole history is folded, for the score and for its course
FIRST_DAY = date(2000, 1, 1)
MOST_DIGITS = 15
ELSEWHERE = frozenset({"record", "entity_name"})  # said in the head of a record, and of the page


@dataclass(frozen=True, slots=True)
class Shown:
    """All that the page of an organisation tells."""

    score: Mapping[str, Any]  # taken apart
    whole: bool  # whether it is, and drawn; else the score has but what weighs most
    course: list[Step]
    records: list[dict[str, Any]]
    events: list[Entry]
    agencies: Mapping[str, str]


@in_words
async def organisation(request: web.Request) -> web.StreamResponse:
    """Show one organisation as the public sees it, now or at the end of a day."""
    entity = reading.entity_of(request)
    day = day_of(request)
    at = None if day is None else end_of(day, entity)
    limits.charge(request, UNITS)
    reader = request.app[READER]
    try:
        seen = await reader.moments.at(entity, PUBLIC.view, at, partial(limits.charge, request))
    except EntityUnknown:
        return page(request, "nothing.html", status=404, entity=entity, day=day, scheme=_scheme(entity))
    profile = orjson.loads(seen.profile or b"null")
    newest, since, until = seen.moment.version, seen.moment.valid_from, at or datetime.now(UTC)
    span, whole = _span(request, newest), seen.events <= WHOLE_MAX
    shown = await reader.stretches.tell(
        entity,
        since,
        (0, seen.events) if whole else span,
        lambda stretch: _shown(stretch, span, profile, until if whole else None),
    )
    zone = instants.zone_of(entity)
    first = min((step.at for step in shown.course), default=since)
    return await long_page(
        request,
        "organisation.html",
        entity=entity,
        scheme=_scheme(entity),
        profile=profile,
        shown=shown,
        earlier=span[0] + 1 if span[0] else None,
        later=min(span[1] + STRETCH, newest) + 1 if span[1] < newest else None,
        places={one["record"]: one["sequences"][0] for one in shown.records},
        day=day,
        today=datetime.now(zone).date(),
        first_day=first.astimezone(zone).date(),
        now=instants.text(datetime.now(UTC)),
        instant=instants.text,
        chart=_chart(request, shown, until, zone),
        local=partial(local, zone),
        last_day=partial(_last_day, zone),
        model=request.app[RULES].model(since, zone),
        rules=request.app[CATALOGUE].rule_titles,
        facts=partial(_facts, request.app[CATALOGUE], report_words(language_of(request))),
    )


def _shown(
    stretch: Stretch, span: tuple[int, int], profile: Mapping[str, Any], until: datetime | None
) -> Shown:
    """Make what is told of a stretch; ``until`` when its course goes, where it is the whole history."""
    zone = instants.zone_of(stretch.entity)
    whole = until is not None
    return Shown(
        score=plain(scores.document(stretch.score(PUBLIC), zone)) if whole else profile["score"],
        whole=whole,
        course=stretch.course(until) if until is not None else [],
        records=stretch.records(PUBLIC, span)[::-1],
        events=stretch.events(PUBLIC, span)[::-1],
        agencies=stretch.agencies,
    )


def _span(request: web.Request, newest: int) -> tuple[int, int]:
    """Read which events are shown: behind one, up to another; the latest unless told."""
    given = request.query.get("before", "")
    if given and not (given.isascii() and given.isdigit() and len(given) <= MOST_DIGITS and int(given) > 1):
        wrong = Violation("/query/before", "number", "The number of an event in the history, above 1")
        raise Malformed("There are no events before that.", [wrong])
    last = min(int(given) - 1, newest) if given else newest
    return max(0, last - STRETCH), last


def day_of(request: web.Request) -> date | None:
    """Read for which day a page is asked."""
    given = request.query.get("on")
    if not given:
        return None
    try:
        day = date.fromisoformat(given)
    except ValueError:
        day = date.min
    if not FIRST_DAY <= day <= datetime.now(UTC).date():
        wrong = Violation("/query/on", "day", "A day that has begun, as 2026-03-05")
        raise Malformed("That is no day to look at.", [wrong])
    return day


def _facts(catalogue: Catalogue, said: ReportWords, data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Write what is said of a record as reports write it, but days as all of the page does."""
    for name, known in catalogue.fields.items():
        if name in data and name not in ELSEWHERE:
            value = data[name]
            yield said.title(known.title), str(value) if known.kind == "date" else written(said, known, value)


def _scheme(entity: str) -> identifiers.Scheme:
    return identifiers.SCHEMES[entity.partition(":")[0]]


def _chart(request: web.Request, shown: Shown, until: datetime, zone: ZoneInfo) -> chart.Chart | None:
    model = request.app[RULES].model(until, ZoneInfo("UTC"))
    values = [step.value for step in shown.course if step.value is not None]
    least, most = (
        float(getattr(model, name, fallback)) for name, fallback in (("minimum", 0), ("maximum", 0))
    )
    least, most = min([least, *values]), max([most, *values])
    return chart.draw(shown.course, until, least, most, zone) if most > least else None


def _last_day(zone: ZoneInfo, until: str) -> date:
    """Give the last day before an instant at which something ends."""
    return (instants.parse(until) - instants.TICK).astimezone(zone).date()


ON = Parameter(
    name="on",
    description="The page as it was at the end of this day, where the organisation is.",
    schema={"type": "string", "format": "date"},
    example="2026-03-05",
)

BEFORE = Parameter(
    name="before",
    description="The part of the history before the event of this number; the latest unless given.",
    schema={"type": "integer", "minimum": 2},
)

ROUTES = (
    html(
        "/entities/{entity}",
        organisation,
        name="organisation-page",
        summary="An organisation, to read",
        parameters=(ENTITY, ON, BEFORE, LANGUAGE),
        responses={200: PAGE_RESPONSE, 404: Response("Nothing is on record")},
    ),
)
