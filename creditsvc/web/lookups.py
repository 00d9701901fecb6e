"""``POST /v1/lookups``: many organisations at once."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

import orjson
from aiohttp import web

from creditsvc.domain import identifiers
from creditsvc.domain.views import Viewer
from creditsvc.errors import (
    EntityUnknown,
    Malformed,
    Refusal,
    Unavailable,
    UnsupportedMediaType,
    Violation,
)
from creditsvc.ledger.folds import Charge
from creditsvc.ledger.moments import Moments
from creditsvc.web import asking, limits, problems, reading
from creditsvc.web.bodies import read_body
from creditsvc.web.events import parse
from creditsvc.web.keys import READER
from creditsvc.web.routes import JSON, Body, Response, Route
from creditsvc.web.shapes import LookupRequest, LookupResults

MOST_ENTITIES = 1_000
BODY_MAX_BYTES = 256 * 1024  # they take some 40 KiB
LOOKUPS_PER_UNIT = 10  # what a batch is charged against the rate limit
LONGEST_S = 20.0
PAST_AT_ONCE = 4  # histories folded at one time for a batch about the past


async def lookup(request: web.Request) -> web.Response:
    """Answer with a result for each identifier, in their order."""
    if request.content_type != JSON:
        raise UnsupportedMediaType(f"Send the identifiers as {JSON}.")
    entities, as_of = _read(parse(await read_body(request, most=BODY_MAX_BYTES)))
    limits.charge(request, len(entities) / LOOKUPS_PER_UNIT - 1)
    found = await _look_all_up(request, list(dict.fromkeys(entities)), as_of)
    asking.about(request, (one["entity"] for one in found.values() if one["entity"] is not None))
    body = orjson.dumps({"results": [found[text] for text in entities]})
    return web.Response(body=body, content_type=JSON, headers={"Cache-Control": "no-store"})


async def _look_all_up(
    request: web.Request, entities: Sequence[str], as_of: datetime | None
) -> dict[str, dict[str, Any]]:
    """Look each up once; when one cannot be, or whoever asks has gone, the rest is left."""
    moments, viewer = request.app[READER].moments, reading.viewer(request)
    at_once = asyncio.Semaphore(MOST_ENTITIES if as_of is None else PAST_AT_ONCE)
    charge = partial(limits.charge, request)
    found: dict[str, dict[str, Any]] = {}

    async def one(text: str) -> None:
        async with at_once:
            if request.transport is None or request.transport.is_closing():
                raise ConnectionResetError
            found[text] = await _look_up(moments, text, viewer, as_of, charge)

    try:
        async with asyncio.timeout(LONGEST_S), asyncio.TaskGroup() as tasks:
            for text in entities:
                tasks.create_task(one(text))
    except TimeoutError as error:
        raise Unavailable("That takes too long at once; ask about fewer", retry_after_s=2) from error
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return found


def _read(raw: Any) -> tuple[list[str], datetime | None]:
    """Read the request; raises ``Malformed`` with pointers into it."""
    if not isinstance(raw, dict) or not {"entities"} <= set(raw) <= {"entities", "as_of"}:
        raise Malformed('Send {"entities": [identifier, …]}, with "as_of" if need be.')
    entities, as_of = raw["entities"], raw.get("as_of")
    if not isinstance(entities, list) or not 1 <= len(entities) <= MOST_ENTITIES:
        wrong = Violation("/entities", "length", f"An array of 1 to {MOST_ENTITIES} identifiers")
        raise Malformed("The list of identifiers is empty or too long.", [wrong])
    for place, entity in enumerate(entities):
        if not isinstance(entity, str):
            wrong = Violation(f"/entities/{place}", "text", "Identifiers are text, `scheme:value`")
            raise Malformed("An identifier is not text.", [wrong])
    if as_of is None:
        return entities, None
    if not isinstance(as_of, str):
        raise Malformed("That is not a time.", [Violation("/as_of", "time", "A time of RFC 3339")])
    return entities, reading.instant(as_of, "/as_of")


async def _look_up(
    moments: Moments, text: str, viewer: Viewer, as_of: datetime | None, charge: Charge
) -> dict[str, Any]:
    try:
        entity = identifiers.parse(text)
    except Refusal as refusal:
        return {"entity": None, "found": False, "problem": problems.document(refusal)}
    try:
        seen = await moments.at(entity, viewer.view, as_of, charge, viewer.client)
    except EntityUnknown:
        return {"entity": entity, "found": False}
    return {"entity": entity, "found": True, "profile": orjson.Fragment(seen.profile or b"null")}


ROUTES = (
    Route(
        "POST",
        "/v1/lookups",
        lookup,
        name="lookups",
        tag="lookups",
        summary="Look up to 1,000 organisations up at once",
        roles=frozenset({"partner", "agency", "operator"}),
        parameters=(asking.PURPOSE,),
        body=Body(
            {JSON: LookupRequest},
            "Which organisations",
            {JSON: {"entities": ["uscc:91350100M000100Y43", "siren:552081317"]}},
        ),
        also_problems=frozenset({404}),  # as_of in the future
        responses={200: Response("A result for each, in their order", LookupResults)},
    ),
)
