"""What the handlers of pages share: whom a page is about, and refusals in words."""

from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from functools import wraps
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from aiohttp import web

from creditsvc.domain import instants
from creditsvc.errors import Refusal
from creditsvc.ledger.folds import SQL
from creditsvc.web import problems
from creditsvc.web.keys import LOOKUP_POOL
from creditsvc.web.site.rendering import refused

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def in_words(handler: Handler) -> Handler:
    """Have a handler's refusals answered by a page."""

    @wraps(handler)
    async def answering(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except Refusal as refusal:
            if refusal.status >= 500 or problems.is_passing(refusal):
                raise
            answer = refused(request, refusal)
            problems.add_headers(answer, refusal)
            return answer

    return answering


async def agency_names(request: web.Request, sources: Iterable[str]) -> dict[str, str]:
    """Tell what agencies are called; one without a name goes by its source."""
    wanted = sorted(set(sources))
    async with request.app[LOOKUP_POOL].acquire() as connection:
        rows = await connection.fetch(SQL.agency_names, wanted)
    return dict.fromkeys(wanted, "") | {row["source"]: row["name"] for row in rows}


def plain(written: Any) -> Any:
    """Read what would be answered as JSON: parts of it are bytes already."""
    return orjson.loads(orjson.dumps(written))


def end_of(day: date, entity: str) -> datetime:
    """Give the last instant of a day where the organisation is, or now if the day is not over."""
    over = instants.start_of(day + timedelta(days=1), instants.zone_of(entity)) - timedelta(microseconds=1)
    return min(over, datetime.now(UTC))


def local(zone: ZoneInfo, instant: datetime | str | None) -> datetime | None:
    """Give an instant where the organisation is: its days are counted there."""
    if instant is None:
        return None
    found = instants.parse(instant) if isinstance(instant, str) else instant
    return found.astimezone(zone)
