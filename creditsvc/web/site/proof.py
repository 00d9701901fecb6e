"""``/entities/{entity}/events/{sequence}``: can this be proved? Its place in the log, and how to check."""

import shlex
from base64 import b64encode
from functools import partial
from typing import Any

import orjson
from aiohttp import web

from creditsvc.domain import instants
from creditsvc.domain.parties import is_party, party
from creditsvc.errors import ProofPending
from creditsvc.ledger.pages import event_item
from creditsvc.verifier.documents import BUNDLE
from creditsvc.web import addresses, auth, log
from creditsvc.web.keys import LOG, PROMISES
from creditsvc.web.log import OnShow, Proved
from creditsvc.web.parameters import ENTITY
from creditsvc.web.routes import Parameter, Response
from creditsvc.web.site.answering import agency_names, in_words, local
from creditsvc.web.site.home import LANGUAGE, PAGE_RESPONSE, html
from creditsvc.web.site.rendering import page


@in_words
async def event(request: web.Request) -> web.StreamResponse:
    """Show an event and its place in the log."""
    found = await log.on_show(request)
    try:
        proved = await log.prove(request, found)
    except ProofPending:
        proved = None
    item = None if found.shown is None else orjson.loads(orjson.dumps(event_item(found.shown)))
    source = found.row["source"]
    called = {} if is_party(source) else await agency_names(request, [source])
    return page(
        request,
        "proof.html",
        entity=found.entity,
        sequence=found.row["sequence"],
        item=item,
        source=source,
        itself=source == party(found.entity),
        called=called.get(source) or source,
        written=None if item is None else orjson.dumps(item["event"], option=orjson.OPT_INDENT_2).decode(),
        leaf=found.leaf.decode(),
        proved=proved,
        path_hashes=[] if proved is None else [b64encode(one).decode() for one in proved.hashes],
        leaf_hash=None if proved is None else b64encode(proved.leaf_hash).decode(),
        root=None if proved is None else b64encode(proved.checkpoint.root).decode(),
        log=request.app[LOG].identity,
        delay_s=request.app[PROMISES].max_delay_s,
        file=_name(found),
        address=_address(request),
        local=partial(local, instants.zone_of(found.entity)),
        recorded_at=found.row["recorded_at"],
    )


@in_words
async def evidence(request: web.Request) -> web.StreamResponse:
    """Give the event and its proof in one file, which the verifiers take."""
    found = await log.on_show(request)
    proved = await log.prove(request, found)
    return web.Response(
        body=orjson.dumps(_bundle(request, found, proved), option=orjson.OPT_INDENT_2),
        content_type="application/json",
        headers={
            "Content-Disposition": f'attachment; filename="{_name(found)}"',
            "Cache-Control": "no-cache" if auth.caller(request).role == "public" else "no-store",
            "Vary": "Authorization, Cookie",
        },
    )


def _bundle(request: web.Request, found: OnShow, proved: Proved) -> dict[str, Any]:
    identity = request.app[LOG].identity
    documents: dict[str, Any] = {"proof": proved.text, "checkpoint": proved.checkpoint.note}
    documents["log"] = {
        "origin": identity.origin,
        "verifier_key": identity.verifier_key,
        "receipt_verifier_key": identity.receipt_verifier_key,
    }
    if found.shown is not None:
        documents["history"] = {"entity": found.entity, "items": [event_item(found.shown)]}
    return {"bundle": BUNDLE, "documents": documents}


def _name(found: OnShow) -> str:
    return f"{found.entity.replace(':', '-')}-event-{found.row['sequence']}.json"


def _address(request: web.Request) -> str:
    """Give where the verifier is, as a word of a shell."""
    return shlex.quote(f"{addresses.shown(request)}/v1/log/verifier.py")


SEQUENCE = Parameter(
    name="sequence",
    place="path",
    description="The event's sequence in the history.",
    schema={"type": "string", "pattern": "^[1-9][0-9]{0,14}$"},
    required=True,
    example="1",
    problems=frozenset({404}),
)

ROUTES = (
    html(
        "/entities/{entity}/events/{sequence}",
        event,
        name="event-page",
        summary="Can this be proved?",
        parameters=(ENTITY, SEQUENCE, LANGUAGE),
        responses={200: PAGE_RESPONSE},
    ),
    html(
        "/entities/{entity}/events/{sequence}/evidence",
        evidence,
        name="event-evidence",
        summary="An event with its proof, in one file",
        parameters=(ENTITY, SEQUENCE, LANGUAGE),
        responses={200: Response("The file", {"type": "object"})},
    ),
)
