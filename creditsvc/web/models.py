"""``/v1/models``: how scores are made, as rules and in words."""

from collections.abc import Sequence
from typing import Any

import orjson
from aiohttp import web

from creditsvc.domain import instants
from creditsvc.domain.schedule import Release
from creditsvc.ledger.releases import OFFICIAL
from creditsvc.web.fixed import FixedDocument
from creditsvc.web.parameters import CACHE_CONTROL, ETAG, IF_NONE_MATCH, NOT_MODIFIED
from creditsvc.web.routes import JSON, Response, Route
from creditsvc.web.shapes import Models
from scoring import engine

DOCUMENT: web.AppKey[FixedDocument] = web.AppKey("models_document", FixedDocument)


def prepare(app: web.Application, releases: Sequence[Release]) -> None:
    """Make the document of all that has been announced; it changes only when the service is started anew."""
    items = [item(one) for one in sorted(releases, key=lambda one: (one.model.name, int(one.model.version)))]
    app[DOCUMENT] = FixedDocument(orjson.dumps({"items": items, "next": None}), JSON)


def item(release: Release) -> dict[str, Any]:
    """Describe an announced version of a model."""
    model = release.model
    return {
        "name": model.name,
        "version": model.version,
        "official": model.name == OFFICIAL,
        "title": dict(model.title),
        "family": model.family,
        "source": model.source,
        "in_force_from": model.in_force_from.isoformat() if model.in_force_from else None,
        "announced_at": instants.text_or_none(release.announced_at),
        "method": engine.method(model.name, model.version),
        "rules": orjson.Fragment(engine.content(model.name, model.version)),
    }


async def models(request: web.Request) -> web.Response:
    """Answer with all models."""
    return request.app[DOCUMENT].answer(request)


ROUTES = (
    Route(
        "GET",
        "/v1/models",
        models,
        name="models",
        tag="catalogue",
        summary="The scoring models, with the method of each in words",
        description="A released version never changes; a new one is announced before it comes into force.",
        parameters=(IF_NONE_MATCH,),
        responses={
            200: Response("All released models", Models, headers=(ETAG, CACHE_CONTROL)),
            304: NOT_MODIFIED,
        },
    ),
)
