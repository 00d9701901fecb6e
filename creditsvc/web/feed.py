"""``GET /v1/log/events``: the change feed."""

import asyncio
import re
from collections.abc import AsyncIterator
from functools import partial

import orjson
from aiohttp import web

from creditsvc.domain import catalogue, identifiers, instants
from creditsvc.errors import Malformed, NotFound, Violation
from creditsvc.ledger.feed import SCAN_MAX, Feed, Page
from creditsvc.ledger.feed_rules import NOTICE_TYPES, Filter, Reading
from creditsvc.ledger.feed_tips import Tip, Tips
from creditsvc.web import asking, auth, limits, reading
from creditsvc.web.feed_shapes import FeedPage
from creditsvc.web.keys import CATALOGUE, LIFECYCLE, LOOKUP_POOL, SETTINGS
from creditsvc.web.parameters import limit
from creditsvc.web.routes import JSON, Header, Parameter, Response, Route

DEFAULT_PAGE, LONGEST_PAGE = 100, 1_000
LONGEST_WAIT_S = 30
NAMES_MAX = 100  # of entities, of types, of sources

FEED: web.AppKey[Feed] = web.AppKey("feed", Feed)
TIPS: web.AppKey[Tips] = web.AppKey("tips", Tips)


async def events(request: web.Request) -> web.Response:
    """Answer with a page; where there is nothing to show yet, wait for it as long as the caller would."""
    start = _whole(request, "from", 0, 10**15)
    count = reading.limit(request, DEFAULT_PAGE, LONGEST_PAGE)
    wait_s = min(_whole(request, "wait", 0, LONGEST_WAIT_S), request.app[SETTINGS].feed_wait_max_s)
    asked = _reading(request)
    tips = request.app[TIPS]
    tip = await tips.look()
    if start > tip.size:
        wrong = Violation("/query/from", "beyond-log", "Keep what you have, and compare signed checkpoints")
        raise NotFound("The log is shorter than what was read of it: it may have been set back.", [wrong])
    read = partial(request.app[FEED].page, asked, limit=count, charge=partial(limits.charge, request))
    until_s = asyncio.get_running_loop().time() + wait_s
    page = await read(start, tip.size)
    while not page.items and page.next == tip.size and page.next - start < SCAN_MAX:
        later = await _later(request, tip, until_s)
        if later.size <= tip.size:
            tip = later  # as complete as it is by now
            break
        tip = later
        page = await read(page.next, min(tip.size, start + SCAN_MAX))
    asking.about(request, (item["entity"] for item in page.items))
    return _answer(page, tip)


async def _later(request: web.Request, tip: Tip, until_s: float) -> Tip:
    """Wait for the next checkpoint; gives the same when there is none in time."""
    left_s = until_s - asyncio.get_running_loop().time()
    if left_s <= 0:
        return tip
    key = auth.caller(request).key_id or ""
    return await request.app[TIPS].beyond(tip, key, left_s, partial(_has_left, request))


def _has_left(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def _answer(page: Page, tip: Tip) -> web.Response:
    body = orjson.dumps(
        {
            "items": page.items,
            "next": page.next,
            "size": tip.size,
            "complete_until": instants.text_or_none(tip.complete_until),
        }
    )
    return web.Response(body=body, content_type=JSON, headers={"Cache-Control": "no-store"})


def _reading(request: web.Request) -> Reading:
    entities = _names(request, "entity")
    types = _names(request, "type")
    if types is not None and not types <= {*request.app[CATALOGUE].types, *NOTICE_TYPES}:
        wrong = Violation("/query/type", "type", "Types in /v1/catalogue, or of the service's own notices")
        raise Malformed("There is no such type of event.", [wrong])
    return Reading(
        reading.viewer(request),
        Filter(
            None if entities is None else frozenset(map(identifiers.parse, entities)),
            types,
            _names(request, "source"),
        ),
        leaves=auth.caller(request).role == "auditor",
    )


def _names(request: web.Request, parameter: str) -> frozenset[str] | None:
    """Read names with commas between them; None where none are given."""
    text = request.query.get(parameter)
    if text is None:
        return None
    names = text.split(",")
    if len(names) > NAMES_MAX or not all(names):
        wrong = Violation(f"/query/{parameter}", "list", f"1 to {NAMES_MAX}, with commas between them")
        raise Malformed("That is not a list of names.", [wrong])
    return frozenset(names)


def _whole(request: web.Request, parameter: str, default: int, most: int) -> int:
    text = request.query.get(parameter)
    if text is None:
        return default
    if re.fullmatch(r"[0-9]{1,16}", text) and int(text) <= most:
        return int(text)
    wrong = Violation(f"/query/{parameter}", "number", f"A whole number from 0 to {most}")
    raise Malformed("A number in the query is out of bounds.", [wrong])


async def prepare(app: web.Application) -> AsyncIterator[None]:
    """Make what the feed is read with; closed when the application is."""
    lifecycle = app[LIFECYCLE]
    app[FEED] = Feed(app[LOOKUP_POOL], app[CATALOGUE])
    app[TIPS] = Tips(app[LOOKUP_POOL], lambda: lifecycle.stopping)
    yield
    await app[TIPS].close()


TYPES = "|".join(map(re.escape, sorted({*catalogue.load().types, *NOTICE_TYPES})))
LIST = rf"^[^,\u0000]+(,[^,\u0000]+){{0,{NAMES_MAX - 1}}}$"

ROUTES = (
    Route(
        "GET",
        "/v1/log/events",
        events,
        name="feed",
        tag="log",
        summary="The log by position, as this caller may see it: the change feed",
        description=(
            "Read page after page, each from `next` of the one before: nothing is skipped and nothing comes "
            "twice. With `wait` a page comes as soon as there is something on it, else without items when "
            f"the time is up. One request looks at {SCAN_MAX} positions at most, so a page may be short, or "
            "empty, while `next` is still below `size`. Positions that are left out are not for this caller."
        ),
        roles=frozenset({"partner", "agency", "auditor", "operator"}),
        parameters=(
            Parameter(
                name="from",
                description="The first position to look at. Beyond the log's size: 404.",
                schema={"type": "integer", "minimum": 0, "maximum": 10**15, "default": 0},
                example=0,
                problems=frozenset({404}),
            ),
            limit(DEFAULT_PAGE, LONGEST_PAGE),
            Parameter(
                name="wait",
                description="Wait up to so many seconds for something to show.",
                schema={"type": "integer", "minimum": 0, "maximum": LONGEST_WAIT_S, "default": 0},
                example=0,
            ),
            Parameter(
                name="entity",
                description=f"Only of these organisations, up to {NAMES_MAX}, with commas between.",
                schema={"type": "string", "pattern": LIST},
                example="uscc:91350100M000100Y43,siren:552081317",
                problems=frozenset({404, 422}),
            ),
            Parameter(
                name="type",
                description=(
                    "Only of these types, with commas between: those in the catalogue, and the service's own "
                    f"notices ({', '.join(sorted(NOTICE_TYPES))}). An event that brings earlier ones along "
                    "counts as of their types too. That a record was withdrawn is told whatever types are "
                    "asked for; a leaf alone, which has no type, is told only where none are."
                ),
                schema={"type": "string", "pattern": rf"^({TYPES})(,({TYPES})){{0,{NAMES_MAX - 1}}}$"},
                example="credit.penalty.imposed,credit.record.expired",
            ),
            Parameter(
                name="source",
                description="Only what these agencies handed in, with commas between.",
                schema={"type": "string", "pattern": LIST},
                example="urn:agency:cn-tj-samr",
            ),
            asking.PURPOSE,
        ),
        responses={
            200: Response(
                "A page of the feed",
                FeedPage,
                headers=(Header("Cache-Control", "no-store"),),
            )
        },
    ),
)
