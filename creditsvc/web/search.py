"""``GET /v1/entities?name=``: search by name."""

import orjson
from aiohttp import web

from creditsvc.domain import instants, names, persons
from creditsvc.domain.profile import Moment
from creditsvc.errors import Malformed, NaturalPerson, Violation
from creditsvc.web import asking, reading
from creditsvc.web.keys import READER
from creditsvc.web.parameters import AS_OF, CACHE_CONTROL, CURSOR, ETAG, IF_NONE_MATCH, NOT_MODIFIED, limit
from creditsvc.web.routes import Parameter, Response, Route
from creditsvc.web.shapes import Hits

DEFAULT_PAGE, LONGEST_PAGE = 20, 100


async def search(request: web.Request) -> web.Response:
    """Answer with the organisations whose names match, and why each does."""
    query = _query(request)
    at, after = reading.pinned(request)
    count = reading.limit(request, DEFAULT_PAGE, LONGEST_PAGE)
    view = reading.viewer(request).view
    found = await request.app[READER].search.find(query, view, at, after=after, limit=count)
    asking.about(request, (item["entity"] for item in found.page.items))
    body = orjson.dumps(
        {
            "valid_from": instants.text(found.valid_from),
            "items": found.page.items,
            "next": found.page.next,
        }
    )
    return reading.answer(request, body, Moment(0, found.valid_from, None), past=at is not None)


def _query(request: web.Request) -> str:
    query = request.query.get("name", "")
    if persons.find(query) is not None:
        raise NaturalPerson(
            "People are not on record here", [Violation("/query/name", "natural-person", "Ask by a name")]
        )
    if not names.SHORTEST_QUERY <= len(query) <= names.LONGEST_QUERY:
        wrong = Violation(
            "/query/name",
            "length",
            f"{names.SHORTEST_QUERY} characters at least, {names.LONGEST_QUERY} at most",
        )
        raise Malformed("The name is too short or too long to be searched.", [wrong])
    return query


ROUTES = (
    Route(
        "GET",
        "/v1/entities",
        search,
        name="search",
        tag="entities",
        summary="Find organisations by name",
        description=(
            "Chinese or Latin, from two characters on. Width, case, accents and punctuation don't matter. "
            "At most 200 matches, the closest first; give more of the name for others."
        ),
        parameters=(
            Parameter(
                name="name",
                description="The name or a part of it.",
                required=True,
                schema={
                    "type": "string",
                    "minLength": names.SHORTEST_QUERY,
                    "maxLength": names.LONGEST_QUERY,
                },
                example="TINTORAJO",
            ),
            AS_OF,
            CURSOR,
            limit(DEFAULT_PAGE, LONGEST_PAGE),
            IF_NONE_MATCH,
            asking.PURPOSE,
        ),
        responses={
            200: Response("Those that match", Hits, headers=(ETAG, CACHE_CONTROL)),
            304: NOT_MODIFIED,
        },
        also_problems=frozenset({422}),
    ),
)
