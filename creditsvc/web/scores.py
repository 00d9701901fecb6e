"""An organisation's score: taken apart record by record, and what would change it."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

import orjson
from aiohttp import web

from creditsvc.domain import instants, scores
from creditsvc.domain.account import RecordKey
from creditsvc.domain.scores import TakenApart
from creditsvc.errors import Malformed, UnsupportedMediaType, Violation
from creditsvc.ledger.pages import Cursor
from creditsvc.ledger.rankings import Ranked
from creditsvc.ledger.scores import Change, Supposed
from creditsvc.web import limits, reading
from creditsvc.web.asking import PURPOSE
from creditsvc.web.bodies import read_body
from creditsvc.web.events import parse
from creditsvc.web.keys import SCORES
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
from creditsvc.web.routes import JSON, Body, Parameter, Response, Route
from creditsvc.web.shapes import ScoreApart, WhatIf, WhatIfAnswer
from scoring.exact import written

DEFAULT_PAGE, LONGEST_PAGE = 100, 1_000
MOST_CHANGES = 100
BODY_MAX_BYTES = 64 * 1024  # 200 records named, at some 300 bytes each
FOLD_UNITS = 9  # beyond the 1 of any request: a whole history is folded for it
FURTHEST = instants.parse("2200-01-01T00:00:00Z")


async def score(request: web.Request) -> web.Response:
    """Answer with a score taken apart, a page of contributions at a time."""
    entity = reading.entity_of(request)
    as_of, after = reading.pinned(request)
    count = reading.limit(request, DEFAULT_PAGE, LONGEST_PAGE)
    service = request.app[SCORES]
    rules = service.rules_of(request.query.get("model"))
    limits.charge(request, FOLD_UNITS)
    viewer = reading.viewer(request, entity)
    found = await service.apart(entity, viewer, rules, as_of, partial(limits.charge, request))
    told = scores.document(found.taken, instants.zone_of(entity))
    shares = told.pop("contributions")
    more = after + count < len(shares)
    following = Cursor(found.moment.valid_from, after + count).text() if more else None
    body = orjson.dumps(
        {
            "entity": entity,
            "valid_from": instants.text(found.moment.valid_from),
            "valid_until": instants.text_or_none(found.moment.valid_until),
            **told,
            **ranked(found.ranked, told["grade"]),
            "contributions": {"items": shares[after : after + count], "next": following},
        }
    )
    return reading.answer(request, body, found.moment, past=found.past, consented=found.consented)


def ranked(found: Ranked | None, grade: str) -> dict[str, Any]:
    """Describe where a score stands among its peers, which is what its grade goes by then."""
    if found is None:
        return {"grade": grade, "rank": None}
    rank = {
        "percentile": orjson.Fragment(written(found.rank.percentile)),
        "peers": found.rank.peers,
        "group": found.group,
        "ranked_at": instants.text(found.ranked_at),
    }
    return {"grade": found.rank.grade, "rank": rank}


async def what_if(request: web.Request) -> web.Response:
    """Answer what a repair, a revocation or time would make of the score. Nothing is stored."""
    entity = reading.entity_of(request)
    if request.content_type != JSON:
        raise UnsupportedMediaType(f"Send what to suppose as {JSON}.")
    raw = parse(await read_body(request, most=BODY_MAX_BYTES))
    change, model = _read(raw)
    service = request.app[SCORES]
    rules = service.rules_of(model)
    limits.charge(request, FOLD_UNITS)
    viewer = reading.viewer(request, entity)
    found = await service.suppose(entity, viewer, rules, change, partial(limits.charge, request))
    if found.unknown:
        _refuse_unknown(raw, found.unknown)
    return web.Response(
        body=orjson.dumps(_supposed(entity, found, change)),
        content_type=JSON,
        headers={"Cache-Control": "no-store"},
    )


def _read(raw: Any) -> tuple[Change, str | None]:
    if not isinstance(raw, dict) or not set(raw) <= {"repaired", "revoked", "at", "model"}:
        raise Malformed('Send {"repaired": […], "revoked": […], "at": time, "model": name}, each if need be.')
    model = raw.get("model")
    if model is not None and not isinstance(model, str):
        raise Malformed(
            "The model is named by text.", [Violation("/model", "text", "A name from /v1/models")]
        )
    return Change(_keys(raw, "repaired"), _keys(raw, "revoked"), _at(raw)), model


def _at(raw: Mapping[str, Any]) -> datetime | None:
    at = raw.get("at")
    if at is None:
        return None
    found = reading.instant(at, "/at") if isinstance(at, str) else FURTHEST
    if found >= FURTHEST:
        raise Malformed("That is not a time.", [Violation("/at", "time", "A time of RFC 3339, before 2200")])
    return found


def _keys(raw: Mapping[str, Any], name: str) -> frozenset[RecordKey]:
    listed = raw.get(name, [])
    if not isinstance(listed, list) or len(listed) > MOST_CHANGES:
        wrong = Violation(f"/{name}", "length", f"An array of at most {MOST_CHANGES} records")
        raise Malformed("The list of records is not one.", [wrong])
    for place, one in enumerate(listed):
        known = isinstance(one, dict) and set(one) == {"record", "source"}
        if not known or not all(isinstance(value, str) for value in one.values()):
            wrong = Violation(f"/{name}/{place}", "record", 'Name a record so: {"record": …, "source": …}')
            raise Malformed("A record is named by its number and source.", [wrong])
    return frozenset((one["record"], one["source"]) for one in listed)


def _refuse_unknown(raw: Mapping[str, Any], unknown: frozenset[RecordKey]) -> None:
    wrong = [
        Violation(f"/{name}/{place}", "unknown", "No such record is on show; see the entity's records")
        for name in ("repaired", "revoked")
        for place, one in enumerate(raw.get(name, []))
        if (one["record"], one["source"]) in unknown
    ]
    raise Malformed("A record that is named is not on show.", wrong)


def _supposed(entity: str, found: Supposed, change: Change) -> dict[str, Any]:
    zone = instants.zone_of(entity)
    before, after = scores.document(found.before, zone), scores.document(found.after, zone)
    return {
        "entity": entity,
        "valid_from": instants.text(found.moment.valid_from),
        "at": instants.text_or_none(change.at),
        "before": _short(before),
        "after": _short(after),
        "changes": _changes(found.before, found.after, before, after),
    }


def _short(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: told[name] for name in ("model", "version", "value", "exact", "grade", "until")}


def _changes(
    before: TakenApart, after: TakenApart, told: Mapping[str, Any], supposed: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """List the records whose share would differ, the strongest first."""
    was = {(one["record"], one["source"]): one for one in told["contributions"]}
    will = {(one["record"], one["source"]): one for one in supposed["contributions"]}
    order = [(one.record, one.source) for one in (*before.explanation.shares, *after.explanation.shares)]
    return [
        {
            "record": key[0],
            "source": key[1],
            "code": (was.get(key) or will[key])["code"],
            "before": was[key]["share"] if key in was else "0",
            "after": will[key]["share"] if key in will else "0",
        }
        for key in dict.fromkeys(order)
        if (was[key]["share"] if key in was else "0") != (will[key]["share"] if key in will else "0")
    ]


MODEL = Parameter(
    name="model",
    description="A model from /v1/models, as in force at the time, or `name@version`; else the official one.",
    schema={"type": "string", "pattern": "^[a-z][a-z0-9-]{0,63}(@[1-9][0-9]{0,3})?$"},
    example="credit-baseline",
)

ROUTES = (
    Route(
        "GET",
        "/v1/entities/{entity}/score",
        score,
        name="score",
        tag="entities",
        summary="Its score taken apart, record by record",
        description=(
            "Start, the shares of all contributions and the adjustments add up to the value, exactly: the "
            "figures written as text are exact, fractions where a decimal has no end."
        ),
        parameters=(
            *(ENTITY, MODEL, AS_OF, CURSOR),
            *(limit(DEFAULT_PAGE, LONGEST_PAGE), IF_NONE_MATCH, PURPOSE),
        ),
        responses={
            200: Response("The score", ScoreApart, headers=(ETAG, CACHE_CONTROL)),
            304: NOT_MODIFIED,
        },
    ),
    Route(
        "POST",
        "/v1/entities/{entity}/score/what-if",
        what_if,
        name="score-what-if",
        tag="entities",
        summary="What a repair, a revocation or the passing of time would make of its score",
        description="Nothing is stored. Without changes and time, the answer is the score as it is, twice.",
        parameters=(ENTITY, PURPOSE),
        body=Body(
            {JSON: WhatIf},
            "What to suppose",
            {JSON: {"repaired": [], "revoked": [], "at": "2027-12-31T00:00:00Z"}},
        ),
        responses={200: Response("The score as it is, and as it would be", WhatIfAnswer)},
    ),
)
