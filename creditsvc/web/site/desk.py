"""``/desk``: what awaits an agency; ``/entities/{entity}/cases``: an organisation's own open cases."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from aiohttp import web

from creditsvc.domain import instants, persons
from creditsvc.domain.catalogue import Catalogue
from creditsvc.domain.parties import is_party
from creditsvc.errors import Forbidden, NaturalPerson
from creditsvc.ledger import desk
from creditsvc.ledger.pages import Page
from creditsvc.web import asking, auth, reading
from creditsvc.web.desk import CURSOR, FLAGS, KIND, OVERDUE, after, one_of
from creditsvc.web.desk_shapes import KINDS
from creditsvc.web.keys import CATALOGUE, LOOKUP_POOL, RULES
from creditsvc.web.parameters import ENTITY
from creditsvc.web.routes import Parameter, Role
from creditsvc.web.site import looking
from creditsvc.web.site.answering import agency_names, in_words
from creditsvc.web.site.home import LANGUAGE, PAGE_RESPONSE, html
from creditsvc.web.site.rendering import page

PAGE = 50
MAY: frozenset[Role] = frozenset({"agency", "operator"})


@dataclass(frozen=True, slots=True)
class Row:
    """An open case as it is listed, with its clock where the authorities are."""

    item: dict[str, Any]
    since: date
    last: date
    left: int
    counted: str


@in_words
async def of_agency(request: web.Request) -> web.StreamResponse:
    """Show what awaits an agency, the earliest due first."""
    caller = auth.caller(request)
    agency = request.query.get("agency") or min(caller.sources, default=None)
    if agency is None:
        return await _page(request, "agency", None, Page([], None))
    if persons.find(agency) is not None:
        raise NaturalPerson("Agencies have no such source")
    if caller.role != "operator" and agency not in caller.sources:
        raise Forbidden("This desk is another agency's.")
    reading.viewer(request)
    overdue = one_of(request, "overdue", FLAGS)
    wanted = desk.Wanted(one_of(request, "kind", KINDS), None if overdue is None else overdue == "true")
    sources = None if caller.role == "operator" else caller.sources
    found = await desk.of_agency(request.app[LOOKUP_POOL], agency, sources, wanted, after(request), PAGE)
    asking.about(request, (item["entity"] for item in found.items))
    return await _page(request, "agency", agency, found)


@in_words
async def of_entity(request: web.Request) -> web.StreamResponse:
    """Show an organisation's open cases, those that wait for itself too."""
    entity, caller = reading.entity_of(request), auth.caller(request)
    reading.keep_to_own(request, entity)
    reading.viewer(request, entity)
    sources = caller.sources if caller.role == "agency" else None
    found = await desk.of_entity(request.app[LOOKUP_POOL], entity, sources, after(request), PAGE)
    return await _page(request, "entity", entity, found)


async def _page(request: web.Request, of: str, whose: str | None, found: Page) -> web.Response:
    caller = auth.caller(request)
    rows = [_row(request, item) for item in found.items]
    sources = {item["handler"] for item in found.items} | {item["source"] for item in found.items}
    called = await agency_names(request, [*sources, *caller.sources, *([whose] if whose else [])])
    return page(
        request,
        "desk.html",
        keep="no-store",
        of=of,
        whose=whose,
        caller=caller,
        own=sorted(one for one in caller.sources if not is_party(one)),
        called=called,
        agencies=await desk.known_agencies(request.app[LOOKUP_POOL]) if caller.role == "operator" else {},
        rows=rows,
        next=found.next,
        names=await looking.names_of(request, sorted({item["entity"] for item in found.items})),
        kinds=KINDS,
        calendars={zone: one.known_until for zone, one in request.app[RULES].calendars.items()},
    )


def _row(request: web.Request, item: dict[str, Any]) -> Row:
    rules, zone, at = request.app[RULES], instants.zone_of(item["entity"]), instants.parse(item["due"])
    counted = _counted(item, request.app[CATALOGUE])
    since = instants.parse(item["since"]).astimezone(zone).date()
    return Row(item, since, looking.last_day(at, zone), looking.days_left(at, counted, zone, rules), counted)


def _counted(item: dict[str, Any], catalogue: Catalogue) -> str:
    """Say which days the clock of a case counts; of a procedure that is known no more, working days."""
    known = next((one for one in catalogue.procedures[item["kind"]] if one.name == item["procedure"]), None)
    clock = None if known is None else known.clocks.get(item["step"])
    return "working-days" if clock is None else clock.counted


AGENCY = Parameter(
    name="agency",
    description="Whose desk, by the agency's source; else that of whoever signed in.",
    schema={"type": "string"},
)

ROUTES = (
    html(
        "/desk",
        of_agency,
        name="desk-page",
        summary="What awaits an agency",
        roles=MAY,
        parameters=(AGENCY, KIND, OVERDUE, CURSOR, LANGUAGE),
        responses={200: PAGE_RESPONSE},
    ),
    html(
        "/entities/{entity}/cases",
        of_entity,
        name="cases-page",
        summary="The open cases of an organisation",
        roles=frozenset({"agency", "entity", "operator"}),
        parameters=(ENTITY, CURSOR, LANGUAGE),
        responses={200: PAGE_RESPONSE},
    ),
)
