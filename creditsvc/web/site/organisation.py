"""``/entities/{entity}``: what is public of an organisation, why it is graded so, and how it came to that."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from aiohttp import web

from creditsvc.domain import identifiers, instants, scores
from creditsvc.domain.catalogue import Catalogue
from creditsvc.domain.views import PUBLIC
from creditsvc.errors import EntityUnknown, Malformed, Violation
from creditsvc.ledger.course import Step
from creditsvc.ledger.moments import Seen
from creditsvc.report.values import written
from creditsvc.report.words import Words as ReportWords
from creditsvc.report.words import words as report_words
from creditsvc.web import limits, reading
from creditsvc.web.keys import CATALOGUE, READER, RULES, SCORES
from creditsvc.web.parameters import ENTITY
from creditsvc.web.routes import Parameter, Response
from creditsvc.web.site import chart
from creditsvc.web.site.answering import agency_names, end_of, in_words, local
from creditsvc.web.site.home import LANGUAGE, PAGE_RESPONSE, html
from creditsvc.web.site.language import language_of
from creditsvc.web.site.rendering import page

RECORDS, EVENTS = 100, 100  # shown on one page; the interface has them all
UNITS = 9  # beyond the 1 of any request: the whole history is folded, for the score and for its course
FIRST_DAY = date(2000, 1, 1)


@dataclass(frozen=True, slots=True)
class Shown:
    """All that the page of an organisation tells."""

    profile: Mapping[str, Any]
    score: Mapping[str, Any]  # taken apart
    records: list[dict[str, Any]]
    more_records: bool
    events: list[dict[str, Any]]
    more_events: bool
    course: list[Step]
    agencies: Mapping[str, str]


@in_words
async def organisation(request: web.Request) -> web.StreamResponse:
    """Show one organisation as the public sees it, now or at the end of a day."""
    entity = reading.entity_of(request)
    day = day_of(request)
    at = None if day is None else end_of(day, entity)
    limits.charge(request, UNITS)
    charge = partial(limits.charge, request)
    moments = request.app[READER].moments
    try:
        seen = await moments.at(entity, PUBLIC.view, at, charge)
    except EntityUnknown:
        return page(request, "nothing.html", status=404, entity=entity, day=day, scheme=_scheme(entity))
    shown = await _gather(request, entity, seen, at)
    zone = instants.zone_of(entity)
    first = min((step.at for step in shown.course), default=seen.moment.valid_from)
    return page(
        request,
        "organisation.html",
        entity=entity,
        scheme=_scheme(entity),
        shown=shown,
        day=day,
        today=datetime.now(zone).date(),
        first_day=first.astimezone(zone).date(),
        zone=zone,
        now=instants.text(datetime.now(UTC)),
        chart=_chart(request, shown, at or datetime.now(UTC)),
        local=partial(local, zone),
        last_day=partial(_last_day, zone),
        model=request.app[RULES].model(seen.moment.valid_from, zone),
        rules=_rule_titles(request.app[CATALOGUE]),
        value_of=partial(_value, request.app[CATALOGUE], report_words(language_of(request))),
    )


async def _gather(request: web.Request, entity: str, seen: Seen, at: datetime | None) -> Shown:
    reader, since = request.app[READER], seen.moment.valid_from
    looked = at or datetime.now(UTC)
    stored = await reader.public_profiles.get(entity)
    records, history, apart, course = await asyncio.gather(
        reader.pages.records(entity, PUBLIC, since, after=0, limit=RECORDS, event_type=None),
        reader.pages.history(entity, PUBLIC, since, after=0, limit=EVENTS),
        request.app[SCORES].apart(entity, PUBLIC, request.app[RULES], at),
        reader.courses.of(entity, looked, stored.events if stored else 0),
    )
    items, events = _plain(records.items), _plain(history.items)[::-1]
    sources = {item["source"] for item in items} | {item["event"]["source"] for item in events}
    return Shown(
        orjson.loads(seen.profile or b"null"),
        _plain(scores.document(apart.taken, instants.zone_of(entity))),
        items,
        records.next is not None,
        events,
        history.next is not None,
        course,
        await agency_names(request, sources),
    )


def _plain(written: Any) -> Any:
    """Read what would be answered as JSON: parts of it are bytes already."""
    return orjson.loads(orjson.dumps(written))


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


def _rule_titles(catalogue: Catalogue) -> dict[str, Mapping[str, str]]:
    """Name the rules of publicity that records are shown by: the rules, and the rule sets within them."""
    found: dict[str, Mapping[str, str]] = {}
    for name, rule in catalogue.file["publicity"].items():
        found[name] = rule["title"]
        found |= {one["name"]: one["title"] for one in rule.get("rule_sets", ())}
    return found


def _value(catalogue: Catalogue, said: ReportWords, name: str, value: Any) -> str:
    """Write what is said of a record as reports write it, but days as all of the page does."""
    known = catalogue.fields[name]
    return str(value) if known.kind == "date" else written(said, known, value)


def _scheme(entity: str) -> identifiers.Scheme:
    return identifiers.SCHEMES[entity.partition(":")[0]]


def _chart(request: web.Request, shown: Shown, until: datetime) -> chart.Chart | None:
    model = request.app[RULES].model(until, ZoneInfo("UTC"))
    values = [step.value for step in shown.course if step.value is not None]
    least, most = (
        float(getattr(model, name, fallback)) for name, fallback in (("minimum", 0), ("maximum", 0))
    )
    least, most = min([least, *values]), max([most, *values])
    return chart.draw(shown.course, until, least, most) if most > least else None


def _last_day(zone: ZoneInfo, until: str) -> date:
    """Give the last day before an instant at which something ends."""
    return (instants.parse(until) - instants.TICK).astimezone(zone).date()


ON = Parameter(
    name="on",
    description="The page as it was at the end of this day, where the organisation is.",
    schema={"type": "string", "format": "date"},
    example="2026-03-05",
)

ROUTES = (
    html(
        "/entities/{entity}",
        organisation,
        name="organisation-page",
        summary="An organisation, to read",
        parameters=(ENTITY, ON, LANGUAGE),
        responses={200: PAGE_RESPONSE, 404: Response("Nothing is on record")},
    ),
)
