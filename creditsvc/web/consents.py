"""``/v1/entities/{entity}/consents``: which partners may see what asks for the organisation's consent."""

from datetime import UTC, date, datetime
from typing import Annotated, Any

import orjson
from aiohttp import web
from pydantic import Field

from creditsvc.domain import instants
from creditsvc.errors import Malformed, NotFound, UnsupportedMediaType, Violation
from creditsvc.ledger import consents
from creditsvc.ledger.pages import Cursor
from creditsvc.store.clients import CLIENT_MAX_CHARS
from creditsvc.web import limits, reading
from creditsvc.web.asking import PURPOSE
from creditsvc.web.bodies import read_body
from creditsvc.web.events import parse
from creditsvc.web.keys import ACCESS_POOL, LOOKUP_POOL
from creditsvc.web.parameters import CURSOR, ENTITY, limit
from creditsvc.web.routes import JSON, Body, Header, Parameter, Response, Route
from creditsvc.web.shapes import Instant, Next, Shape

DEFAULT_PAGE, LONGEST_PAGE = 100, 1_000
BODY_MAX_BYTES = 1024
SAYING_UNITS = 9  # beyond the 1 of any request: what is said is kept for good
LATEST = date(2199, 12, 31)


class ConsentShape(Shape):
    """What the organisation said last of a partner."""

    client: Annotated[str, Field(description="Who holds the key, as in the list of who asked")]
    holds: bool
    given_at: Instant
    until: Annotated[
        str | None,
        Field(
            json_schema_extra={"format": "date"},
            description="The last day of it, where the organisation is; null: until it is withdrawn",
        ),
    ]
    withdrawn_at: Instant | None


class ConsentList(Shape):
    """A page of them, those that it said something of last first."""

    entity: str
    items: list[ConsentShape]
    next: Next


class Consent(Shape):
    """For how long; without a day until it is withdrawn."""

    until: Annotated[str, Field(json_schema_extra={"format": "date"})] | None = None


async def give(request: web.Request) -> web.Response:
    """Give consent to a partner; given the same way twice it is given once."""
    entity, client = _about(request)
    if request.content_type != JSON:
        raise UnsupportedMediaType(f"Send for how long as {JSON}.")
    until = _until(parse(await read_body(request, most=BODY_MAX_BYTES)), entity)
    limits.charge(request, SAYING_UNITS)
    if not await consents.give(request.app[ACCESS_POOL], entity, client, until):
        raise NotFound("No partner has this name; the list of who asked has the names of those who did.")
    return await _said(request, entity, client)


async def withdraw(request: web.Request) -> web.Response:
    """Withdraw it; what is withdrawn already stays so."""
    entity, client = _about(request)
    limits.charge(request, SAYING_UNITS)
    await consents.withdraw(request.app[ACCESS_POOL], entity, client)
    return await _said(request, entity, client)


async def listed(request: web.Request) -> web.Response:
    """Answer with a page."""
    entity = reading.entity_of(request)
    reading.keep_to_own(request, entity)
    reading.viewer(request, entity)
    cursor = request.query.get("cursor")
    before = None if cursor is None else Cursor.parse(cursor).after
    count = reading.limit(request, DEFAULT_PAGE, LONGEST_PAGE)
    page = await consents.page(request.app[LOOKUP_POOL], entity, before=before, limit=count)
    return _answer({"entity": entity, "items": page.items, "next": page.next})


def _about(request: web.Request) -> tuple[str, str]:
    """Read whose consent it is, and to whom; raises ``NotFound`` for what no client can be called."""
    entity = reading.entity_of(request)
    reading.keep_to_own(request, entity)
    client = request.match_info["client"]
    if not client.isprintable() or len(client) > CLIENT_MAX_CHARS:
        raise NotFound("No partner has this name.")
    return entity, client


def _until(raw: Any, entity: str) -> date | None:
    if not isinstance(raw, dict) or not set(raw) <= {"until"}:
        raise Malformed('Send {"until": the last day}, or {} for as long as it is not withdrawn.')
    text = raw.get("until")
    if text is None:
        return None
    wrong = Violation("/until", "date", "A day such as 2027-12-31, today or later, before 2200")
    try:
        day = date.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        day = None
    if day is None or day.isoformat() != text or not _today(entity) <= day <= LATEST:
        raise Malformed("That is not a day until which consent can be given.", [wrong])
    return day


def _today(entity: str) -> date:
    return datetime.now(UTC).astimezone(instants.zone_of(entity)).date()


async def _said(request: web.Request, entity: str, client: str) -> web.Response:
    found = await consents.one(request.app[LOOKUP_POOL], entity, client)
    if found is None:
        raise NotFound("This partner was never given consent.")
    return _answer(found)


def _answer(told: Any) -> web.Response:
    return web.Response(body=orjson.dumps(told), content_type=JSON, headers={"Cache-Control": "no-store"})


CLIENT = Parameter(
    name="client",
    place="path",
    description="The partner, by its name in the list of who asked.",
    schema={"type": "string", "minLength": 1, "maxLength": CLIENT_MAX_CHARS},
    required=True,
    example="partner",
    problems=frozenset({404}),
)
NO_STORE = (Header("Cache-Control", "no-store"),)

ROUTES = (
    Route(
        "GET",
        "/v1/entities/{entity}/consents",
        listed,
        name="consents",
        tag="entities",
        summary="Which partners it lets see what asks for its consent",
        description=(
            "For the organisation's own key; of another organisation it gets 404. Which classes of records "
            "ask for consent, /v1/catalogue says."
        ),
        roles=frozenset({"entity", "operator"}),
        parameters=(ENTITY, CURSOR, limit(DEFAULT_PAGE, LONGEST_PAGE), PURPOSE),
        responses={200: Response("A page", ConsentList, headers=NO_STORE)},
    ),
    Route(
        "PUT",
        "/v1/entities/{entity}/consents/{client}",
        give,
        name="consent-give",
        tag="entities",
        summary="Let a partner see what asks for consent",
        description="It holds from the partner's next query on. For the organisation's own key.",
        roles=frozenset({"entity"}),
        parameters=(ENTITY, CLIENT),
        body=Body({JSON: Consent}, "For how long", {JSON: {"until": "2099-12-31"}}),
        responses={200: Response("What was said", ConsentShape, headers=NO_STORE)},
    ),
    Route(
        "DELETE",
        "/v1/entities/{entity}/consents/{client}",
        withdraw,
        name="consent-withdraw",
        tag="entities",
        summary="Let it see that no longer",
        description="It ends with the partner's next query. For the organisation's own key.",
        roles=frozenset({"entity"}),
        parameters=(ENTITY, CLIENT),
        responses={200: Response("What was said", ConsentShape, headers=NO_STORE)},
    ),
)
