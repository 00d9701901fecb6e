"""A log made by hand, with a key of its own, that may lie; served by a small application."""

from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger
from aiohttp.web_log import AccessLogger
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from creditsvc.domain import instants
from creditsvc.ledger import tiles
from creditsvc.ledger.signing import Signer
from creditsvc.ledger.tiles import HASH_BYTES, Tile
from creditsvc.verifier.encoding import canonical
from creditsvc.verifier.leaves import commitment, event_leaf
from creditsvc.verifier.tree import leaf_hash, root_of

ORIGIN = "log.example/v1/log"
SOURCE = "urn:agency:x"
ENTITIES = ("siren:552081317", "siren:351680558", "siren:542051180")


def item(position: int, entity: str, sequence: int, recorded_at: str, filler: str = "") -> dict[str, Any]:
    salt = position.to_bytes(16)
    event = {"id": f"e{position}", "source": SOURCE, "subject": entity, "data": {"n": position, "x": 1.5}}
    if filler:
        event["filler"] = filler
    leaf = event_leaf(entity, sequence, recorded_at, SOURCE, commitment(salt, canonical(event)))
    made = {"position": position, "entity": entity, "sequence": sequence, "recorded_at": recorded_at}
    return made | {
        "salt": b64encode(salt).decode(),
        "event": event,
        "leaf_hash": b64encode(leaf_hash(leaf)).decode(),
    }


Pages = Callable[[web.Request], Awaitable[web.StreamResponse]]


class HandMadeLog:
    """Grows by `grow`; everything that it holds may be changed behind its back."""

    def __init__(self, origin: str = ORIGIN) -> None:
        self.began = datetime(2026, 1, 1, tzinfo=UTC)  # its entries are a second apart
        self.signer = Signer(origin, Ed25519PrivateKey.generate())
        self.items: list[dict[str, Any]] = []
        self.hashes: list[bytes] = []
        self.edge = tiles.Edge()
        self.tiles: dict[tiles.Place, bytes] = {}
        self.shown: str | None = None  # the checkpoint, if not that of all it holds
        self.missing: set[int] = set()
        self.broken: set[int] = set()
        self.unlogged: list[dict[str, Any]] = []
        self.max_delay_s = 60
        self.pages: dict[str, Pages] = {}  # who answers in its place, by entity or "events"
        self.key = "auditor"
        self.filler = ""  # of each event that comes

    def grow(self, count: int = 1, recorded_at: str | None = None) -> "HandMadeLog":
        for _ in range(count):
            position = len(self.items)
            at = recorded_at or instants.text(self.began + timedelta(seconds=position))
            entity = ENTITIES[position % 3]
            sequence = 1 + sum(one["entity"] == entity for one in self.items)
            self.items.append(item(position, entity, sequence, at, self.filler))
        fresh = [b64decode(one["leaf_hash"]) for one in self.items[len(self.hashes) :]]
        self.hashes += fresh
        self.tiles |= self.edge.extend(fresh)
        return self

    def note(self, size: int | None = None, root: bytes | None = None) -> str:
        size = len(self.hashes) if size is None else size
        root = root_of(self.hashes[:size]) if root is None else root
        return self.signer.sign(f"{self.signer.name}\n{size}\n{b64encode(root).decode()}\n")

    def proof(self, old: int, new: int) -> list[bytes]:
        return tiles.consistency(old, new, self.tiles)

    def submission(
        self, old: int, size: int, proof: list[bytes] | None = None, note: str | None = None
    ) -> bytes:
        proof = self.proof(old, size) if proof is None else proof
        lines = "".join(f"{b64encode(one).decode()}\n" for one in proof)
        return f"old {old}\n{lines}\n{note or self.note(size)}".encode()

    @property
    def verifier_key(self) -> str:
        return self.signer.verifier_key


@asynccontextmanager
async def served(log: HandMadeLog) -> AsyncIterator[str]:
    """The log as a service shows it; gives its address."""

    async def checkpoint(request: web.Request) -> web.Response:
        return web.Response(text=log.shown or log.note())

    async def tile(request: web.Request) -> web.Response:
        wanted = Tile.parse(request.match_info["path"])
        hashes = None if wanted is None else log.tiles.get(wanted.place)
        if wanted is None or hashes is None or len(hashes) < wanted.width * HASH_BYTES:
            raise web.HTTPNotFound
        return web.Response(body=hashes[: wanted.width * HASH_BYTES])

    async def well_known(request: web.Request) -> web.Response:
        return web.json_response({"max_delay_s": log.max_delay_s, "verifier_key": log.verifier_key})

    async def feed(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {log.key}":
            raise web.HTTPUnauthorized
        first, count = int(request.query["from"]), int(request.query["limit"])
        page = range(first, min(first + count, len(log.items)))
        if log.broken & {*page}:
            raise web.HTTPInternalServerError
        items = [log.items[position] for position in page if position not in log.missing]
        return web.json_response({"items": items, "next": page.stop, "size": len(log.items)})

    async def history(request: web.Request) -> web.Response:
        entity = request.match_info["entity"]
        held = [one for one in [*log.items, *log.unlogged] if one["entity"] == entity]
        return web.json_response({"items": held, "next": None})

    @web.middleware
    async def instead(request: web.Request, handler: Pages) -> web.StreamResponse:
        place = request.match_info.get("entity", request.path.rpartition("/")[2])
        return await log.pages.get(place, handler)(request)

    app = web.Application(middlewares=[instead])
    app.router.add_get("/v1/log/checkpoint", checkpoint)
    app.router.add_get("/v1/log/tile/{path:.+}", tile)
    app.router.add_get("/.well-known/creditsvc-log.json", well_known)
    app.router.add_get("/v1/log/events", feed)
    app.router.add_get("/v1/entities/{entity}/history", history)
    async with serving(app) as url:
        yield url


@asynccontextmanager
async def serving(
    app: web.Application, access_log: type[AbstractAccessLogger] = AccessLogger
) -> AsyncIterator[str]:
    runner = web.AppRunner(app, access_log_class=access_log, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
