"""``/openapi.json``: the interface for machines to read."""

from collections.abc import Callable, Mapping
from typing import Any

import orjson
from aiohttp import web

from creditsvc.web.fixed import FixedDocument, OnDemand
from creditsvc.web.parameters import CACHE_CONTROL, ETAG, IF_NONE_MATCH, NOT_MODIFIED
from creditsvc.web.routes import Response, Route

DOCUMENT: web.AppKey[OnDemand] = web.AppKey("openapi_document", OnDemand)


def prepare(app: web.Application, describe: Callable[[], Mapping[str, Any]]) -> None:
    app[DOCUMENT] = OnDemand(lambda: FixedDocument(orjson.dumps(describe()), "application/json"))


async def openapi(request: web.Request) -> web.Response:
    return await request.app[DOCUMENT].answer(request)


ROUTES = (
    Route(
        "GET",
        "/openapi.json",
        openapi,
        name="openapi",
        summary="This interface, as OpenAPI 3.1",
        parameters=(IF_NONE_MATCH,),
        responses={
            200: Response(
                "The document",
                {"type": "object", "required": ["openapi", "info", "paths"]},
                headers=(ETAG, CACHE_CONTROL),
            ),
            304: NOT_MODIFIED,
        },
    ),
)
