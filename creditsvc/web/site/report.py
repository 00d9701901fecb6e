"""The report: an organisation at an instant as one document, to read and hand on; checked by its number."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote

import orjson
from aiohttp import web

from creditsvc.domain import instants, persons, scores
from creditsvc.domain.views import PUBLIC
from creditsvc.errors import NaturalPerson
from creditsvc.ledger.folds import in_thread
from creditsvc.ledger.releases import OFFICIAL
from creditsvc.ledger.stretches import Stretch
from creditsvc.report import html as report_html
from creditsvc.report import number as numbers
from creditsvc.report.certificates import SealRefused
from creditsvc.report.content import MOST_RECORDS, Asked, Told, compose
from creditsvc.report.document import Report
from creditsvc.report.grades import of_profile
from creditsvc.report.html import article, style
from creditsvc.report.kept import number_key
from creditsvc.report.number import Claim
from creditsvc.report.press import Press
from creditsvc.settings import Settings
from creditsvc.web import addresses, limits, reading
from creditsvc.web.fixed import FixedDocument
from creditsvc.web.keys import CATALOGUE, READER, SETTINGS
from creditsvc.web.parameters import ENTITY
from creditsvc.web.routes import Parameter, Response, Route
from creditsvc.web.site.answering import end_of, in_words, plain
from creditsvc.web.site.home import LANGUAGE, PAGE_RESPONSE, html
from creditsvc.web.site.language import language_of
from creditsvc.web.site.organisation import ON, WHOLE_MAX, day_of
from creditsvc.web.site.rendering import page
from creditsvc.web.site.setting import Setting
from scoring import engine

LOOP_RECORDS = 20  # so many are written on the loop, which takes some 5 ms; more in a thread beside it
UNITS = 9  # beyond the 1 of any request: hundreds of events may be folded
PDF_UNITS = 49  # a processor is busy with it for a tenth of a second
STYLE_PATH = "/assets/report.css"
T = TypeVar("T")


@dataclass
class Office:
    """What makes reports in this worker: the number's key, and a process beside it that sets PDFs.

    Setting takes a processor's time and 140 MiB of fonts: neither is to be a worker's.
    """

    settings: Settings
    key: bytes
    press: Press
    setting: Setting


OFFICE: web.AppKey[Office] = web.AppKey("report_office", Office)
STYLE = FixedDocument(style().encode(), "text/css; charset=utf-8")


async def prepare(app: web.Application) -> AsyncIterator[None]:
    """Open the office; its process starts with the first PDF."""
    settings = app[SETTINGS]
    setting = Setting()
    key = await asyncio.to_thread(number_key, settings)
    report_html.prepare()
    press = Press(settings)
    with suppress(SealRefused):  # whoever asks for a report is told
        await asyncio.to_thread(press.seal_name)
    app[OFFICE] = Office(settings, key, press, setting)
    yield
    setting.close()


@functools.cache
def _press(settings: Settings) -> Press:
    return Press(settings)


def _set(settings: Settings, report: Report) -> bytes:
    """Set and seal a report; runs in the process beside the worker."""
    return _press(settings).pdf(report)


@in_words
async def report(request: web.Request) -> web.StreamResponse:
    """Show the report as a page."""
    limits.charge(request, UNITS)
    made, written = await _made(request, addresses.shown(request), lambda made: (made, article(made)))
    return page(
        request,
        "report.html",
        article=written,
        style=STYLE_PATH,
        entity=made.entity,
        name=made.name,
        day=request.query.get("on", ""),
    )


@in_words
async def report_pdf(request: web.Request) -> web.StreamResponse:
    """Give the report as a sealed PDF."""
    limits.charge(request, UNITS + PDF_UNITS)
    office, made = request.app[OFFICE], await _made(request, addresses.lasting(request), lambda made: made)
    body = await office.setting.perform(_set, office.settings, made)
    name = f"{made.entity.replace(':', '-')}-{made.at.date().isoformat()}-{made.language}.pdf"
    return web.Response(
        body=body,
        content_type="application/pdf",
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-cache",
            "Vary": "Accept-Language, Cookie",
        },
    )


async def _made(request: web.Request, address: str, make: Callable[[Report], T]) -> T:
    """Make something of the report that a request asks for."""
    entity = reading.entity_of(request)
    day = day_of(request)
    at = None if day is None else end_of(day, entity)
    reader = request.app[READER]
    seen = await reader.moments.at(entity, PUBLIC.view, at, partial(limits.charge, request))
    since, newest, whole = seen.moment.valid_from, seen.moment.version, seen.events <= WHOLE_MAX
    span = (0, seen.events) if whole else (max(0, newest - MOST_RECORDS), newest)
    told, count = await asyncio.gather(
        reader.stretches.tell(entity, since, span, partial(_told, seen.profile, span, whole=whole)),
        _none() if whole or seen.records is not None else reader.stretches.count(entity, since),
    )
    office = request.app[OFFICE]

    def made() -> T:
        asked = Asked(
            at=at or datetime.now(UTC),
            language=language_of(request),
            base_url=address,
            number=numbers.write(Claim(entity, since), office.key),
            seal=office.press.seal_name(),
        )
        counted = replace(told, count=seen.records if count is None else count)
        return make(compose(counted, asked, request.app[CATALOGUE]))

    return await in_thread(len(told.records), made, LOOP_RECORDS)


async def _none() -> None:
    """Give nothing, where there is nothing to ask."""


def _told(profile: bytes | None, span: tuple[int, int], stretch: Stretch, *, whole: bool) -> Told:
    """Write what the service answers, from a stretch of the history, which may be all of it."""
    known = orjson.loads(profile or b"null")
    score = of_profile(known)
    if whole:
        apart = scores.document(stretch.score(PUBLIC), instants.zone_of(stretch.entity))
        contributions = {"items": apart["contributions"], "next": None}
        score = {**apart, "rank": None, "contributions": contributions}
    score = {"entity": stretch.entity, "valid_from": instants.text(stretch.at), **plain(score)}
    records = stretch.records(PUBLIC, span)
    return Told(known, records, score, _model(score["version"]), stretch.agencies, whole)


@functools.cache
def _model(version: str) -> dict[str, Any]:
    """Give what a report needs of an official model's item in ``/v1/models``."""
    rules = orjson.loads(engine.content(OFFICIAL, version))
    return {"title": engine.load(OFFICIAL, version).title, "rules": rules}


@in_words
async def check(request: web.Request) -> web.StreamResponse:
    """Say what a report's number is worth: genuine, superseded or unknown."""
    given = request.match_info["number"]
    claim = numbers.read(given, request.app[OFFICE].key)
    current = None
    if claim is not None:
        stored = await request.app[READER].moments.current(claim.entity, PUBLIC.view)
        shown = stored is not None and stored.profile is not None
        current = stored.valid_from if stored is not None and shown else None
    standing = numbers.standing(claim, current)
    return page(
        request,
        "report_check.html",
        status=404 if standing == "unknown" else 200,
        repeat=standing != "unknown",
        standing=standing,
        misread=standing == "unknown" and numbers.misread(given),
        claim=claim,
        local=None if claim is None else claim.valid_from.astimezone(instants.zone_of(claim.entity)),
    )


@in_words
async def check_form(request: web.Request) -> web.StreamResponse:
    """Ask for a report's number, and lead to its page."""
    given = "".join(request.query.get("number", "").split())
    if persons.may_hold_person(given) and numbers.read(given, request.app[OFFICE].key) is None:
        raise NaturalPerson("People are not on record here")
    if given:
        raise web.HTTPSeeOther(f"/reports/{quote(given[:128], safe=':')}")
    return page(request, "report_check.html", standing=None, misread=False, claim=None, local=None)


async def style_sheet(request: web.Request) -> web.Response:
    return STYLE.answer(request)


NUMBER = Parameter(
    name="number",
    place="path",
    description="A report's number.",
    schema={"type": "string", "maxLength": 128},
    required=True,
    problems=frozenset({404}),
)
ROUTES = (
    html(
        "/entities/{entity}/report",
        report,
        name="report-page",
        summary="The report of an organisation, to read",
        parameters=(ENTITY, ON, LANGUAGE),
        responses={200: PAGE_RESPONSE},
    ),
    html(
        "/entities/{entity}/report.pdf",
        report_pdf,
        name="report-pdf",
        summary="The report of an organisation, sealed",
        parameters=(ENTITY, ON, LANGUAGE),
        responses={200: Response("A PDF", {"type": "string"}, media_type="application/pdf")},
    ),
    html(
        "/reports",
        check_form,
        name="report-check",
        summary="Check a report",
        parameters=(
            Parameter(name="number", description="A report's number.", schema={"type": "string"}),
            LANGUAGE,
        ),
        responses={200: PAGE_RESPONSE},
    ),
    html(
        "/reports/{number}",
        check,
        name="report-check-page",
        summary="What a report's number is worth",
        parameters=(NUMBER, LANGUAGE),
        responses={200: PAGE_RESPONSE, 404: Response("No such number")},
    ),
    Route("GET", STYLE_PATH, style_sheet, name="report-style", summary="The style of reports", page=True),
)
