"""``/``: find an organisation by its name or a code, and be helped where a code is mistyped."""

import asyncio
from functools import partial
from typing import Any

import orjson
from aiohttp import web

from creditsvc.domain import identifiers, names, persons
from creditsvc.domain.identifiers import mistyped
from creditsvc.domain.identifiers.mistyped import Typed
from creditsvc.domain.views import PUBLIC
from creditsvc.errors import NaturalPerson
from creditsvc.web import limits, reading
from creditsvc.web.keys import READER
from creditsvc.web.parameters import CURSOR
from creditsvc.web.routes import Parameter, Response, Route
from creditsvc.web.site.answering import in_words
from creditsvc.web.site.rendering import page

PAGE = 20
LOOKUPS_PER_UNIT = 10


@in_words
async def home(request: web.Request) -> web.StreamResponse:
    """Show the form, what was found, or what may be wrong with what was typed."""
    query = request.query.get("q", "").strip()
    if not query:
        return _shown(request, "")
    if persons.find(query) is not None:
        raise NaturalPerson("People are not on record here")
    typed = mistyped.read(query)
    if not typed.entities and persons.may_hold_person(query):
        raise NaturalPerson("People are not on record here")
    if typed.entities or typed.fault:
        return await _by_code(request, query, typed)
    if not names.SHORTEST_QUERY <= len(query) <= names.LONGEST_QUERY:
        return _shown(request, query, trouble="length")
    _, after = reading.pinned(request)
    at = reading.pinned(request)[0]
    found = await request.app[READER].search.find(query, "public", at, after=after, limit=PAGE)
    return _shown(request, query, found=found.page, first=after + 1)


async def _by_code(request: web.Request, query: str, typed: Typed) -> web.StreamResponse:
    wanted = typed.entities or typed.meant
    limits.charge(request, len(wanted) / LOOKUPS_PER_UNIT)
    known = await _known(request, wanted)
    if typed.entities and len(known) == 1:
        raise web.HTTPSeeOther(f"/entities/{known[0]['entity']}")
    return _shown(request, query, typed=typed, known=known)


async def _known(request: web.Request, entities: tuple[str, ...]) -> list[dict[str, Any]]:
    """Find those of which anything is public."""
    profiles = request.app[READER].public_profiles
    stored = await asyncio.gather(*(profiles.get(entity) for entity in entities))
    return [
        {"entity": entity, "name": orjson.loads(one.profile)["name"]}
        for entity, one in zip(entities, stored, strict=True)
        if one is not None and one.profile is not None
    ]


def _shown(request: web.Request, query: str, **context: Any) -> web.Response:
    given = {"found": None, "first": 1, "typed": None, "known": [], "trouble": None} | context
    return page(request, "home.html", query=query, schemes=identifiers.SCHEMES, public=PUBLIC, **given)


LANGUAGE = Parameter(
    name="language",
    description="In which language the page speaks, and those after it: `zh` or `en`.",
    schema={"type": "string", "enum": ["zh", "en"]},
)
PAGE_RESPONSE = Response("A page", {"type": "string"}, media_type="text/html")
html = partial(Route, "GET", page=True, tag="pages")

ROUTES = (
    html(
        "/",
        home,
        name="home-page",
        summary="Find an organisation",
        parameters=(
            Parameter(name="q", description="A name, a part of it, or a code.", schema={"type": "string"}),
            CURSOR,
            LANGUAGE,
        ),
        responses={200: PAGE_RESPONSE},
    ),
)
