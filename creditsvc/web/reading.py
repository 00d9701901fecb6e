"""What all answers about entities share: whose view, as of when, and the headers that follow."""

import hashlib
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson
from aiohttp import web

from creditsvc.domain import identifiers, instants
from creditsvc.domain.profile import Moment
from creditsvc.domain.views import PUBLIC, Viewer
from creditsvc.errors import Malformed, Violation
from creditsvc.ledger.folds import Charge, free
from creditsvc.ledger.moments import Seen, unknown
from creditsvc.ledger.pages import Cursor
from creditsvc.web import asking, auth
from creditsvc.web.fixed import is_kept
from creditsvc.web.keys import READER

RENDERING = "3"  # raised whenever the same state is written in other bytes: part of every ETag
PAST_MAX_AGE_S = 300


def entity_of(request: web.Request) -> str:
    """Read the entity in the path, in canonical form."""
    return identifiers.parse(request.match_info["entity"])


def viewer(request: web.Request, entity: str | None = None) -> Viewer:
    """Tell whose view the caller has, of one entity or of entities at large.

    One that shows more than the public's begins a query that is written down before it is answered; whoever
    asks for it of entities at large says by ``asking.about`` whom the answer is about.
    """
    purpose, found = asking.purpose_of(request), _viewer(request, entity)
    if found != PUBLIC:
        asking.begin(request, purpose)
        if entity is not None:
            asking.about(request, (entity,))
    return found


def _viewer(request: web.Request, entity: str | None) -> Viewer:
    caller = auth.caller(request)
    if caller.role == "entity" and (entity is None or caller.entity != entity):
        return PUBLIC
    return Viewer(caller.role, caller.sources, caller.client_id if caller.role == "partner" else None)


def as_of(request: web.Request) -> datetime | None:
    """Read ``as_of``; raises ``Malformed`` unless it is an RFC 3339 time with an offset."""
    text = request.query.get("as_of")
    return None if text is None else instant(text, "/query/as_of")


def instant(text: str, pointer: str) -> datetime:
    """Read an instant; a fraction finer than microseconds is cut, as nothing is recorded finer."""
    try:
        return instants.parse(text)
    except ValueError as error:
        wrong = Violation(pointer, "time", "A time of RFC 3339 with its offset; a + in a URL is written %2B")
        raise Malformed("That is not a time.", [wrong]) from error


def limit(request: web.Request, default: int, most: int) -> int:
    text = request.query.get("limit")
    if text is None:
        return default
    if text.isascii() and text.isdigit() and len(text) <= 6 and 1 <= int(text) <= most:
        return int(text)
    wrong = Violation("/query/limit", "limit", f"A whole number from 1 to {most}")
    raise Malformed("The limit is out of bounds.", [wrong])


def pinned(request: web.Request) -> tuple[datetime | None, int]:
    """Read from when and where a page is: by its cursor, which pins the instant of the first page.

    ``as_of`` beside a cursor changes nothing, so the cursor may be added to the address of the first page.
    """
    asked, text = as_of(request), request.query.get("cursor")
    if text is None:
        return asked, 0
    cursor = Cursor.parse(text)
    return cursor.as_of, cursor.after


async def moment(
    request: web.Request, entity: str, viewer: Viewer, at: datetime | None, charge: Charge = free
) -> tuple[Seen, Viewer]:
    """Find where a viewer's view stands, and as what it looks now that consent is known."""
    moments = request.app[READER].moments
    seen = await moments.at(entity, viewer.view, at, charge, viewer.client)
    return seen, viewer.given(consent=seen.consented)


def keep_to_own(request: web.Request, entity: str) -> None:
    """Refuse an organisation's key for another organisation, as if nothing were on record of that."""
    caller = auth.caller(request)
    if caller.role == "entity" and caller.entity != entity:
        raise unknown()


def answer(
    request: web.Request, body: bytes, moment: Moment, *, past: bool, consented: bool = False
) -> web.Response:
    """Answer with a body that follows from a moment, or with 304 to who has it.

    ``consented``: the body holds what may be told only while the organisation consents, so it is not kept.
    """
    who = auth.caller(request).client_id or "public"  # what an agency or an organisation sees is its own
    tag = etag(f"{who} with consent" if consented else who, moment.version, moment.valid_from)
    headers = {
        "ETag": tag,
        "Cache-Control": cache_control(request, moment, past=past and not consented),
        "Vary": "Authorization",
    }
    if is_kept(request, tag):
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, content_type="application/json", headers=headers)


def etag(who: str, version: int, valid_from: datetime) -> str:
    """Name the bytes of an answer: for whom, of which version, and since when they stand."""
    return f'"{RENDERING}-{_short(who)}-{version}-{instants.microseconds(valid_from):x}"'


@lru_cache(maxsize=4096)
def _short(who: str) -> str:
    return hashlib.sha256(who.encode()).hexdigest()[:8]


def cache_control(request: web.Request, moment: Moment, *, past: bool) -> str:
    """Say how long an answer may be kept: one about now must be asked for again, since events come."""
    who = "public" if auth.caller(request).role == "public" else "private"
    if not past:
        return f"{who}, no-cache"
    age_s = PAST_MAX_AGE_S
    if moment.valid_until is not None:
        left_s = int((moment.valid_until - datetime.now(UTC)).total_seconds())
        age_s = max(0, min(age_s, left_s))
    return f"{who}, max-age={age_s}"


def listed(entity: str, moment: Moment, items: list[Any], following: str | None) -> bytes:
    """Write a page of one entity's list."""
    return orjson.dumps(
        {
            "entity": entity,
            "valid_from": instants.text(moment.valid_from),
            "valid_until": instants.text_or_none(moment.valid_until),
            "items": items,
            "next": following,
        }
    )
