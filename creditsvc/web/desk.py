"""What awaits whom: ``GET /v1/agencies/{agency}/desk`` and ``GET /v1/entities/{entity}/cases``."""

from collections.abc import Sequence

import orjson
from aiohttp import web

from creditsvc.domain import patterns
from creditsvc.errors import Forbidden, Malformed, Violation
from creditsvc.ledger import desk
from creditsvc.ledger.pages import Cursor, Page
from creditsvc.web import asking, auth, reading
from creditsvc.web.asking import PURPOSE
from creditsvc.web.desk_shapes import KINDS, Cases, Desk
from creditsvc.web.keys import LOOKUP_POOL, RULES
from creditsvc.web.parameters import ENTITY, limit
from creditsvc.web.routes import JSON, Header, Parameter, Response, Route

DEFAULT_PAGE, LONGEST_PAGE = 100, 1_000
AGENCY = Parameter(
    name="agency",
    place="path",
    description="The agency's source, URL-encoded. Of another agency's desk its key gets 403.",
    schema={"type": "string", "pattern": patterns.URI_REFERENCE},
    required=True,
    example="urn:agency:cn-tj-samr",
)
KIND = Parameter(
    name="kind",
    description="Only cases of this kind.",
    schema={"type": "string", "enum": list(KINDS)},
    example="objection",
)
FLAGS = ("true", "false")
OVERDUE = Parameter(
    name="overdue",
    description="Only what is past its time, or only what is not.",
    schema={"type": "boolean"},
    example=True,
)
CURSOR = Parameter(
    name="cursor",
    description="Where the page begins: `next` of the page before.",
    schema={"type": "string", "pattern": "^[0-9]{1,16}-[0-9]{1,15}$"},
)
NO_STORE = Header("Cache-Control", "no-store")


async def agency_desk(request: web.Request) -> web.Response:
    """Answer with a page of what awaits an agency, to whoever speaks for it and to operators."""
    agency, caller = request.match_info["agency"], auth.caller(request)
    sources = None if caller.role == "operator" else caller.sources
    if sources is not None and agency not in sources:
        raise Forbidden("This desk is another agency's.")
    reading.viewer(request)
    overdue = one_of(request, "overdue", FLAGS)
    wanted = desk.Wanted(one_of(request, "kind", KINDS), None if overdue is None else overdue == "true")
    count = reading.limit(request, DEFAULT_PAGE, LONGEST_PAGE)
    page = await desk.of_agency(request.app[LOOKUP_POOL], agency, sources, wanted, after(request), count)
    asking.about(request, (item["entity"] for item in page.items))
    return _answer(request, "agency", agency, page)


async def entity_cases(request: web.Request) -> web.Response:
    """Answer with a page of an organisation's open cases; an agency sees those that concern it."""
    entity, caller = reading.entity_of(request), auth.caller(request)
    reading.keep_to_own(request, entity)
    reading.viewer(request, entity)
    sources = caller.sources if caller.role == "agency" else None
    count = reading.limit(request, DEFAULT_PAGE, LONGEST_PAGE)
    page = await desk.of_entity(request.app[LOOKUP_POOL], entity, sources, after(request), count)
    return _answer(request, "entity", entity, page)


def after(request: web.Request) -> Cursor:
    text = request.query.get("cursor")
    return desk.START if text is None else Cursor.parse(text)


def one_of(request: web.Request, name: str, known: Sequence[str]) -> str | None:
    text = request.query.get(name)
    if text is None or text in known:
        return text
    wrong = Violation(f"/query/{name}", name, f"One of {', '.join(known)}")
    raise Malformed(f"There is no such {name}.", [wrong])


def _answer(request: web.Request, of: str, whose: str, page: Page) -> web.Response:
    calendars = {zone: one.known_until.isoformat() for zone, one in request.app[RULES].calendars.items()}
    body = orjson.dumps({of: whose, "calendars": calendars, "items": page.items, "next": page.next})
    return web.Response(body=body, content_type=JSON, headers={"Cache-Control": "no-store"})


LIMIT = limit(DEFAULT_PAGE, LONGEST_PAGE)
LIVE = (
    "What happens between two pages moves cases, so a list that is read page by page may miss one that has "
    "meanwhile come to be due earlier."
)

ROUTES = (
    Route(
        "GET",
        "/v1/agencies/{agency}/desk",
        agency_desk,
        name="desk",
        tag="agencies",
        summary="What awaits an agency, the earliest due first",
        description=(
            "The objections and applications for repair in which its clock runs: not those that wait for the "
            f"applicant. For the agency's own key and for operators. {LIVE}"
        ),
        roles=frozenset({"agency", "operator"}),
        parameters=(AGENCY, KIND, OVERDUE, CURSOR, LIMIT, PURPOSE),
        responses={200: Response("A page", Desk, headers=(NO_STORE,))},
    ),
    Route(
        "GET",
        "/v1/entities/{entity}/cases",
        entity_cases,
        name="cases",
        tag="entities",
        summary="Its open cases with their clocks, the earliest due first",
        description=(
            "Those that wait for the applicant too: a refusal that may be appealed against, more that was "
            "asked of an applicant. For the organisation's own key and for operators; an agency is shown "
            f"those that it holds, handles or opened. Of another organisation it gets 404. {LIVE}"
        ),
        roles=frozenset({"agency", "entity", "operator"}),
        parameters=(ENTITY, CURSOR, LIMIT, PURPOSE),
        responses={200: Response("A page", Cases, headers=(NO_STORE,))},
    ),
)
