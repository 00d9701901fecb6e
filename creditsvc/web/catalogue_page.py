"""The catalogue in force: record types, their data, how long each is public."""

from aiohttp import web

from creditsvc.web.fixed import FixedDocument, OnDemand
from creditsvc.web.keys import CATALOGUE
from creditsvc.web.parameters import CACHE_CONTROL, ETAG, IF_NONE_MATCH, NOT_MODIFIED
from creditsvc.web.routes import Response, Route

DOCUMENT: web.AppKey[OnDemand] = web.AppKey("catalogue_document", OnDemand)


async def catalogue(request: web.Request) -> web.Response:
    return await request.app[DOCUMENT].answer(request)


def prepare(app: web.Application) -> None:
    app[DOCUMENT] = OnDemand(lambda: FixedDocument(app[CATALOGUE].document(), "application/json"))


SCHEMA = {
    "type": "object",
    "required": ["version", "title", "source", "in_force_from", "fields", "classes", "types", "schemes"],
    "properties": {
        "version": {"type": "string"},
        "title": {"type": "object"},
        "source": {"type": "string"},
        "in_force_from": {"type": "string", "format": "date"},
        "fields": {"type": "object", "description": "What event data is made of, by name"},
        "classes": {"type": "object", "description": "Classes of records, by name"},
        "types": {
            "type": "object",
            "description": "Types of event, by name, each with the JSON Schema of its data",
            "additionalProperties": {"type": "object", "required": ["schema"]},
        },
        "publicity": {"type": "object", "description": "Rules of publicity, by name, with their rule sets"},
        "retention": {"type": "object", "description": "Rules of how long records are kept, by name"},
        "schemes": {
            "type": "array",
            "description": "Identifiers that a subject may have",
            "items": {"type": "object", "required": ["name", "title", "pattern", "example"]},
        },
    },
}

ROUTES = (
    Route(
        "GET",
        "/v1/catalogue",
        catalogue,
        name="catalogue",
        tag="catalogue",
        summary="The record types and rules in force",
        description="Outside the catalogue nothing enters. It changes only with a release of the service.",
        parameters=(IF_NONE_MATCH,),
        responses={
            200: Response("The catalogue", SCHEMA, headers=(ETAG, CACHE_CONTROL)),
            304: NOT_MODIFIED,
        },
    ),
)
