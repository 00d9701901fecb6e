"""A log of a few events, and every document that a service would give of it."""

import json
from base64 import b64encode
from typing import Any

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from creditsvc.cli import verify
from creditsvc.domain.account import account_at
from creditsvc.domain.instants import parse
from creditsvc.domain.replay import replay
from creditsvc.ledger.promises import Promises
from creditsvc.ledger.signing import Signer
from creditsvc.ledger.tiles import Edge, consistency, inclusion
from creditsvc.verifier.documents import BUNDLE
from creditsvc.verifier.encoding import canonical
from creditsvc.verifier.leaves import commitment, event_leaf
from creditsvc.verifier.log import Proof
from creditsvc.verifier.tree import leaf_hash, root_of
from tests.making import ENTITY, RULES, raw

ZEROES = Ed25519PrivateKey.from_private_bytes(bytes(32))
LOG, RECEIPTS = Signer("log.example/1", ZEROES), Signer("log.example/1/receipts", ZEROES)
KEYS = ("--key", LOG.verifier_key, "--receipt-key", RECEIPTS.verifier_key)


class Told:
    """A log of some events of one organisation, and every document that a service would give of it."""

    def __init__(self, *sent: dict[str, Any]) -> None:
        self.events = list(sent)
        self.items, self.leaves, self.hashes = [], [], []
        for sequence, event in enumerate(sent, start=1):
            recorded_at, salt = f"2026-06-01T00:00:00.{sequence:06}Z", bytes([sequence] * 16)
            committed = commitment(salt, canonical(event))
            leaf = event_leaf(ENTITY, sequence, recorded_at, event["source"], committed)
            hashed = leaf_hash(leaf)
            self.leaves.append(leaf)
            self.hashes.append(hashed)
            item = {
                "sequence": sequence,
                "recorded_at": recorded_at,
                "leaf_hash": b64(hashed),
                "salt": b64(salt),
            }
            self.items.append({**item, "event": event})
        self.tiles = Edge().extend(self.hashes)
        self.size = len(sent)

    def checkpoint(self, size: int) -> str:
        return LOG.sign(f"{LOG.name}\n{size}\n{b64(root_of(self.hashes[:size]))}\n")

    def proof(self, place: int) -> str:
        extra = canonical({"leaf": json.loads(self.leaves[place]), "salt": self.items[place]["salt"]})
        hashes = tuple(inclusion(place, self.size, self.tiles))
        return Proof(place, hashes, extra, self.checkpoint(self.size)).text()

    def proofs(self) -> dict[str, Any]:
        items = [
            {
                "sequence": place + 1,
                "index": place,
                "leaf_hash": b64(hashed),
                "hashes": [b64(one) for one in inclusion(place, self.size, self.tiles)],
            }
            for place, hashed in enumerate(self.hashes)
        ]
        return {"entity": ENTITY, "checkpoint": self.checkpoint(self.size), "items": items, "next": None}

    def consistency(self, old: int) -> str:
        lines = "".join(f"{b64(one)}\n" for one in consistency(old, self.size, self.tiles))
        return f"old {old}\n{lines}\n{self.checkpoint(self.size)}"

    def history(self) -> dict[str, Any]:
        return {"entity": ENTITY, "valid_from": "x", "valid_until": None, "items": self.items, "next": None}

    def receipts(self) -> dict[str, Any]:
        results = [
            {
                "id": item["event"]["id"],
                "source": item["event"]["source"],
                "status": "accepted",
                "entity": ENTITY,
                **{name: item[name] for name in ("sequence", "recorded_at", "leaf_hash", "salt")},
            }
            for item in self.items
        ]
        return {"results": results, "promise": Promises(RECEIPTS, LOG.name, 60)._over(self.hashes)}

    def profile(self, view="shared") -> dict[str, Any]:
        entries = [verify._entry(item, RULES) for item in self.items]
        at = parse(self.items[-1]["recorded_at"])
        past = account_at(ENTITY, entries, replay(ENTITY, entries, RULES).namings, at, RULES)
        return orjson.loads(past.profile(view, RULES) or b"")

    def documents(self) -> dict[str, Any]:
        return {
            "profile": self.profile(),
            "history": self.history(),
            "proofs": self.proofs(),
            "proof": self.proof(1),
            "older": self.checkpoint(1),
            "consistency": self.consistency(1),
            "receipts": self.receipts(),
            "events": self.events,
        }


def b64(data: bytes) -> str:
    return b64encode(data).decode()


TOLD = Told(
    raw("registration.changed", None, entity_name="津门食品有限公司", status="active"),
    raw("honour.granted", "H1"),
    raw("penalty.imposed", "P1"),
    raw("licence.granted", "L1"),
    raw("record.revoked", "L1", reason="x"),
)


def bundle(documents: dict[str, Any]) -> dict[str, Any]:
    return {"bundle": BUNDLE, "documents": documents}
