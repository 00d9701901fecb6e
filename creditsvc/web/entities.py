"""One organisation: its profile, its records, its history."""

from functools import partial

from aiohttp import web

from creditsvc.domain import catalogue
from creditsvc.errors import Malformed, Violation
from creditsvc.ledger.moments import Seen
from creditsvc.ledger.pages import Page
from creditsvc.web import limits, reading
from creditsvc.web.asking import PURPOSE
from creditsvc.web.history_shapes import History
from creditsvc.web.keys import CATALOGUE, READER
from creditsvc.web.parameters import (
    AS_OF,
    CACHE_CONTROL,
    CURSOR,
    ENTITY,
    ETAG,
    IF_NONE_MATCH,
    NOT_MODIFIED,
    limit,
)
from creditsvc.web.routes import Parameter, Response, Route, Schema
from creditsvc.web.shapes import Profile, Records

DEFAULT_PAGE, LONGEST_PAGE = 100, 1_000
HEADERS = (ETAG, CACHE_CONTROL)


async def profile(request: web.Request) -> web.Response:
    """Answer with the stored profile: bytes as they are."""
    entity = reading.entity_of(request)
    viewer = reading.viewer(request, entity)
    charge = partial(limits.charge, request)
    seen, _ = await reading.moment(request, entity, viewer, reading.as_of(request), charge)
    return reading.answer(request, seen.profile or b"", seen.moment, past=seen.past, consented=seen.consented)


async def records(request: web.Request) -> web.Response:
    """Answer with a page of records."""
    entity = reading.entity_of(request)
    viewer = reading.viewer(request, entity)
    at, after = reading.pinned(request)
    count = reading.limit(request, DEFAULT_PAGE, LONGEST_PAGE)
    wanted = request.query.get("type")
    if wanted is not None and wanted not in request.app[CATALOGUE].types:
        wrong = Violation("/query/type", "type", "One of the types in /v1/catalogue")
        raise Malformed("There is no such type of event.", [wrong])
    reader = request.app[READER]
    charge = partial(limits.charge, request)
    seen, viewer = await reading.moment(request, entity, viewer, at, charge)
    page = await reader.pages.records(
        entity, viewer, seen.moment.valid_from, after=after, limit=count, event_type=wanted, charge=charge
    )
    return _listed(request, entity, seen, page)


async def history(request: web.Request) -> web.Response:
    """Answer with a page of events."""
    entity = reading.entity_of(request)
    viewer = reading.viewer(request, entity)
    at, after = reading.pinned(request)
    count = reading.limit(request, DEFAULT_PAGE, LONGEST_PAGE)
    reader = request.app[READER]
    charge = partial(limits.charge, request)
    seen, viewer = await reading.moment(request, entity, viewer, at, charge)
    page = await reader.pages.history(
        entity, viewer, seen.moment.valid_from, after=after, limit=count, charge=charge
    )
    return _listed(request, entity, seen, page)


def _listed(request: web.Request, entity: str, seen: Seen, page: Page) -> web.Response:
    body = reading.listed(entity, seen.moment, page.items, page.next)
    return reading.answer(request, body, seen.moment, past=seen.past, consented=seen.consented)


LIMIT = limit(DEFAULT_PAGE, LONGEST_PAGE)
TYPE: Schema = {"type": "string", "enum": sorted(catalogue.load().types)}

ROUTES = (
    Route(
        "GET",
        "/v1/entities/{entity}",
        profile,
        name="profile",
        tag="entities",
        summary="The profile of one organisation",
        description="Nothing on record is not proof of compliance.",
        parameters=(ENTITY, AS_OF, IF_NONE_MATCH, PURPOSE),
        responses={
            200: Response("The profile as this caller may see it", Profile, headers=HEADERS),
            304: NOT_MODIFIED,
        },
    ),
    Route(
        "GET",
        "/v1/entities/{entity}/records",
        records,
        name="records",
        tag="entities",
        summary="Its records, with state and publicity",
        parameters=(
            ENTITY,
            AS_OF,
            Parameter(name="type", description="Only records opened by this type of event.", schema=TYPE),
            CURSOR,
            LIMIT,
            IF_NONE_MATCH,
            PURPOSE,
        ),
        responses={200: Response("A page of records", Records, headers=HEADERS), 304: NOT_MODIFIED},
    ),
    Route(
        "GET",
        "/v1/entities/{entity}/history",
        history,
        name="history",
        tag="entities",
        summary="Its events, oldest first",
        description=(
            "Each with its sequence, the time it was recorded, and its leaf hash. What an organisation wrote "
            "in a case is shown to those who are party to the record; others see its event in part."
        ),
        parameters=(ENTITY, AS_OF, CURSOR, LIMIT, IF_NONE_MATCH, PURPOSE),
        responses={200: Response("A page of events", History, headers=HEADERS), 304: NOT_MODIFIED},
    ),
)
