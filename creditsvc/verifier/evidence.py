"""Documents held against each other: what they show of a log, its events and receipts, and what is wrong."""

import json
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from creditsvc.verifier.documents import NAME_CHARACTERS_MAX, Documents, short
from creditsvc.verifier.encoding import SIZE_MAX, Found, canonical, decoded, number
from creditsvc.verifier.leaves import SALT_BYTES, commitment, leaf_of
from creditsvc.verifier.log import Log, parse_proof
from creditsvc.verifier.notes import ED25519, Note, VerifierKey, parse_note, verify_note
from creditsvc.verifier.parts import is_part, require_part, require_party
from creditsvc.verifier.tree import HASH_BYTES, leaf_hash, root_of
from creditsvc.verifier.wrong import Missing, Wrong

FAULTS_MAX = 1_000
HASHED_MAX, HASHED_EACH, REWRITING_COST = 2**28, 2**13, 64  # bytes, to find the leaf of an event as sent
FAR_FUTURE = 253_402_300_799  # the last second of the year 9999, as a POSIX time


PROMISE = "creditsvc receipt/v1"
RECEIPTS = "/receipts"  # what the key for receipts is called, after the origin

UNPROVEN = "receipt of which no proof is given: whether it is kept is not shown"
# In this order, for the earlier ones give keys and roots, and tell what a leaf is of, for the later ones.
KINDS = "identity checkpoint page proof inclusion consistency promise history event receipt else"

Identity = tuple[str, str] | None  # source and id of an event; None where a leaf does not tell
# A leaf that somebody told of, and that an event may turn out to be of: name, facts, salt and leaf hash.
Told = tuple[str, Found, bytes, bytes]


class Evidence(Documents):
    """Documents and what they come to: what holds is shown, what does not is wrong, or missing something."""

    def __init__(
        self,
        key: VerifierKey | None = None,
        receipt_key: VerifierKey | None = None,
        witnesses: Sequence[VerifierKey] = (),
        subject: Callable[[str], str] | None = None,  # writes an organisation in its one way
    ) -> None:
        super().__init__()
        self.log = None if key is None else Log(key)
        self.receipt_key = receipt_key
        self.witnesses = witnesses
        self.missing: list[str] = []
        self.shown: Counter[tuple[str, str]] = Counter()  # where, and what is shown
        self.events: dict[str, dict[int, Found]] = {}  # items of histories, by organisation and sequence
        self.placed: dict[str, tuple[int, bytes]] = {}  # by entry: position and leaf hash, as proven
        self.erased: dict[str, bytes] = {}  # leaf hashes of entries whose content the service has no more
        self.parted: set[str] = set()  # entries that somebody is shown in part
        self._statements: set[Identity] = set()  # the same, as histories have them
        self._continued: list[tuple[int, int]] = []  # sizes, older and newer, shown to be of one log
        self._listed: set[str] = set()  # organisations of which pages of proofs are given
        self._told: dict[Identity, list[Told]] = {}
        self._subject = subject
        self._names: dict[bytes | int, str] = {}  # of entries, by leaf hash and by position
        self._bound: dict[bytes, Found] = {}  # by leaf hash: what the leaf says, where that has been hashed
        self._hashed = 0  # how much, for events as sent

    def check(self) -> None:
        """Check all that was taken in: what gives a key, then what gives a root, and so on."""
        before = len(self.wrong)
        for kind in KINDS.split():
            check: Callable[[Any], str] = getattr(self, f"_{kind}")
            for where, document in self.given.get(kind, []):
                if len(self.wrong) + len(self.missing) >= FAULTS_MAX:
                    self.wrong.append("there is too much wrong: the rest was not looked at")
                    return
                try:
                    self.shown[where, check(document)] += 1
                except Missing as missing:
                    self.missing.append(f"{where}: {missing}")
                except Wrong as wrong:
                    self.wrong.append(f"{where}: {wrong}")
                except (KeyError, TypeError, AttributeError, ValueError, RecursionError):
                    self.wrong.append(f"{where}: this is no {kind} as a creditsvc gives it")
            if kind == "identity" and len(self.wrong) > before:
                return  # by another log's key everything else would seem wrong, too

    def _identity(self, found: Found) -> str:
        key, receipt_key = map(VerifierKey.parse, (found["verifier_key"], found["receipt_verifier_key"]))
        if self.log is not None and self.log.key != key:
            raise Wrong("its key is not the key given")
        if self.receipt_key not in {None, receipt_key}:
            raise Wrong("its key for receipts is not the one given")
        names = found.get("origin", key.name), receipt_key.name
        if names != (key.name, key.name + RECEIPTS) or {key.algorithm, receipt_key.algorithm} != {ED25519}:
            raise Wrong("its keys are not those of one log and of its receipts")
        trusted = ["the log's key"] * (self.log is None) + ["the key for receipts"] * (
            self.receipt_key is None
        )
        self.log, self.receipt_key = self.log or Log(key), receipt_key
        also = "; taken on trust from here, so compare with what is published elsewhere: " if trusted else ""
        return f"the key {key}, for receipts {receipt_key}{also}{' and '.join(trusted)}"

    def _known(self) -> Log:
        if self.log is None:
            raise Missing("cannot be checked without the log's key: --key, or the well-known document")
        return self.log

    def _checkpoint(self, text: str) -> str:
        if text.startswith(PROMISE):
            raise Wrong("a promise alone; give the answer that it came in")
        opened = self._known().checkpoint(text)
        told = f"size {opened.size}, root {b64encode(opened.root).decode()}, signed by {opened.origin}"
        return told + self._cosigned(opened.note)

    def _cosigned(self, note: Note) -> str:
        """Say which of the witnesses have cosigned, and how many other signatures were not looked at."""
        told, unknown = "", {(one.name, one.key_id) for one in note.signatures}
        unknown -= {(self._known().key.name, self._known().key.key_id)}
        for key in self.witnesses:
            if (key.name, key.key_id) not in unknown:
                told += f"; not cosigned by {key.name}"
                continue
            unknown -= {(key.name, key.key_id)}
            when = datetime.fromtimestamp(min(verify_note(note, key), FAR_FUTURE), UTC)
            told += f"; cosigned by {key.name} at {when:%Y-%m-%dT%H:%M:%SZ}"
        return told + (f"; {len(unknown)} more signatures, by keys that are not given" if unknown else "")

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
        name, index = _named(entity, item), _whole(item["index"])
        hashed = decoded(item["leaf_hash"], HASH_BYTES)
        try:
            hashes = [decoded(one, HASH_BYTES) for one in item["hashes"]]
            opened = self._known().entry(hashed, index, hashes, checkpoint)
            self._place(name, index, hashed)
            if "leaf" in item:
                self._erase(name, item["leaf"], hashed)
        except Wrong as wrong:
            raise Wrong(f"{name} (position {index}): {wrong}") from None
        return f"leaf is in the log of size {opened.size}"

    def _erase(self, name: str, leaf: Found, hashed: bytes) -> None:
        """Hold the leaf of an entry whose content was erased to its hash and its name."""
        made = leaf_of(leaf, leaf.get("source"), decoded(leaf["commitment"], HASH_BYTES))
        if leaf_hash(made) != hashed or canonical(leaf) != made or _named(leaf["entity"], leaf) != name:
            raise Wrong("its leaf is not what its leaf hash stands for")
        self._bound[hashed] = leaf
        self.erased[name] = hashed

    def _proof(self, text: str) -> str:
        log = self._known()
        leaf, more = log.proof(text)
        salt = decoded(str(more["salt"]), SALT_BYTES) if "salt" in more else None
        hashed = leaf_hash(canonical(leaf))
        index = log.positions[hashed]
        if leaf != json.loads(leaf_of(leaf, leaf.get("source"), decoded(leaf["commitment"], HASH_BYTES))):
            raise Wrong(f"position {index}: no leaf as a creditsvc writes it")
        name = _named(leaf["entity"], leaf)
        self._place(name, index, hashed)
        self._bound[hashed] = leaf
        if salt is not None:
            self._told.setdefault(None, []).append((name, leaf, salt, hashed))
        elif "withheld" in more:
            require_party(name, leaf.get("source"), leaf["entity"], more["withheld"])
            self.parted.add(name)
        else:
            self.erased[name] = hashed
        cosigned = self._cosigned(log.checkpoint(parse_proof(text).checkpoint).note)
        return f"{name} stands at position {index}, recorded at {short(leaf['recorded_at'])}{cosigned}"

    def _name(self, name: str, held: bytes | int) -> None:
        """Hold a leaf, or a position, to be that of one entry."""
        if (other := self._names.setdefault(held, name)) != name:
            raise Wrong(f"{name}: its leaf or position is that of {other}")

    def _place(self, name: str, index: int, hashed: bytes) -> None:
        self._name(name, hashed)
        self._name(name, index)
        if self.placed.setdefault(name, (index, hashed)) != (index, hashed):
            raise Wrong(f"{name}: stands at position {self.placed[name][0]} and again at {index}")

    def _history(self, found: tuple[str | None, Found | None, Found]) -> str:
        page, before, item = found
        event = item["event"]
        entity, name = event["subject"], _named(event["subject"], item, of="event")
        if page not in {None, entity}:
            raise Wrong(f"{name}: stands in the history of another, {short(page)}")
        salt, committed = self._committed(name, item)
        self._keep(name, item)
        leaf = {**item, "entity": entity}
        hashed = leaf_hash(leaf_of(leaf, event["source"], committed))
        index, _ = self.placed.get(name, (None, b""))
        at = name if index is None else f"{name} (position {index})"
        if not self._is_logged(name, hashed) and entity in self._listed:
            raise Wrong(f"{name}: is not proven, and others of {entity} are")
        if hashed != decoded(item["leaf_hash"], HASH_BYTES):
            raise Wrong(f"{at}: its content is not what its leaf hash stands for")
        self._name(name, hashed)
        if before is not None:
            self._require_after(at, before, item)
        self._bound[hashed] = {**leaf, "source": event["source"]}
        what = "its leaf hash stands for" if index is None else "the log holds"
        if salt is None:
            return f"event is shown in part: its commitment is what {what}"
        self._told.setdefault((event["source"], event["id"]), []).append((name, leaf, salt, hashed))
        return f"event is what {what}"

    def _committed(self, name: str, item: Found) -> tuple[bytes | None, bytes]:
        """Give the salt of an event, none where it is shown in part, and what its leaf commits to."""
        if "salt" in item:
            if "withheld" in item or "commitment" in item:
                raise Wrong(f"{name}: is shown both whole and in part")
            salt = decoded(item["salt"], SALT_BYTES)
            return salt, commitment(salt, canonical(item["event"]))
        require_part(name, item["event"], item["withheld"])
        self.parted.add(name)
        self._statements.add((item["event"]["source"], item["event"]["id"]))
        return None, decoded(item["commitment"], HASH_BYTES)

    def _keep(self, name: str, item: Found) -> None:
        """Keep an event of a history: the whole of it where part of it is given, too."""
        held = self.events.setdefault(item["event"]["subject"], {})
        known = held.setdefault(_whole(item["sequence"]), item)
        whole, part = (known, item) if "salt" in known else (item, known)
        if known != item and not is_part(part, whole):
            raise Wrong(f"{name}: is told in two ways")
        held[item["sequence"]] = whole

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
        for one in receipts:  # for the event as sent to be held to them
            name, leaf = _named(one["entity"], one, of="event"), decoded(one["leaf_hash"], HASH_BYTES)
            if "salt" in one:
                told = (name, one, decoded(one["salt"], SALT_BYTES), leaf)
                self._told.setdefault((one["source"], one["id"]), []).append(told)
        if text is None:
            raise Wrong("receipts without a promise")
        if self.receipt_key is None:
            raise Missing("cannot be checked without --receipt-key, or the well-known document")
        note = parse_note(text)
        verify_note(note, self.receipt_key)
        head, origin, delay_s, count, root = note.text[:-1].split("\n")
        hashes = [decoded(one["leaf_hash"], HASH_BYTES) for one in receipts]
        log = origin if self.log is None else self.log.key.name
        if (head, origin, origin + RECEIPTS) != (PROMISE, log, self.receipt_key.name):
            raise Wrong("the promise is not for receipts of this log")
        if (number(count), decoded(root)) != (len(hashes), root_of(hashes)):
            raise Wrong("the promise is for other receipts than these")
        return f"{origin} promises that each leaf is in the log within {number(delay_s)} s of its recording"

    def _receipt(self, found: Found) -> str:
        name, hashed = _named(found["entity"], found, of="event"), decoded(found["leaf_hash"], HASH_BYTES)
        self._name(name, hashed)
        logged = self._is_logged(name, hashed)
        item = self.events.get(found["entity"], {}).get(found["sequence"])
        facts = ("recorded_at", "leaf_hash", "salt")
        told = item is not None and any(
            item[fact] != found.get(fact, item[fact]) for fact in facts if fact in item
        )
        if told or (item is not None and item["event"]["id"] != found["id"]):
            raise Wrong(f"{name}: the receipt and the history tell of it in two ways")
        leaf, bound = self._bound.get(hashed), ("entity", "sequence", "recorded_at", "source")
        if leaf is not None and any(found[fact] != leaf.get(fact) for fact in bound):
            raise Wrong(f"{name}: the receipt does not say of it what its leaf says")
        if logged and leaf:
            return "receipt is kept: its leaf is in the log (whether in time, no proof can tell)"
        said = "a receipt's leaf hash is in the log" if logged else UNPROVEN
        return said if leaf else f"{said}; what it says of it is not checked: give the event or its proof"

    def _event(self, event: Found) -> str:
        identity = (event["source"], event["id"])
        same, contents = self._told.get(identity, []), dict[str, bytes]()
        for one in same:
            if not self._is_of(one, event, contents):
                raise Wrong(f"{one[0]}: is not the content of the event {short(event['id'])} as sent")
        found = same or [one for one in self._told.get(None, []) if self._is_of(one, event, contents)]
        if not found and identity in self._statements:
            raise Missing(f"event {short(event['id'])}: is shown in part, without its salt: give its receipt")
        if not found:
            raise Wrong(f"event {short(event['id'])}: no receipt, proof or history given speaks of it")
        for name, leaf, salt, hashed in found:
            self._bound[hashed] = {**leaf, "source": event["source"]}
            part = self.events.get(leaf["entity"], {}).get(leaf.get("sequence", 0))
            if part is not None and "salt" not in part:
                whole = {"salt": b64encode(salt).decode(), "event": {**event, "subject": leaf["entity"]}}
                self._keep(name, {**part, **whole})
        return f"event is the content of {found[0][0]}"

    def _is_of(self, told: Told, event: Found, contents: dict[str, bytes]) -> bool:
        """Tell whether a leaf is of an event as sent, save that its subject may be written in another way."""
        name, facts, salt, hashed = told
        sent, entity = event["subject"], facts["entity"]
        subject = self._subject(sent) if self._subject and sent != entity else sent
        if subject != entity and self._subject:
            return False
        cost = 1 if entity in contents else REWRITING_COST
        content = contents.get(entity) or canonical({**event, "subject": entity})
        self._hashed += cost * (len(content) + HASHED_EACH) if contents else 0
        contents[entity] = content
        if self._hashed > HASHED_MAX:
            raise Missing("too many events and leaves to hold against each other: give fewer at once")
        found = leaf_hash(leaf_of(facts, event["source"], commitment(salt, content))) == hashed
        if found and subject != entity:
            same = "`creditsvc verify` tells if it is the same"
            raise Missing(f"{name}: its subject as sent was {short(sent)}; {same}")
        return found

    def _else(self, _: object) -> str:
        raise Wrong("nothing that can be checked here")

    def report(self) -> Iterable[str]:
        """Say what is shown, each once, with how often."""
        for (where, what), count in self.shown.items():
            yield f"{where}: {what}" + (f", {count} times" if count > 1 else "")
        names = [_named(entity, item) for entity, item in self._items_held()]
        if names:
            proven = sum(self.placed.get(name, (0, b""))[1] in self._bound for name in names)
            yield f"{proven} of {len(names)} events are proven to be in the log"
        if self.erased:
            yield f"{len(self.erased)} entries were erased: the log has their leaves, nobody their contents"
        whole = {_named(entity, item) for entity, item in self._items_held() if "salt" in item}
        if parted := len(self.parted - whole):
            said = "of the organisation are shown in part: what is shown of them is the service's word"
            yield f"{parted} statements {said}"
        if hollow := sum(hashed not in self._bound for _, hashed in self.placed.values()):
            yield f"not shown: that {hollow} leaves in the log are those of the events that they are called"
        if apart := self._apart():
            yield f"not shown: that the newest checkpoint continues those of {', '.join(map(str, apart))}"

    def _items_held(self) -> Iterable[tuple[str, Found]]:
        return ((entity, item) for entity, held in self.events.items() for item in held.values())

    def faults(self) -> list[str]:
        """Name what is wrong, and what could not be checked for want of something else."""
        wrong = [f"WRONG: {fault}" for fault in dict.fromkeys(self.wrong)]
        return wrong + [f"MISSING: {what}" for what in self.missing]

    def _apart(self) -> list[int]:
        """List the sizes that no proof shows to be the beginning of the newest checkpoint's log."""
        sizes = {size for size in self.log.roots if size} if self.log is not None else set()
        joined = {max(sizes)} if sizes else set()
        for old, new in sorted(self._continued, reverse=True):
            if new in joined:
                joined.add(old)
        return sorted(sizes - joined)


def _named(entity: str, item: Found, of: str = "") -> str:
    if not isinstance(entity, str) or len(entity) > NAME_CHARACTERS_MAX or (of and "notice" in item):
        raise TypeError
    if "notice" in item:
        return f"{entity} notice {_whole(item['notice'])}"
    return f"{entity} event {_whole(item['sequence'])}"


def _whole(value: object) -> int:
    if type(value) is not int or not 0 <= value <= SIZE_MAX:
        raise TypeError
    return value
