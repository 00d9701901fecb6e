"""The log as everybody may see it: checkpoint, tiles and proofs in the public formats (C2SP)."""

import re
from base64 import b64encode
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import Any

import orjson
from aiohttp import web

from creditsvc.domain import canonical
from creditsvc.errors import Malformed, NotFound, ProofPending, Violation
from creditsvc.ledger.entries import Row, leaf_of, part_of
from creditsvc.ledger.log import Signed
from creditsvc.ledger.pages import Shown
from creditsvc.ledger.tiles import Tile
from creditsvc.verifier import standalone
from creditsvc.verifier.log import Proof
from creditsvc.web import auth, limits, reading
from creditsvc.web.asking import PURPOSE
from creditsvc.web.fixed import FixedDocument
from creditsvc.web.keys import LOG, PROMISES, READER
from creditsvc.web.log_shapes import LogIdentity, Proofs
from creditsvc.web.parameters import CACHE_CONTROL, ENTITY, ETAG, IF_NONE_MATCH, NOT_MODIFIED, limit
from creditsvc.web.routes import Parameter, Response, Route

PATH = "/v1/log"
CHECKPOINT_MAX_AGE_S = 1
TILE_MAX_AGE_S = 365 * 24 * 3600
RETRY_AFTER_S = 1
PAGE = 100
PROOF_UNITS = 1  # beyond the request itself, whatever it finds: a charge must not tell what is hidden
_SEQUENCE = re.compile(r"[1-9][0-9]{0,14}", re.ASCII)
_SEQUENCE_MAX = 2**63 - 1
_SIZE = re.compile(r"0|[1-9][0-9]{0,17}", re.ASCII)
_AFTER = re.compile(r"[0-9]{1,15}", re.ASCII)

WELL_KNOWN: web.AppKey[FixedDocument] = web.AppKey("well_known", FixedDocument)
VERIFIER: web.AppKey[FixedDocument] = web.AppKey("verifier", FixedDocument)


def prepare(app: web.Application) -> None:
    """Make the documents that are the same for everybody, once it is known which log it is."""
    identity = app[LOG].identity
    told = {
        "origin": identity.origin,
        "verifier_key": identity.verifier_key,
        "receipt_verifier_key": identity.receipt_verifier_key,
        "max_delay_s": app[PROMISES].max_delay_s,
        "checkpoint": f"{PATH}/checkpoint",
        "tiles": f"{PATH}/tile",
        "feed": f"{PATH}/events",
        "verifier": f"{PATH}/verifier.py",
    }
    app[WELL_KNOWN] = FixedDocument(orjson.dumps(told), "application/json")
    app[VERIFIER] = FixedDocument(standalone.text().encode(), "text/x-python; charset=utf-8")


async def checkpoint(request: web.Request) -> web.Response:
    """Answer with the newest checkpoint."""
    newest = await request.app[LOG].checkpoint()
    return _text(newest.note, f"public, max-age={CHECKPOINT_MAX_AGE_S}")


async def tile(request: web.Request) -> web.Response:
    """Answer with a tile, whole or in part; never with more than the newest checkpoint is over."""
    asked = Tile.parse(f"{request.match_info['level']}/{request.match_info['tile']}")
    hashes = None if asked is None else await request.app[LOG].tile(asked)
    if hashes is None:
        raise NotFound("There is no such tile below the newest checkpoint.")
    return web.Response(
        body=hashes,
        content_type="application/octet-stream",
        headers={"Cache-Control": f"public, max-age={TILE_MAX_AGE_S}, immutable"},
    )


async def consistency(request: web.Request) -> web.Response:
    """Answer with the proof that the newest checkpoint continues an earlier tree."""
    size = _SIZE.fullmatch(request.query.get("from", ""))
    if size is None:
        wrong = Violation("/query/from", "size", "The size of a checkpoint: a decimal without leading zeroes")
        raise Malformed("That is not a size.", [wrong])
    proof = await request.app[LOG].consistency(int(size[0]))
    return _text(proof, f"public, max-age={CHECKPOINT_MAX_AGE_S}")


async def proof(request: web.Request) -> web.Response:
    """Answer with the proof that an event is in the log, to whoever is shown it or was until erased."""
    found = await on_show(request)
    return _text((await prove(request, found)).text, _own(request), Vary="Authorization")


@dataclass(frozen=True, slots=True)
class OnShow:
    """An event that whoever asks is shown (``shown``), or was until its content was erased, and its leaf."""

    entity: str
    row: Row
    shown: Shown | None
    leaf: bytes


@dataclass(frozen=True, slots=True)
class Proved:
    """That an event is in the log, as a tlog-proof (C2SP) and in its parts."""

    text: str
    index: int
    checkpoint: Signed
    leaf_hash: bytes
    hashes: list[bytes]


async def on_show(request: web.Request) -> OnShow:
    """Find the event that the path names; ``NotFound`` where whoever asks is not shown it."""
    entity = reading.entity_of(request)
    limits.charge(request, PROOF_UNITS)
    reader, viewer = request.app[READER], reading.viewer(request, entity)
    seen, viewer = await reading.moment(request, entity, viewer, None)
    sequence = _SEQUENCE.fullmatch(request.match_info["sequence"])
    row, shown = None, None
    if sequence is not None:
        place, at = int(sequence[0]), seen.moment.valid_from
        shown = await reader.pages.event(entity, viewer, at, place)
        if shown is None:
            row = next(iter(await reader.pages.erased(entity, viewer, at, (place - 1, place), 1)), None)
        else:
            row = shown.row
    if row is None:
        raise NotFound("There is no such event on show.")
    return OnShow(entity, row, shown, _leaf(entity, row))


async def prove(request: web.Request, found: OnShow) -> Proved:
    """Prove that it is in the log; ``ProofPending`` before it is."""
    leaf_hash = canonical.leaf_hash(found.leaf)
    newest, proven = await request.app[LOG].prove(found.entity, {found.row["sequence"]: leaf_hash})
    if not proven:
        raise ProofPending("No checkpoint is beyond this event yet", retry_after_s=RETRY_AFTER_S)
    more = {} if found.shown is None else _opening(found.shown)
    extra = canonical.canonical({"leaf": orjson.loads(found.leaf), **more})
    one = proven[0]
    told = Proof(one.index, tuple(one.hashes), extra, newest.note)
    return Proved(told.text(), one.index, newest, leaf_hash, one.hashes)


async def proofs(request: web.Request) -> web.Response:
    """Answer with the proofs of a page of the events that the caller is shown, against one checkpoint."""
    entity = reading.entity_of(request)
    after, count = _after(request), reading.limit(request, PAGE, PAGE)
    reader, charge = request.app[READER], partial(limits.charge, request)
    viewer = reading.viewer(request, entity)
    seen, viewer = await reading.moment(request, entity, viewer, None, charge)
    at = seen.moment.valid_from
    page = await reader.pages.events(entity, viewer, at, after=after, limit=count, charge=charge)
    through = _SEQUENCE_MAX if page.next is None else page.items[-1].row["sequence"]
    erased = await reader.pages.erased(entity, viewer, at, (after, through), count)
    rows = sorted([*(one.row for one in page.items), *erased], key=itemgetter("sequence"))
    more = page.next is not None or len(rows) > count or len(erased) == count
    leaves = {row["sequence"]: _leaf(entity, row) for row in rows[:count]}
    bare = {row["sequence"] for row in erased}
    leaf_hashes = {sequence: canonical.leaf_hash(leaf) for sequence, leaf in leaves.items()}
    newest, proven = await request.app[LOG].prove(entity, leaf_hashes, charge)
    told = {
        "entity": entity,
        "checkpoint": newest.note,
        "items": [
            {
                "sequence": one.sequence,
                "index": one.index,
                "leaf_hash": b64encode(one.leaf_hash).decode(),
                "hashes": [b64encode(hashed).decode() for hashed in one.hashes],
                **({"leaf": orjson.Fragment(leaves[one.sequence])} if one.sequence in bare else {}),
            }
            for one in proven
        ],
        "next": max(leaves) if more else None,
    }
    headers = {"Cache-Control": _own(request), "Vary": "Authorization"}
    return web.Response(body=orjson.dumps(told), content_type="application/json", headers=headers)


def _opening(shown: Shown) -> dict[str, Any]:
    """Give what opens the commitment in a leaf, or what is withheld of the content so that nothing may."""
    withheld = part_of(shown.row, shown.seen)
    if withheld is None:
        return {"salt": b64encode(shown.row["salt"]).decode()}
    return {"withheld": [*withheld.withheld]}


def _leaf(entity: str, row: Row) -> bytes:
    """Write an event's leaf from what is stored now: that it was altered shows in the proof."""
    commitment = row["commitment"] if _is_erased(row) else canonical.commit(row["salt"], row["content"])
    return leaf_of((entity, "event", row["sequence"]), row, commitment)


def _is_erased(row: Row) -> bool:
    return "content" not in row.keys()  # noqa: SIM118  a row's own members are its values


def _after(request: web.Request) -> int:
    text = request.query.get("after", "0")
    if _AFTER.fullmatch(text) is None:
        wrong = Violation("/query/after", "sequence", "Send `next` of the page before, or leave it out")
        raise Malformed("That is not a sequence.", [wrong])
    return int(text)


def _text(body: str, cache_control: str, **headers: str) -> web.Response:
    return web.Response(
        text=body, content_type="text/plain", headers={"Cache-Control": cache_control, **headers}
    )


def _own(request: web.Request) -> str:
    """Say for whom an answer may be kept that another caller may not get, or not any more."""
    return f"{'public' if auth.caller(request).role == 'public' else 'private'}, no-cache"


async def well_known(request: web.Request) -> web.Response:
    return request.app[WELL_KNOWN].answer(request)


async def verifier_file(request: web.Request) -> web.Response:
    return request.app[VERIFIER].answer(request)


TEXT: dict[str, Any] = {"type": "string"}
SIZE = {"type": "string", "pattern": "^(0|[1-9][0-9]{0,17})$"}
WIDTHS = "[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5]"  # 1 to 255: a tile of 256 is full
KEPT = (CACHE_CONTROL,)

ROUTES = (
    Route(
        "GET",
        f"{PATH}/checkpoint",
        checkpoint,
        name="log-checkpoint",
        tag="log",
        summary="The newest checkpoint: how long the log is, and the root of its tree, signed",
        description=(
            "A signed note (C2SP tlog-checkpoint), with the cosignatures of witnesses that have come in. The "
            "key to check it by is at /.well-known/creditsvc-log.json."
        ),
        responses={200: Response("The checkpoint", TEXT, headers=KEPT, media_type="text/plain")},
        also_problems=frozenset({404}),  # before the first
    ),
    Route(
        "GET",
        f"{PATH}/tile/{{level}}/{{tile}}",
        tile,
        name="log-tile",
        tag="log",
        summary="A tile of the log's tree: up to 256 hashes, 32 bytes each",
        description=(
            "As C2SP tlog-tiles has it; what has once been served never changes. Hashes only: there are no "
            "tiles of entries."
        ),
        parameters=(
            Parameter(
                name="level",
                place="path",
                description="0 for leaf hashes; each hash of a level is the root of a tile below it.",
                schema={"type": "string", "pattern": "^(0|[1-9]|[1-5][0-9]|6[0-3])$"},
                required=True,
                example="0",
            ),
            Parameter(
                name="tile",
                place="path",
                description="The tile's number in groups of three digits, all but the last behind an x, with "
                "slashes between; `.p/` and a width for the beginning of one that is not full.",
                schema={
                    "type": "string",
                    "pattern": rf"^(x[0-9]{{3}}/){{0,5}}[0-9]{{3}}(\.p/({WIDTHS}))?$",
                },
                required=True,
                example="000.p/1",
                problems=frozenset({404}),
                slashes=True,
            ),
        ),
        responses={
            200: Response(
                "The hashes",
                {"type": "string", "format": "binary"},
                headers=KEPT,
                media_type="application/octet-stream",
            )
        },
    ),
    Route(
        "GET",
        f"{PATH}/consistency",
        consistency,
        name="log-consistency",
        tag="log",
        summary="Proof that the newest checkpoint continues the tree of an earlier size",
        description=(
            "The body of add-checkpoint (C2SP tlog-witness): `old` and the size, the hashes of the proof "
            "(RFC 6962, section 2.1.2), an empty line, the newest checkpoint."
        ),
        parameters=(
            Parameter(
                name="from",
                description="The earlier size. Beyond the log's size: 404.",
                schema=SIZE,
                required=True,
                example="0",
                problems=frozenset({404}),
            ),
        ),
        responses={200: Response("The proof", TEXT, headers=KEPT, media_type="text/plain")},
    ),
    Route(
        "GET",
        f"{PATH}/verifier.py",
        verifier_file,
        name="log-verifier",
        tag="log",
        summary="One Python file that checks proofs, needing only `cryptography`",
        parameters=(IF_NONE_MATCH,),
        responses={
            200: Response("The file", TEXT, headers=(ETAG, CACHE_CONTROL), media_type="text/x-python"),
            304: NOT_MODIFIED,
        },
    ),
    Route(
        "GET",
        "/.well-known/creditsvc-log.json",
        well_known,
        name="log-identity",
        tag="log",
        summary="The log's name and keys, and where it is read",
        description=(
            "Keep the keys: whoever has them need not trust this address again. They are the log's for good."
        ),
        parameters=(IF_NONE_MATCH,),
        responses={
            200: Response("Which log it is", LogIdentity, headers=(ETAG, CACHE_CONTROL)),
            304: NOT_MODIFIED,
        },
    ),
    Route(
        "GET",
        "/v1/entities/{entity}/history/{sequence}/proof",
        proof,
        name="proof",
        tag="entities",
        summary="Proof that one event is in the log",
        description=(
            "A C2SP tlog-proof. Its `extra` is canonical JSON: `leaf`, which hashes to what the tree holds, "
            "and `salt`, which with the event's canonical JSON gives the leaf's commitment. For events that "
            "the caller's history shows; any other is not found. Of one that it shows in part there is "
            "`withheld` instead of a salt. Of an event whose content was erased an "
            "auditor, and who was party to its record, get a proof without either. Until a checkpoint is "
            "beyond the event: 404 with the type `proof-pending`, and Retry-After."
        ),
        parameters=(
            ENTITY,
            Parameter(
                name="sequence",
                place="path",
                description="The event's sequence in the history.",
                schema={"type": "string", "pattern": "^[1-9][0-9]{0,14}$"},
                required=True,
                example="1",
                problems=frozenset({404}),
            ),
            PURPOSE,
        ),
        responses={200: Response("The proof", TEXT, headers=KEPT, media_type="text/plain")},
    ),
    Route(
        "GET",
        "/v1/entities/{entity}/proofs",
        proofs,
        name="proofs",
        tag="entities",
        summary="Proofs that its events are in the log, all against one checkpoint",
        description=(
            "Of those events that the caller's history shows, as far as the log has taken them up. For "
            "auditors, and who was party to the record, also of those that were erased, with their leaves."
        ),
        parameters=(
            ENTITY,
            Parameter(
                name="after",
                description="Begin behind this sequence: `next` of the page before.",
                schema={"type": "string", "pattern": "^[0-9]{1,15}$", "default": "0"},
            ),
            limit(PAGE, PAGE),
            PURPOSE,
        ),
        responses={200: Response("A page of proofs", Proofs, headers=KEPT)},
    ),
)
