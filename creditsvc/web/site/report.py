"""The report: an organisation at an instant as one document, to read and hand on; checked by its number."""

import asyncio
import functools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import quote

import orjson
from aiohttp import web

from creditsvc.domain import instants, persons, scores
from creditsvc.domain.views import PUBLIC
from creditsvc.errors import NaturalPerson
from creditsvc.ledger.releases import OFFICIAL
from creditsvc.report import html as report_html
from creditsvc.report import number as numbers
from creditsvc.report.content import Asked, Told, compose
from creditsvc.report.document import Report
from creditsvc.report.html import article, style
from creditsvc.report.kept import number_key
from creditsvc.report.number import Claim
from creditsvc.report.press import Press
from creditsvc.settings import Settings
from creditsvc.web import addresses, limits, reading
from creditsvc.web.fixed import FixedDocument
from creditsvc.web.keys import CATALOGUE, READER, RULES, SCORES, SETTINGS
from creditsvc.web.models import item
from creditsvc.web.parameters import ENTITY
from creditsvc.web.routes import Parameter, Response, Route
from creditsvc.web.scores import ranked
from creditsvc.web.site.answering import agency_names, end_of, in_words
from creditsvc.web.site.home import LANGUAGE, PAGE_RESPONSE, html
from creditsvc.web.site.language import language_of
from creditsvc.web.site.organisation import ON, day_of
from creditsvc.web.site.rendering import page
from creditsvc.web.site.setting import Setting

RECORDS = 1_000
UNITS = 9  # beyond the 1 of any request: the whole history is folded for the score
PDF_UNITS = 49  # a processor is busy with it for a tenth of a second
STYLE_PATH = "/assets/report.css"


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
    app[OFFICE] = Office(settings, key, Press(settings), setting)
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
    made = await _made(request, addresses.shown(request))
    return page(
        request,
        "report.html",
        article=await asyncio.to_thread(article, made),  # some 10 ms: look-ups go between
        style=STYLE_PATH,
        entity=made.entity,
        name=made.name,
        day=request.query.get("on", ""),
    )


@in_words
async def report_pdf(request: web.Request) -> web.StreamResponse:
    """Give the report as a sealed PDF."""
    limits.charge(request, UNITS + PDF_UNITS)
    office, made = request.app[OFFICE], await _made(request, addresses.lasting(request))
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


async def _made(request: web.Request, address: str) -> Report:
    entity = reading.entity_of(request)
    day = day_of(request)
    at = None if day is None else end_of(day, entity)
    charge = partial(limits.charge, request)
    reader = request.app[READER]
    seen = await reader.moments.at(entity, PUBLIC.view, at, charge)
    since = seen.moment.valid_from
    records, found = await asyncio.gather(
        reader.pages.records(entity, PUBLIC, since, after=0, limit=RECORDS, event_type=None, charge=charge),
        request.app[SCORES].apart(entity, PUBLIC, request.app[RULES], since, charge),
    )
    apart = scores.document(found.taken, instants.zone_of(entity))
    score = _plain(
        {
            "entity": entity,
            "valid_from": instants.text(since),
            **apart,
            **ranked(found.ranked, apart["grade"]),
            "contributions": {"items": apart["contributions"], "next": None},
        }
    )
    items = _plain(records.items)
    told = Told(
        orjson.loads(seen.profile or b"null"),
        items,
        score,
        _model(request, score["version"]),
        await agency_names(request, {one["source"] for one in items}),
    )
    office = request.app[OFFICE]
    asked = Asked(
        at=at or datetime.now(UTC),
        language=language_of(request),
        base_url=address,
        number=numbers.write(Claim(entity, since), office.key),
        seal=await asyncio.to_thread(office.press.seal_name),
    )
    return await asyncio.to_thread(compose, told, asked, request.app[CATALOGUE])


def _plain(written: Any) -> Any:
    return orjson.loads(orjson.dumps(written))


def _model(request: web.Request, version: str) -> dict[str, Any]:
    (found,) = (
        one
        for one in request.app[SCORES].releases
        if (one.model.name, one.model.version) == (OFFICIAL, version)
    )
    described: dict[str, Any] = _plain(item(found))
    return described


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
