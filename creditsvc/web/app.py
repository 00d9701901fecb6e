"""The application put together: the routes, the edge they stand behind, and the resources they use."""

import os
import signal
from collections.abc import AsyncIterator, Iterable
from functools import cache
from typing import Any

from aiohttp import web

from creditsvc.domain import catalogue
from creditsvc.domain.schedule import schedule_of
from creditsvc.domain.standing import Rules
from creditsvc.ledger import calendars, releases, signing
from creditsvc.ledger.accesses import Accesses
from creditsvc.ledger.backlog import Backlog
from creditsvc.ledger.filing import Filing
from creditsvc.ledger.log import Log
from creditsvc.ledger.promises import Promises
from creditsvc.ledger.rankings import Rankings
from creditsvc.ledger.reader import Reader
from creditsvc.ledger.reckoning import Reckoning
from creditsvc.ledger.refolder import Refolder
from creditsvc.ledger.scores import Scores
from creditsvc.ledger.writer import Writer
from creditsvc.settings import Settings
from creditsvc.store import clients
from creditsvc.store.database import access_pool, append_pool, lookup_pool
from creditsvc.web import (
    accesses,
    catalogue_page,
    consents,
    desk,
    docs,
    entities,
    events,
    explanations,
    feed,
    log,
    lookups,
    metrics,
    models,
    openapi,
    pages,
    probes,
    scores,
    search,
)
from creditsvc.web.auth import KEYRING, Keyring
from creditsvc.web.keys import (
    ACCESS_POOL,
    ACCESSES,
    APPEND,
    APPEND_POOL,
    CATALOGUE,
    DSN,
    LIFECYCLE,
    LOG,
    LOOKUP_POOL,
    PROMISES,
    READER,
    RULES,
    SCORES,
    SETTINGS,
    Lifecycle,
)
from creditsvc.web.limits import LIMITS, Limits
from creditsvc.web.middleware import TABLE, edge, finish_headers
from creditsvc.web.probes import READINESS, Readiness
from creditsvc.web.routes import Route
from creditsvc.web.sessions import SESSIONS, Sessions
from creditsvc.web.site import (
    about,
    apart,
    assets,
    case,
    handin,
    home,
    objection,
    operator,
    organisation,
    proof,
    rendering,
    report,
    sending,
    statistics,
)
from creditsvc.web.site import desk as desk_pages
from creditsvc.web.site import session as session_pages

ROUTES: tuple[Route, ...] = (
    *events.ROUTES,
    *entities.ROUTES,
    *accesses.ROUTES,
    *consents.ROUTES,
    *desk.ROUTES,
    *search.ROUTES,
    *scores.ROUTES,
    *lookups.ROUTES,
    *feed.ROUTES,
    *log.ROUTES,
    *models.ROUTES,
    *catalogue_page.ROUTES,
    *openapi.ROUTES,
    *docs.ROUTES,
    *explanations.ROUTES,
    *probes.ROUTES,
    *metrics.ROUTES,
    *home.ROUTES,
    *organisation.ROUTES,
    *about.ROUTES,
    *report.ROUTES,
    *statistics.ROUTES,
    *operator.ROUTES,
    *assets.ROUTES,
    *session_pages.ROUTES,
    *objection.ROUTES,
    *proof.ROUTES,
    *desk_pages.ROUTES,
    *case.ROUTES,
    *handin.ROUTES,
    *sending.ROUTES,
)


def application(settings: Settings, dsn: str, routes: Iterable[Route] = ROUTES) -> web.Application:
    """Make the application; its resources open when it starts and close, last first, when it stops."""
    routes = tuple(routes)
    app = web.Application(middlewares=[edge], client_max_size=settings.body_max_bytes)
    app[SETTINGS] = settings
    app[DSN] = dsn
    app[LIFECYCLE] = Lifecycle()
    app[SESSIONS] = Sessions(settings)
    app[CATALOGUE] = catalogue.load()
    app[LIMITS] = Limits(settings)
    app[READINESS] = Readiness()
    app[TABLE] = serve(app, routes)
    app.on_response_prepare.append(finish_headers)
    app.cleanup_ctx.extend(
        (_pools, _keyring, _accesses, _ledger, feed.prepare, report.prepare, apart.prepare)
    )
    _documents(app, routes)
    return app


def _documents(app: web.Application, routes: tuple[Route, ...]) -> None:
    @cache
    def describe() -> dict[str, Any]:
        from creditsvc.web.openapi_document import document  # noqa: PLC0415  takes time, and may never be asked for

        return document(routes, app[CATALOGUE])

    pages.prepare(app)
    rendering.prepare(app)
    catalogue_page.prepare(app)
    openapi.prepare(app, describe)
    docs.prepare(app, describe)
    explanations.prepare(app)


def serve(app: web.Application, routes: Iterable[Route]) -> dict[web.AbstractRoute, Route]:
    """Register the routes; GET is answered for HEAD too."""
    table: dict[web.AbstractRoute, Route] = {}
    for route in routes:
        methods = ("GET", "HEAD") if route.method == "GET" else (route.method,)
        for method in methods:
            table[app.router.add_route(method, route.pattern, route.handler)] = route
    return table


async def _pools(app: web.Application) -> AsyncIterator[None]:
    settings, dsn = app[SETTINGS], app[DSN]
    async with (
        await lookup_pool(dsn, settings) as looking,
        await append_pool(dsn, settings) as appending,
        await access_pool(dsn, settings) as noting,
    ):
        app[LOOKUP_POOL] = looking
        app[APPEND_POOL] = appending
        app[ACCESS_POOL] = noting
        yield


async def _keyring(app: web.Application) -> AsyncIterator[None]:
    async def fetch(key_id: str) -> clients.Key | None:
        async with app[LOOKUP_POOL].acquire() as connection:
            return await clients.key_by_id(connection, key_id)

    app[KEYRING] = Keyring(fetch)
    yield


async def _accesses(app: web.Application) -> AsyncIterator[None]:
    app[ACCESSES] = Accesses(app[ACCESS_POOL])
    filing = Filing(app[ACCESS_POOL], kept_years=app[SETTINGS].access_kept_years)
    yield
    await filing.close()
    await app[ACCESSES].close()


def _end() -> None:
    """End this worker as SIGTERM does: it finishes what it has, and the parent starts another."""
    os.kill(os.getpid(), signal.SIGTERM)


async def _ledger(app: web.Application) -> AsyncIterator[None]:
    settings = app[SETTINGS]
    async with app[LOOKUP_POOL].acquire() as connection:
        announced = await releases.load(connection)
        known = await signing.identity(connection)
    if known is None:
        raise signing.LogRefused("The log has not begun in this database: `creditsvc serve` begins it")
    app[PROMISES] = Promises.of(settings, known)
    rules = Rules(app[CATALOGUE], schedule_of(announced, releases.OFFICIAL), calendars.kept())
    app[RULES] = rules
    backlog = Backlog(
        app[LOOKUP_POOL], longest_s=settings.log_max_delay_s / 2, most_pending=settings.log_pending_max
    )
    writer = Writer(
        app[APPEND_POOL],
        rules,
        committers=settings.append_connections,
        most_waiting=settings.queue_max_events,
        gate=backlog.refuse_if_full,
    )
    app[APPEND] = writer
    refolder = Refolder(app[APPEND_POOL], rules, renew=_end)
    app[READER] = Reader(app[LOOKUP_POOL], refolder, rules)
    app[LOG] = Log(app[LOOKUP_POOL], app[READER].moments.folds, known)
    log.prepare(app)
    app[SCORES] = Scores(app[READER].moments, Rankings(app[LOOKUP_POOL]), rules, announced)
    models.prepare(app, announced)
    by_agency = app[SETTINGS].metrics_agencies
    reckoning = Reckoning(app[APPEND_POOL], app[LOOKUP_POOL], rules, by_agency=by_agency)
    yield
    await reckoning.close()
    await refolder.close()
    await writer.close()
    await backlog.close()
