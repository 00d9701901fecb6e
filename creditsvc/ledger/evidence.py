"""What a creditsvc said, saved as files: each document checked by itself, and against all the others. Pure.

Documents are what the service answers, as it answers them: checkpoints, proofs (one for an event, or a page
for an organisation), consistency proofs, receipts, pages of history; events as they were sent; and bundles of
all these, which `creditsvc evidence` writes. What a document is follows from its content.
"""

from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from creditsvc.verifier import (
    HASH_BYTES,
    PROOF_MAGIC,
    SALT_BYTES,
    Log,
    VerifierKey,
    Wrong,
    canonical,
    commitment,
    decoded,
    event_leaf,
    leaf_hash,
    notice_leaf,
    number,
    parse_note,
    root_of,
    verify_note,
)

BUNDLE = "creditsvc-evidence/v1"
PROMISE = "creditsvc receipt/v1"

Found = Mapping[str, Any]  # a JSON object from who knows where
Identity = tuple[str, str] | None  # source and id of an event; None where a leaf does not tell


@dataclass(frozen=True, slots=True)
class Told:
    """A leaf that somebody told of, without or with its content: what an event may turn out to be."""

    name: str
    leaf: Found
    salt: bytes
    leaf_hash: bytes

    def is_of(self, event: Found) -> bool:
        """Tell whether its content is an event as sent; the service writes the subject in its one way."""
        content = canonical({**event, "subject": self.leaf["entity"]})
        return leaf_hash(_leaf(self.leaf, event["source"], commitment(self.salt, content))) == self.leaf_hash


class Evidence:
    """Documents and what they come to: ``shown`` counts what holds, ``wrong`` names what does not."""

    def __init__(self, key: VerifierKey | None = None, receipt_key: VerifierKey | None = None) -> None:
        self.log = None if key is None else Log(key)
        self.receipt_key = receipt_key
        self.given: dict[str, list[tuple[str, Any]]] = {}  # by kind: where it stands, and what it is
        self.shown: Counter[tuple[str, str]] = Counter()  # where, and what is shown
        self.wrong: list[str] = []
        self.events: dict[str, dict[int, Found]] = {}  # items of histories, by organisation and sequence
        self.placed: dict[str, tuple[int, bytes]] = {}  # by entry: position and leaf hash, as proven
        self._continued: list[tuple[int, int]] = []  # sizes, older and newer, shown to be of one log
        self._listed: set[str] = set()  # organisations of which pages of proofs are given
        self._told: dict[Identity, list[Told]] = {}

    def take(self, where: str, text: str) -> None:
        """Take in a document, or several in one."""
        if text.lstrip()[:1] in {"{", "["}:
            try:
                self._take_json(where, orjson.loads(text))
            except orjson.JSONDecodeError:
                self.wrong.append(f"{where}: this is not JSON")
        elif text.startswith(PROOF_MAGIC):
            self._put("proof", where, text)
        else:
            self._put("consistency" if text.startswith("old ") else "checkpoint", where, text)

    def _take_json(self, where: str, document: Any) -> None:
        match document:
            case {"bundle": str(version), "documents": dict(parts)} if version == BUNDLE:
                for name, part in parts.items():
                    take = self.take if isinstance(part, str) else self._take_json
                    take(f"{where}, {name}", part)
            case {"entity": entity, "checkpoint": checkpoint, "items": list(items)}:
                self._put("page of proofs", where, (entity, checkpoint))
                self._put("inclusion", where, *((entity, checkpoint, item) for item in items))
            case {"items": list(items)}:
                self._put("history", where, *zip([None, *items], items, strict=False))
            case {"results": list(results), **more}:
                self._take_receipts(where, results, more.get("promise"))
            case {"leaf_hash": _, "status": _, **more}:
                self._take_receipts(where, [document], more.get("promise"))
            case list():
                self._put("event", where, *document)
            case dict():
                marks = {"specversion": "event", "verifier_key": "identity", "score": "profile"}
                self._put(next((marks[name] for name in marks if name in document), "else"), where, document)
            case _:
                self._put("else", where, document)

    def _take_receipts(self, where: str, results: Sequence[Any], promise: object) -> None:
        receipts = [one for one in results if not isinstance(one, dict) or one.get("status") != "rejected"]
        self._put("promise", where, (promise, receipts))
        self._put("receipt", where, *receipts)

    def _put(self, kind: str, where: str, *documents: Any) -> None:
        self.given.setdefault(kind, []).extend((where, one) for one in documents)

    def check(self) -> None:
        """Check all that was taken in: what gives a key, then what gives a root, and so on."""
        kinds: dict[str, Callable[[Any], str]] = {
            "identity": self._identity,
            "checkpoint": self._checkpoint,
            "page of proofs": self._page,
            "inclusion": self._inclusion,
            "proof": self._proof,
            "consistency": self._consistency,
            "promise": self._promise,
            "history": self._item,
            "receipt": self._receipt,
            "event": self._event,
            "else": self._else,
        }
        for kind, check in kinds.items():
            for where, document in self.given.get(kind, []):
                try:
                    self.shown[where, check(document)] += 1
                except Wrong as wrong:
                    self.wrong.append(f"{where}: {wrong}")
                except (KeyError, TypeError, AttributeError, ValueError):
                    self.wrong.append(f"{where}: this is no {kind} as a creditsvc gives it")

    def _identity(self, found: Found) -> str:
        key, receipt_key = (
            VerifierKey.parse(found["verifier_key"]),
            VerifierKey.parse(found["receipt_verifier_key"]),
        )
        if self.log is not None and self.log.key != key:
            raise Wrong("its key is not the key given")
        if self.receipt_key not in {None, receipt_key}:
            raise Wrong("its key for receipts is not the one given")
        told = self.log is None
        self.log, self.receipt_key = self.log or Log(key), receipt_key
        return f"log {key.name}, key {key}" + (
            "; taken from here on trust: compare it with what is published elsewhere" if told else ""
        )

    def _known(self) -> Log:
        if self.log is None:
            raise Wrong("cannot be checked without the log's key")
        return self.log

    def _checkpoint(self, text: str) -> str:
        if text.startswith(PROMISE):
            raise Wrong("a promise alone; give the answer that it came in")
        opened = self._known().checkpoint(text)
        return f"checkpoint of {opened.origin}: size {opened.size}, root {b64encode(opened.root).decode()}"

    def _consistency(self, text: str) -> str:
        old, new = self._known().consistency(text)
        self._continued.append((old, new))
        return f"nothing of the log of size {old} was altered or removed up to size {new}"

    def _page(self, found: tuple[str, str]) -> str:
        entity, checkpoint = found
        self._listed.add(entity)
        return self._checkpoint(checkpoint)

    def _inclusion(self, found: tuple[str, str, Found]) -> str:
        entity, checkpoint, item = found
        name, index, hashed = (
            _named(entity, item),
            _whole(item["index"]),
            decoded(item["leaf_hash"], HASH_BYTES),
        )
        try:
            hashes = [decoded(one, HASH_BYTES) for one in item["hashes"]]
            opened = self._known().entry(hashed, index, hashes, checkpoint)
            self._place(name, index, hashed)
        except Wrong as wrong:
            raise Wrong(f"{name} (position {index}): {wrong}") from None
        return f"leaf is in the log of size {opened.size}"

    def _proof(self, text: str) -> str:
        log = self._known()
        leaf, salt = log.proof(text)
        hashed = leaf_hash(canonical(leaf))
        index = log.positions[hashed]
        if leaf != orjson.loads(_leaf(leaf, leaf.get("source"), decoded(leaf["commitment"], HASH_BYTES))):
            raise Wrong(f"position {index}: no leaf as a creditsvc writes it")
        name = _named(leaf["entity"], leaf)
        self._place(name, index, hashed)
        self._told.setdefault(None, []).append(Told(name, leaf, salt, hashed))
        return f"{name} stands at position {index}, recorded at {leaf['recorded_at']}"

    def _place(self, name: str, index: int, hashed: bytes) -> None:
        if self.placed.setdefault(name, (index, hashed)) != (index, hashed):
            raise Wrong(f"{name}: stands at position {self.placed[name][0]} and again at {index}")

    def _item(self, found: tuple[Found | None, Found]) -> str:
        before, item = found
        event, salt = item["event"], decoded(item["salt"], SALT_BYTES)
        entity, name = event["subject"], _named(event["subject"], item)
        if self.events.setdefault(entity, {}).setdefault(_whole(item["sequence"]), item) != item:
            raise Wrong(f"{name}: is told in two ways")
        leaf = {**item, "entity": entity}
        hashed = leaf_hash(_leaf(leaf, event["source"], commitment(salt, canonical(event))))
        index, _ = self.placed.get(name, (None, b""))
        at = name if index is None else f"{name} (position {index})"
        if not self._is_logged(name, hashed) and entity in self._listed:
            raise Wrong(f"{name}: is not proven, and others of {entity} are")
        if hashed != decoded(item["leaf_hash"], HASH_BYTES):
            raise Wrong(f"{at}: its content is not what its leaf hash stands for")
        if before is not None:
            self._require_after(at, before, item)
        self._told.setdefault((event["source"], event["id"]), []).append(Told(name, leaf, salt, hashed))
        return (
            "event is what the log holds" if index is not None else "event is what its leaf hash stands for"
        )

    def _require_after(self, name: str, before: Found, item: Found) -> None:
        if not (before["sequence"] < item["sequence"] and before["recorded_at"] < item["recorded_at"]):
            raise Wrong(f"{name}: stands after event {before['sequence']} and was not recorded after it")
        places = [self.placed.get(_named(item["event"]["subject"], one)) for one in (before, item)]
        if None not in places and places[0] > places[1]:  # type: ignore[operator]  # None is ruled out
            raise Wrong(f"{name}: the log has it before event {before['sequence']}")

    def _is_logged(self, name: str, hashed: bytes) -> bool:
        """Tell whether a leaf is proven to be in the log; ``Wrong`` when another stands in its place."""
        if name not in self.placed:
            return False
        index, proven = self.placed[name]
        if proven != hashed:
            raise Wrong(f"{name} (position {index}): its content is not what the log holds")
        return True

    def _promise(self, found: tuple[str | None, Sequence[Found]]) -> str:
        text, receipts = found
        if not receipts:
            return "no receipts"
        if text is None:
            raise Wrong("receipts without a promise")
        if self.receipt_key is None:
            raise Wrong("cannot be checked without the key for receipts")
        note = parse_note(text)
        verify_note(note, self.receipt_key)
        head, origin, delay_s, count, root = note.text[:-1].split("\n")
        hashes = [decoded(one["leaf_hash"], HASH_BYTES) for one in receipts]
        if (head, f"{origin}/receipts") != (PROMISE, self.receipt_key.name):
            raise Wrong("the promise is not for receipts of this log")
        if (number(count), decoded(root)) != (len(hashes), root_of(hashes)):
            raise Wrong("the promise is for other receipts than these")
        return f"{origin} promises that each leaf is in the log within {number(delay_s)} s of its recording"

    def _receipt(self, found: Found) -> str:
        name, hashed = _named(found["entity"], found), decoded(found["leaf_hash"], HASH_BYTES)
        if "salt" in found:
            told = Told(name, found, decoded(found["salt"], SALT_BYTES), hashed)
            self._told.setdefault((found["source"], found["id"]), []).append(told)
        logged = self._is_logged(name, hashed)
        item = self.events.get(found["entity"], {}).get(found["sequence"])
        facts = ("recorded_at", "leaf_hash", "salt")
        if item is not None and any(item[fact] != found.get(fact, item[fact]) for fact in facts):
            raise Wrong(f"{name}: the receipt and the history tell of it in two ways")
        if logged:
            return "receipt is kept: its leaf is in the log (whether in time, no proof can tell)"
        return "receipt of which no proof is given: whether it is kept is not shown"

    def _event(self, event: Found) -> str:
        identity = (event["source"], event["id"])
        same = self._told.get(identity, [])
        for one in same:
            if not one.is_of(event):
                raise Wrong(f"{one.name}: is not the content of the event {event['id']} as it was sent")
        found = same or [one for one in self._told.get(None, []) if one.is_of(event)]
        if not found:
            raise Wrong(f"event {event['id']}: no receipt, proof or history given speaks of it")
        return f"event is the content of {found[0].name}"

    def _else(self, _: object) -> str:
        raise Wrong("nothing that can be checked here")

    def report(self) -> Iterable[str]:
        """Say what is shown, each once, with how often."""
        for (where, what), count in self.shown.items():
            yield f"{where}: {what}" + (f", {count} times" if count > 1 else "")
        if apart := self._apart():
            yield f"not shown: that the newest checkpoint continues those of {', '.join(map(str, apart))}"

    def _apart(self) -> list[int]:
        """List the sizes that no proof shows to be the beginning of the newest checkpoint's log."""
        sizes = {size for size in self.log.roots if size} if self.log is not None else set()
        joined = {max(sizes)} if sizes else set()
        for old, new in sorted(self._continued, reverse=True):
            if new in joined:
                joined.add(old)
        return sorted(sizes - joined)


def _named(entity: str, item: Found) -> str:
    if "notice" in item:
        return f"{entity} notice {_whole(item['notice'])}"
    return f"{entity} event {_whole(item['sequence'])}"


def _whole(value: object) -> int:
    if type(value) is not int or value < 0:
        raise TypeError
    return value


def _leaf(facts: Found, source: Any, committed: bytes) -> bytes:
    if "notice" in facts:
        return notice_leaf(facts["entity"], facts["notice"], facts["due"], facts["recorded_at"], committed)
    return event_leaf(facts["entity"], facts["sequence"], facts["recorded_at"], source, committed)
