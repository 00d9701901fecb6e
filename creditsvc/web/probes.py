"""Is the process alive, and can it serve? For whoever starts, stops and routes to workers."""

import asyncio
import time
from dataclasses import dataclass, field

import asyncpg
from aiohttp import web

from creditsvc.errors import Unavailable
from creditsvc.store import migrations
from creditsvc.store.database import Pool, connect
from creditsvc.web import problems
from creditsvc.web.keys import APPEND_POOL, DSN, LIFECYCLE, LOOKUP_POOL
from creditsvc.web.routes import Response, Route

CHECK_TIMEOUT_S = 5.0
REMEMBER_S = 0.5  # so that probing costs the database next to nothing, whoever probes
_APPLIED = "select number, phase from migration"
_ANSWERS = "select 1"
_OK = {"type": "object", "required": ["status"], "properties": {"status": {"const": "ok"}}}


@dataclass(slots=True)
class Readiness:
    """What the last check found: None when all was well, else why not."""

    checked_s: float = -REMEMBER_S
    why_not: str | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


READINESS: web.AppKey[Readiness] = web.AppKey("readiness", Readiness)


async def live(_: web.Request) -> web.Response:
    return _ok()


async def ready(request: web.Request) -> web.Response:
    """Answer 200 when a request would be served, else a problem that says why not."""
    if request.app[LIFECYCLE].stopping:
        raise Unavailable("The service is stopping.")
    readiness = request.app[READINESS]
    async with readiness.lock:
        if time.monotonic() - readiness.checked_s >= REMEMBER_S:
            readiness.why_not = await _why_not(request.app)
            readiness.checked_s = time.monotonic()
    if readiness.why_not is not None:
        raise Unavailable(readiness.why_not)
    return _ok()


async def _why_not(app: web.Application) -> str | None:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            await _answers(app[LOOKUP_POOL])
            await _answers(app[APPEND_POOL])
            missing = await _migrations_missing(app[DSN])
    except asyncpg.UndefinedTableError:
        return "The database has no schema yet: run the migrations."
    except Exception as error:
        if not problems.is_passing(error):
            raise
        return "The database cannot be reached, or does not answer in time."
    if missing:
        return f"The database lacks migrations: {', '.join(missing)}."
    return None


async def _answers(pool: Pool) -> None:
    async with pool.acquire() as connection:
        await connection.fetchval(_ANSWERS)


async def _migrations_missing(dsn: str) -> list[str]:
    """Name the migrations that this code needs before it runs (phase pre) and that were not done."""
    connection = await connect(dsn)
    try:
        applied = {(row["number"], row["phase"]) for row in await connection.fetch(_APPLIED)}
    finally:
        await connection.close()
    return [
        one.label
        for one in migrations.read_all()
        if one.phase == "pre" and (one.number, one.phase) not in applied
    ]


def _ok() -> web.Response:
    return web.json_response({"status": "ok"}, headers={"Cache-Control": "no-store"})


ROUTES = (
    Route(
        "GET",
        "/livez",
        live,
        name="livez",
        summary="The process answers; nothing else is touched",
        bare=True,
        responses={200: Response("It does", _OK)},
    ),
    Route(
        "GET",
        "/readyz",
        ready,
        name="readyz",
        summary="The service can serve: database there, schema up to date, not stopping",
        bare=True,
        also_problems=frozenset({503}),
        responses={200: Response("It can", _OK)},
    ),
)
