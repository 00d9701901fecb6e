"""``/entities/{entity}/case``: a case, its record and history, and a form for each move that may be made."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from aiohttp import web

from creditsvc.domain import instants
from creditsvc.domain.cases import Case
from creditsvc.domain.catalogue import Catalogue
from creditsvc.domain.offers import Matter, Offer, meant, offers
from creditsvc.errors import Malformed, NotFound, Refusal, Violation
from creditsvc.ledger.desk import known_agencies
from creditsvc.web import auth, reading
from creditsvc.web.desk_shapes import KINDS
from creditsvc.web.keys import CATALOGUE, LOOKUP_POOL
from creditsvc.web.parameters import ENTITY
from creditsvc.web.problems import is_passing
from creditsvc.web.routes import Parameter
from creditsvc.web.site import entries, forms, looking, telling
from creditsvc.web.site.answering import in_words, local
from creditsvc.web.site.entries import Entry
from creditsvc.web.site.home import LANGUAGE, PAGE_RESPONSE, html
from creditsvc.web.site.language import Words, language_of, words
from creditsvc.web.site.looking import Subject
from creditsvc.web.site.objection import SPEAKERS, TAKEN, envelope
from creditsvc.web.site.rendering import page
from creditsvc.web.site.session import post

# What a decision needs beyond what the catalogue asks of every decision, as the admission has it.
ALSO_REQUIRED = {"refused": ("reason",), "referred": ("to",)}


@dataclass(frozen=True, slots=True)
class Act:
    """A move as a form; ``hidden`` identifies it, so that one that is sent twice is made once."""

    offer: Offer
    entries: list[Entry]
    hidden: dict[str, str]


@in_words
async def case(request: web.Request) -> web.StreamResponse:
    """Show a case to whoever has to do with it, and to operators."""
    return await _shown(request)


@in_words
async def move(request: web.Request) -> web.StreamResponse:
    """Make a move."""
    fields = await forms.read(request)
    found, matter = await _matter(request)
    raw = _event(request, found, matter, fields)
    try:
        receipt, promise = await telling.push(request, raw)
    except Refusal as refusal:
        if refusal.status >= 500 or is_passing(refusal):
            raise
        return await _shown(request, fields, telling.in_words(request, refusal))
    return telling.receipt_page(request, raw, receipt, promise, back=request.rel_url.raw_path_qs)


async def _matter(request: web.Request) -> tuple[Subject, Matter]:
    reading.keep_to_own(request, reading.entity_of(request))
    found = await looking.subject(request)
    kind, number = request.query.get("kind", "objection"), request.query.get("number")
    if kind not in KINDS:
        raise Malformed("There is no such kind.", [Violation("/query/kind", "kind", " or ".join(KINDS))])
    record = found.looked.record
    one = next((one for one in record.cases if (one.kind, one.number) == (kind, number)), None)
    if one is None:
        raise NotFound("There is no such case on this record.")
    return found, Matter(found.entity, record, one, request.app[CATALOGUE])


def _event(request: web.Request, found: Subject, matter: Matter, fields: forms.Fields) -> dict[str, Any]:
    offer = meant(matter, fields.get("act", ""), auth.caller(request).sources)
    if offer is None:
        raise Malformed("There is no such move.")
    record, one = matter.record, matter.case
    data: dict[str, Any] = {"record": record.number}
    if one.kind in offer.type.required | offer.type.optional:
        data[one.kind] = one.number
    if offer.decision is not None:
        data["decision"] = offer.decision
    if "record_source" in offer.type.optional and offer.source != record.source:
        data["record_source"] = record.source
    data |= entries.data_of(offer.type, matter.catalogue, fields)
    if "changes" in offer.type.required and record.type is not None:
        opening = matter.catalogue.types[record.type]
        data["changes"] = entries.changes_of(opening, record.data, matter.catalogue, fields)
    return envelope(found.entity, offer.source, offer.type, data, fields)


async def _shown(
    request: web.Request, fields: forms.Fields | None = None, told: telling.Told | None = None
) -> web.Response:
    found, matter = await _matter(request)
    kept = await forms.kept(fields)
    t = words(language_of(request))
    acts = [_act(one, matter, t, kept) for one in _offered(request, found, matter)]
    agencies = await known_agencies(request.app[LOOKUP_POOL]) if _may_refer(acts) else {}
    return page(
        request,
        "case.html",
        status=200 if told is None else told.status,
        keep="no-store",
        found=found,
        item=found.item,
        case=matter.case,
        clock=looking.clocks(request, found).get((matter.case.kind, matter.case.number)),
        procedure=_procedure(found, matter.case, matter.catalogue),
        history=list(looking.history(found.looked)),
        acts=acts,
        tried=kept.get("act"),
        kept=kept,
        rows=entries.ROWS,
        agencies=[(source, name) for source, name in agencies.items() if source not in matter.case.handled],
        told=told,
        names=await looking.names_of(request, [found.entity]),
        local=partial(local, found.zone),
    )


def _offered(request: web.Request, found: Subject, matter: Matter) -> list[Offer]:
    caller = auth.caller(request)
    if caller.role not in SPEAKERS or "cases.handler" not in found.looked.seen:
        return []
    return list(offers(matter, caller.sources, datetime.now(UTC), found.zone))


def _act(offer: Offer, matter: Matter, t: Words, kept: forms.Fields) -> Act:
    catalogue, record = matter.catalogue, matter.record
    asked = entries.asked(offer.type, catalogue, t, ALSO_REQUIRED.get(offer.name, ()))
    asked = [one for one in asked if one.kind != "changes" and (one.name != "to" or offer.name == "referred")]
    if "changes" in offer.type.required and record.type is not None:
        asked += entries.corrected(catalogue.types[record.type], record.data, catalogue, t)
    again = kept if kept.get("act") == offer.name else {}
    hidden = {
        "act": offer.name,
        "id": again.get("id") or forms.name(),
        "time": again.get("time") or instants.text(datetime.now(UTC)),
    }
    return Act(offer, asked, hidden)


def _may_refer(acts: list[Act]) -> bool:
    return any(act.offer.name == "referred" for act in acts)


def _procedure(found: Subject, one: Case, catalogue: Catalogue) -> Any:
    name = next(item["procedure"] for item in found.item["cases"] if _is(item, one))
    return next(known for known in catalogue.procedures[one.kind] if known.name == name)


def _is(item: dict[str, Any], one: Case) -> bool:
    return (item["kind"], item["number"]) == (one.kind, one.number)


PARAMETERS = (
    ENTITY,
    looking.RECORD,
    looking.SOURCE,
    Parameter(
        name="kind", description="Of which kind the case is.", schema={"type": "string", "enum": list(KINDS)}
    ),
    Parameter(name="number", description="The number of the case.", schema={"type": "string"}),
    LANGUAGE,
)

ROUTES = (
    html(
        "/entities/{entity}/case",
        case,
        name="case-page",
        summary="One case",
        roles=frozenset({"agency", "entity", "operator"}),
        parameters=PARAMETERS,
        responses={200: PAGE_RESPONSE},
    ),
    post(
        "/entities/{entity}/case",
        move,
        name="case-form",
        summary="Make a move in a case",
        roles=SPEAKERS,
        parameters=PARAMETERS,
        responses=TAKEN,
    ),
)
