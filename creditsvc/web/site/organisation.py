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
from creditsvc.ledger.pages import event_item
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
from creditsvc.web.site.rendering import long_page, page

STRETCH = 60  # events of the history that one page shows, and the records that begin with them
WHOLE_MAX = 500  # events of a history that is folded whole for its page; of a longer one its profile tells
UNITS = 9  # beyond the 1 of any request: the whole history is folded, for the score and for its course
FIRST_DAY = date(2000, 1, 1)
MOST_DIGITS = 15


@dataclass(frozen=True, slots=True)
class Shown:
    """All that the page of an organisation tells."""

    profile: Mapping[str, Any]
    score: Mapping[str, Any]  # taken apart
    whole: bool  # whether it is, and drawn; else the score has but what weighs most
    course: list[Step]
    records: list[dict[str, Any]]
    events: list[dict[str, Any]]
    earlier: int | None  # from where on earlier events are shown, and later ones
    later: int | None
    agencies: Mapping[str, str]


@in_words
async def organisation(request: web.Request) -> web.StreamResponse:
    """Show one organisation as the public sees it, now or at the end of a day."""
    entity = reading.entity_of(request)
    day = day_of(request)
    at = None if day is None else end_of(day, entity)
    limits.charge(request, UNITS)
    charge = partial(limits.charge, request)
    reader = request.app[READER]
    try:
        seen, stored = await asyncio.gather(
            reader.moments.at(entity, PUBLIC.view, at, charge), reader.public_profiles.get(entity)
        )
    except EntityUnknown:
        return page(request, "nothing.html", status=404, entity=entity, day=day, scheme=_scheme(entity))
    shown = await _gather(request, entity, seen, stored.events if stored else 0, at)
    zone = instants.zone_of(entity)
    first = min((step.at for step in shown.course), default=seen.moment.valid_from)
    catalogue = request.app[CATALOGUE]
    return await long_page(
        request,
        "organisation.html",
        entity=entity,
        scheme=_scheme(entity),
        shown=shown,
        places={one["record"]: one["sequences"][0] for one in shown.records},
        day=day,
        today=datetime.now(zone).date(),
        first_day=first.astimezone(zone).date(),
        now=instants.text(datetime.now(UTC)),
        chart=_chart(request, shown, at or datetime.now(UTC)),
        local=partial(local, zone),
        last_day=partial(_last_day, zone),
        model=request.app[RULES].model(seen.moment.valid_from, zone),
        rules=_rule_titles(catalogue),
        value_of=partial(_value, catalogue, report_words(language_of(request))),
    )


async def _gather(request: web.Request, entity: str, seen: Seen, size: int, at: datetime | None) -> Shown:
    span = _span(request, seen.moment.version)
    stretch, (score, course) = await asyncio.gather(
        request.app[READER].pages.stretch(entity, PUBLIC, seen.moment.valid_from, span),
        _reckoned(request, entity, seen, size, at),
    )
    records, events = _plain(stretch.records), _plain([event_item(one) for one in stretch.events])
    sources = {item["source"] for item in records} | {item["event"]["source"] for item in events}
    return Shown(
        profile=orjson.loads(seen.profile or b"null"),
        score=score,
        whole=size <= WHOLE_MAX,
        course=course,
        records=records[::-1],
        events=events[::-1],
        earlier=span[0] + 1 if span[0] else None,
        later=min(span[1] + STRETCH, seen.moment.version) + 1 if span[1] < seen.moment.version else None,
        agencies=await agency_names(request, sources),
    )


async def _reckoned(
    request: web.Request, entity: str, seen: Seen, size: int, at: datetime | None
) -> tuple[Mapping[str, Any], list[Step]]:
    """Give the score, taken apart and with its course where the history is not too long for that."""
    if size > WHOLE_MAX:
        told: Mapping[str, Any] = orjson.loads(seen.profile or b"null")["score"]
        return told, []
    apart, course = await asyncio.gather(
        request.app[SCORES].apart(entity, PUBLIC, request.app[RULES], at),
        request.app[READER].courses.of(entity, at or datetime.now(UTC), size),
    )
    return _plain(scores.document(apart.taken, instants.zone_of(entity))), course


def _span(request: web.Request, newest: int) -> tuple[int, int]:
    """Read which events are shown: behind one, up to another; the latest unless told."""
    given = request.query.get("before", "")
    if given and not (given.isascii() and given.isdigit() and len(given) <= MOST_DIGITS and int(given) > 1):
        wrong = Violation("/query/before", "number", "The number of an event in the history, above 1")
        raise Malformed("There are no events before that.", [wrong])
    last = min(int(given) - 1, newest) if given else newest
    return max(0, last - STRETCH), last


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
    zone = instants.zone_of(shown.profile["entity"])
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
