"""``GET /v1/entities/{entity}/accesses``: who looked."""

from typing import Annotated

import orjson
from aiohttp import web
from pydantic import Field

from creditsvc.domain import purposes
from creditsvc.ledger import accesses
from creditsvc.ledger.pages import Cursor
from creditsvc.store.clients import Role
from creditsvc.web import reading
from creditsvc.web.asking import PURPOSE
from creditsvc.web.keys import LOOKUP_POOL
from creditsvc.web.parameters import CURSOR, ENTITY, limit
from creditsvc.web.routes import JSON, Header, Response, Route
from creditsvc.web.shapes import Instant, Next, Shape

DEFAULT_PAGE, LONGEST_PAGE = 100, 1_000


class AccessShape(Shape):
    """One query about the organisation that showed, or could have shown, more than the public sees."""

    time: Annotated[Instant, Field(description="When it was written down, which is before it was answered")]
    client: Annotated[str, Field(description="Who holds the key")]
    role: Role
    purpose: Annotated[
        str | None, Field(pattern=purposes.PATTERN, description="What for; null: not declared")
    ]
    asked: Annotated[str, Field(description="What was asked: the operationId in this document")]


class AccessList(Shape):
    """A page of them, the newest first."""

    entity: str
    items: list[AccessShape]
    next: Next


async def who_looked(request: web.Request) -> web.Response:
    """Answer with a page, to the organisation itself and to those who see to it that all goes well."""
    entity = reading.entity_of(request)
    reading.keep_to_own(request, entity)
    reading.viewer(request, entity)
    cursor = request.query.get("cursor")
    before = None if cursor is None else Cursor.parse(cursor).after
    count = reading.limit(request, DEFAULT_PAGE, LONGEST_PAGE)
    page = await accesses.page(request.app[LOOKUP_POOL], entity, before=before, limit=count)
    body = orjson.dumps({"entity": entity, "items": page.items, "next": page.next})
    return web.Response(body=body, content_type=JSON, headers={"Cache-Control": "no-store"})


ROUTES = (
    Route(
        "GET",
        "/v1/entities/{entity}/accesses",
        who_looked,
        name="accesses",
        tag="entities",
        summary="Who asked about it, the newest first",
        description=(
            "Every query that showed more than the public sees, written down before it was answered, found "
            "something or not: by partners, agencies, auditors, operators and the organisation itself. For "
            "the organisation's own key; of another organisation it gets 404. An organisation that nothing "
            "is on record for may have been asked about too. Kept for five years, or for longer."
        ),
        roles=frozenset({"entity", "auditor", "operator"}),
        parameters=(ENTITY, CURSOR, limit(DEFAULT_PAGE, LONGEST_PAGE), PURPOSE),
        responses={200: Response("A page", AccessList, headers=(Header("Cache-Control", "no-store"),))},
    ),
)
