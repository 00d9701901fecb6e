"""``/entities/{entity}/objection`` and ``…/repair``: what may be done about a record, and the form for it."""

import shlex
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from aiohttp import web

from creditsvc.domain import instants
from creditsvc.domain.cases import procedure_on
from creditsvc.domain.catalogue import EventType, Procedure
from creditsvc.domain.catalogue_procedures import CaseKind
from creditsvc.domain.offers import moving
from creditsvc.domain.parties import party
from creditsvc.errors import Refusal
from creditsvc.web import addresses, auth
from creditsvc.web.keys import CATALOGUE, RULES
from creditsvc.web.parameters import ENTITY
from creditsvc.web.problems import is_passing
from creditsvc.web.routes import Response
from creditsvc.web.site import entries, forms, looking, telling
from creditsvc.web.site.answering import in_words
from creditsvc.web.site.home import LANGUAGE, PAGE_RESPONSE, html
from creditsvc.web.site.language import language_of, words
from creditsvc.web.site.looking import Subject
from creditsvc.web.site.rendering import page
from creditsvc.web.site.session import post

SPEAKERS = telling.SPEAKERS


@in_words
async def objection(request: web.Request) -> web.StreamResponse:
    """Say who may object to a record and how that goes on."""
    return await _shown(request, "objection")


@in_words
async def repair(request: web.Request) -> web.StreamResponse:
    """Say who may apply for the repair of a record and how that goes on."""
    return await _shown(request, "repair")


@in_words
async def object_(request: web.Request) -> web.StreamResponse:
    """Open an objection."""
    return await _handed_in(request, "objection")


@in_words
async def apply(request: web.Request) -> web.StreamResponse:
    """Apply for repair."""
    return await _handed_in(request, "repair")


async def _handed_in(request: web.Request, kind: CaseKind) -> web.StreamResponse:
    fields = await forms.read(request)
    found = await looking.subject(request)
    raw = _event(request, found, kind, fields)
    try:
        receipt, promise = await telling.push(request, raw)
    except Refusal as refusal:
        if refusal.status >= 500 or is_passing(refusal):
            raise
        return await _shown(request, kind, fields, telling.in_words(request, refusal))
    return telling.receipt_page(request, raw, receipt, promise, back=f"/entities/{found.entity}")


def _event(request: web.Request, found: Subject, kind: CaseKind, fields: forms.Fields) -> dict[str, Any]:
    catalogue = request.app[CATALOGUE]
    opening = moving(kind, "open", catalogue)
    record = found.looked.record
    source = _source(request, found, kind, fields.get("speaker"))
    data = {"record": record.number, kind: fields.get("number") or _number()}
    if source != record.source:
        data["record_source"] = record.source
    data |= entries.data_of(opening, catalogue, fields)
    return envelope(found.entity, source, opening, data, fields)


def envelope(
    entity: str, source: str, kind: EventType, data: Mapping[str, Any], fields: forms.Fields
) -> dict[str, Any]:
    """Make the event of a form, by the identity and time of its opening: one sent twice is one event."""
    return {
        "specversion": "1.0",
        "id": fields.get("id") or forms.name(),
        "source": source,
        "type": kind.name,
        "subject": entity,
        "time": fields.get("time") or instants.text(datetime.now(UTC)),
        "data": data,
    }


def speakers(request: web.Request, found: Subject, kind: CaseKind) -> list[str]:
    """Give as whom the caller may open a case: the organisation itself, or an agency for it."""
    caller = auth.caller(request)
    if caller.role == "entity":
        return [party(found.entity)] if caller.entity == found.entity else []
    if caller.role != "agency":
        return []
    if kind == "repair":
        return sorted(caller.sources & {found.looked.record.source})
    return sorted(caller.sources)


def _source(request: web.Request, found: Subject, kind: CaseKind, given: str | None) -> str:
    """Choose as whom it is said; whoever may not say it hears so from the admission."""
    own = auth.caller(request).sources
    may = speakers(request, found, kind) or sorted(own)
    return given if given in may else may[0]


def _number() -> str:
    return f"WEB-{forms.name(10)}"


async def _shown(
    request: web.Request,
    kind: CaseKind,
    fields: forms.Fields | None = None,
    told: telling.Told | None = None,
) -> web.Response:
    found = await looking.subject(request)
    rules, record, now = request.app[RULES], found.looked.record, datetime.now(UTC)
    opening = moving(kind, "open", rules.catalogue)
    procedure = procedure_on(kind, now, record, rules.catalogue, found.zone)
    start = found.looked.evaluation.publicity.repairable_from
    kept = await forms.kept(fields)
    return page(
        request,
        "application.html",
        status=200 if told is None else told.status,
        keep="no-store",
        kind=kind,
        found=found,
        item=found.item,
        procedure=procedure,
        ends={name: looking.would_end(clock, found.zone, rules) for name, clock in procedure.clocks.items()},
        start=None if start is None else start.astimezone(found.zone).date(),
        may=_may(procedure, kind, found, now),
        caller=auth.caller(request),
        speakers=speakers(request, found, kind),
        entries=entries.asked(opening, rules.catalogue, words(language_of(request))),
        rows=entries.ROWS,
        kept=kept,
        hidden={
            "id": kept.get("id") or forms.name(),
            "time": kept.get("time") or instants.text(now),
            "number": kept.get("number") or _number(),
        },
        told=told,
        command=_command(request, found, opening, kind),
    )


def _may(procedure: Procedure, kind: CaseKind, found: Subject, now: datetime) -> str:
    """Say whether it can be done now: ``yes``, ``withdrawn``, ``never`` or ``early``."""
    if found.looked.record.withdrawn:
        return "withdrawn"
    if kind == "objection" or procedure.waits == "nothing":
        return "yes"
    start = found.looked.evaluation.publicity.repairable_from
    if start is None:
        return "never"
    return "yes" if now >= start else "early"


def _command(request: web.Request, found: Subject, opening: EventType, kind: CaseKind) -> str:
    """Write the same as a request of the interface, to be copied into a shell and filled in."""
    record = found.looked.record
    data: dict[str, Any] = {"record": record.number, "record_source": record.source}
    data |= {name: opening.example[name] for name in ("ground", "commitment") if name in opening.example}
    data |= {kind: "1", "evidence": [{"reference": "…"}]}
    if kind == "objection":
        data["reason"] = "…"
    event = {
        "specversion": "1.0",
        "id": f"{kind}-1",
        "source": party(found.entity),
        "type": opening.name,
        "subject": found.entity,
        "time": f"{datetime.now(UTC).date()}T00:00:00Z",
        "data": data,
    }
    body = orjson.dumps(event, option=orjson.OPT_INDENT_2).decode()
    address = f"{addresses.shown(request)}/v1/events"
    return (
        f"curl -sS {shlex.quote(address)} \\\n"
        '  -H "Authorization: Bearer $CREDITSVC_KEY" \\\n'
        "  -H 'Content-Type: application/cloudevents+json' \\\n"
        f"  -d {shlex.quote(body)}"
    )


PARAMETERS = (ENTITY, looking.RECORD, looking.SOURCE, LANGUAGE)
REFUSED = Response("Why it was not taken")
TAKEN = {200: PAGE_RESPONSE, 201: PAGE_RESPONSE}

ROUTES = (
    html(
        "/entities/{entity}/objection",
        objection,
        name="objection-page",
        summary="Something is wrong here: how to object to a record",
        parameters=PARAMETERS,
        responses={200: PAGE_RESPONSE},
    ),
    post(
        "/entities/{entity}/objection",
        object_,
        name="objection-form",
        summary="Object to a record",
        roles=SPEAKERS,
        parameters=PARAMETERS,
        responses=TAKEN,
    ),
    html(
        "/entities/{entity}/repair",
        repair,
        name="repair-page",
        summary="How to apply for the repair of a record",
        parameters=PARAMETERS,
        responses={200: PAGE_RESPONSE},
    ),
    post(
        "/entities/{entity}/repair",
        apply,
        name="repair-form",
        summary="Apply for the repair of a record",
        roles=SPEAKERS,
        parameters=PARAMETERS,
        responses=TAKEN,
    ),
)
