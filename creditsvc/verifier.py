"""Check what a creditsvc says of its log, offline: stand-alone, needing only Python and ``cryptography``.

Give it what the service answered, saved as files, in any order: checkpoints, proofs, consistency proofs with
the older checkpoint, receipts, events as they were sent, pages of history and of their proofs, the well-known
document, and bundles of all these, as `creditsvc evidence` writes. What a document is follows from its
content; each is checked by itself, and against all the others. Hashes are those of RFC 6962 and RFC 9162;
notes, checkpoints, proofs and cosignatures those of C2SP; canonical JSON is that of RFC 8785. What is read
may be hostile: it is bounded, and refused with ``Wrong``.
"""

import argparse
import hashlib
import json
import math
import re
import sys
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

ED25519, COSIGNATURE = 1, 4  # types of signature (C2SP signed-note, tlog-cosignature)
EMPTY_ROOT = hashlib.sha256(b"").digest()
FILE_CHARACTERS_MAX = 2**29
HASH_BYTES, SALT_BYTES = 32, 16
NAME_CHARACTERS_MAX = 200  # of what is repeated in what is told
FAULTS_MAX, ITEMS_MAX, NESTED_MAX = 1_000, 1_000_000, 3
HASHED_MAX, HASHED_EACH, REWRITING_COST = 2**28, 2**13, 64  # bytes, to find the leaf of an event as sent
INTEGER_MAX = 2**53 - 1  # beyond, numbers in JSON are not exact
NOTE_BYTES_MAX, SIGNATURES_MAX = 2**16, 64
PROOF_HASHES_MAX, SIZE_MAX = 63, 2**63 - 1
FAR_FUTURE = 253_402_300_799  # the last second of the year 9999, as a POSIX time
PROOF_MAGIC = "c2sp.org/tlog-proof@v1"
# What an organisation states of a case may be shown without its words: what those are, and what is left.
PARTY, WORDS = "urn:entity:", ("reason", "note", "evidence")
STATEMENTS = r"credit\.(objection\.(opened|appealed|withdrawn)|repair\.(applied|supplemented|withdrawn))"
LEFT = {"record", "record_source", "objection", "repair", "ground", "commitment"}

_NAME = r"([^+\s\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,255})"  # of a key
_NUMBER = "(0|[1-9][0-9]{0,18})"
_BASE64 = "([0-9A-Za-z+/]+={0,2})"
_HASHES = f"((?:[0-9A-Za-z+/]{{43}}=\n){{0,{PROOF_HASHES_MAX}}})"


class Wrong(ValueError):  # noqa: N818  it says what is wrong with what was given, not with the program
    """What was given is not what it claims to be; the text names what is wrong, and where."""


class Missing(Wrong):
    """Something cannot be checked for want of something else; the text says of what."""


def leaf_hash(leaf: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(leaf_hashes: Sequence[bytes]) -> bytes:
    """Compute the root of the tree over leaf hashes (RFC 6962 section 2.1)."""
    level = [*leaf_hashes]
    while len(level) > 1:  # one that has no neighbour goes up as it is
        pairs = [node_hash(*level[at : at + 2]) for at in range(0, len(level) - 1, 2)]
        level = pairs + level[len(pairs) * 2 :]
    return level[0] if level else EMPTY_ROOT


def verify_inclusion(leaf_hash: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that a leaf stands at an index of the tree of a size (RFC 9162 section 2.1.3.2)."""
    if not 0 <= index < size:
        raise Wrong(f"there is no position {index} in a tree of size {size}")
    if _climb(index, size - 1, [leaf_hash, *proof])[1] != root:
        raise Wrong("the inclusion proof does not lead to the root")


def verify_consistency(
    old_size: int, new_size: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes
) -> None:
    """Check that the older tree begins the newer one (RFC 9162 section 2.1.4.2); an empty one never."""
    if old_size == new_size and not proof:
        if old_root != new_root or (old_size == 0 and old_root != EMPTY_ROOT):
            raise Wrong(f"another root for the same size, {new_size}")
        return
    if not 0 < old_size < new_size:
        raise Wrong(f"there is no such proof from a tree of size {old_size} to one of size {new_size}")
    whole = (old_size & -old_size).bit_length() - 1  # the height of the last whole subtree of the older tree
    path = [old_root, *proof] if old_size == 1 << whole else [*proof]
    older, newer = _climb((old_size - 1) >> whole, (new_size - 1) >> whole, path)
    if (older, newer) != (old_root, new_root):
        raise Wrong("the consistency proof does not lead to the two roots")


def _climb(place: int, last: int, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Follow a proof up the tree: gives the root over everything up to the place, and over everything."""
    if not 0 < len(path) <= PROOF_HASHES_MAX + 1 or any(len(node) != HASH_BYTES for node in path):
        raise Wrong(f"a proof has at most {PROOF_HASHES_MAX} hashes, of {HASH_BYTES} bytes each")
    older = newer = path[0]
    for node in path[1:]:
        if last == 0:
            raise Wrong("the proof is too long")
        if place & 1 or place == last:
            older, newer = node_hash(node, older), node_hash(node, newer)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            newer = node_hash(newer, node)
        place, last = place >> 1, last >> 1
    if last:
        raise Wrong("the proof is too short")
    return older, newer


def canonical(value: object) -> bytes:
    """Write a JSON value as RFC 8785 has it; ``Wrong`` when it cannot be written so."""
    try:
        return _written(value).encode()
    except (UnicodeEncodeError, RecursionError):  # a lone surrogate; too deep
        raise Wrong("this has no canonical JSON") from None


def _written(value: object) -> str:
    if value is None or isinstance(value, str | bool):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int) and abs(value) <= INTEGER_MAX:
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        return _number(value)
    if isinstance(value, list):
        return "[" + ",".join(map(_written, value)) + "]"
    if isinstance(value, dict) and all(isinstance(name, str) for name in value):
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return "{" + ",".join(f"{_written(name)}:{_written(value[name])}" for name in names) + "}"
    raise Wrong("this has no canonical JSON")


def _number(value: float) -> str:
    """Write a number as ECMAScript does: the fewest digits that are read as the same number."""
    if value == 0:
        return "0"
    sign, figures, exponent = Decimal(repr(value)).as_tuple()
    digits = "".join(map(str, figures)).rstrip("0")
    point = len(figures) + int(exponent)  # where the decimal point stands, counted from the first digit
    if len(digits) <= point <= 21:
        text = digits.ljust(point, "0")
    elif 0 < point <= 21:
        text = f"{digits[:point]}.{digits[point:]}"
    elif -6 < point <= 0:
        text = "0." + "0" * -point + digits
    else:
        text = f"{digits[0]}.{digits[1:]}".rstrip(".") + f"e{point - 1:+d}"
    return "-" * sign + text


def commitment(salt: bytes, content: bytes) -> bytes:
    """Commit to a content without telling it: SHA-256 over the salt and the content."""
    if len(salt) != SALT_BYTES:
        raise Wrong(f"a salt has {SALT_BYTES} bytes")
    return hashlib.sha256(salt + content).digest()


def event_leaf(entity: str, sequence: int, recorded_at: str, source: str, commitment: bytes) -> bytes:
    facts = {"entity": entity, "recorded_at": recorded_at, "sequence": sequence, "source": source}
    return canonical({"commitment": b64encode(commitment).decode(), "v": 1} | facts)


def notice_leaf(entity: str, number: int, due: str, recorded_at: str, commitment: bytes) -> bytes:
    facts = {"due": due, "entity": entity, "notice": number, "recorded_at": recorded_at}
    return canonical({"commitment": b64encode(commitment).decode(), "v": 1} | facts)


def decoded(text: str, length: int | None = None) -> bytes:
    """Read base64 (RFC 4648 section 4) in the one way there is to write it."""
    try:
        found = b64decode(text, validate=True)
    except ValueError:
        found = None
    if found is None or b64encode(found).decode() != text or length not in (None, len(found)):
        raise Wrong("this is not base64, or not as long as it must be, or not in the one way of writing it")
    return found


def json_of(text: str | bytes) -> Any:
    """Read JSON that says everything once, and of finite numbers; ``Wrong`` when it is none."""
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=number)
    except (ValueError, RecursionError) as error:
        raise Wrong(str(error) if isinstance(error, Wrong) else "this is not JSON") from None


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(members)) != len(members):
        raise Wrong("an object has two members of one name")
    return found


def number(text: str) -> int:
    """Read a decimal without leading zeroes, at most 2^63 - 1."""
    if not re.fullmatch(_NUMBER, text) or int(text) > SIZE_MAX:
        raise Wrong("a number is not written as it must be")
    return int(text)


def key_id_of(name: str, algorithm: int, public_key: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + bytes([algorithm]) + public_key).digest()[:4]


@dataclass(frozen=True, slots=True)
class VerifierKey:  # C2SP signed-note
    name: str
    key_id: bytes
    algorithm: int
    public_key: bytes

    def __str__(self) -> str:
        material = b64encode(bytes([self.algorithm]) + self.public_key).decode()
        return f"{self.name}+{self.key_id.hex()}+{material}"

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        """Read a key; ``Wrong`` unless it is Ed25519's, for notes or for cosignatures."""
        found = _matched(rf"{_NAME}\+([0-9a-f]{{8}})\+([0-9A-Za-z+/]{{44}})", text)
        material = decoded(found[3], 1 + HASH_BYTES)
        key = cls(found[1], bytes.fromhex(found[2]), material[0], material[1:])
        known = key.algorithm in (ED25519, COSIGNATURE)
        if not known or key.key_id != key_id_of(key.name, key.algorithm, key.public_key):
            raise Wrong("the ID in the verifier key is not that of the key, or its type is not known here")
        return key


@dataclass(frozen=True, slots=True)
class Signature:
    name: str
    key_id: bytes
    signature: bytes

    def line(self) -> str:
        return f"— {self.name} {b64encode(self.key_id + self.signature).decode()}\n"


@dataclass(frozen=True, slots=True)
class Note:  # the text has its last newline; the signatures are checked by ``verify_note`` only
    text: str
    signatures: tuple[Signature, ...]


def parse_note(note: str) -> Note:
    """Read a signed note without checking its signatures (C2SP signed-note)."""
    long = len(note.encode(errors="replace")) > NOTE_BYTES_MAX
    if long or re.search("[\x00-\x09\x0b-\x1f\ud800-\udfff]", note):
        raise Wrong("the note is too long, or is not UTF-8, or has control characters")
    text, blank, lines = note.rpartition("\n\n")
    if not blank or not lines.endswith("\n"):
        raise Wrong("this is no signed note: a text, an empty line, lines of signatures")
    return Note(text + "\n", tuple(map(_signature, lines[:-1].split("\n", SIGNATURES_MAX - 1))))


def _signature(line: str) -> Signature:
    found = _matched(f"— {_NAME} {_BASE64}", line)
    return Signature(found[1], decoded(found[2])[:4], decoded(found[2])[4:])


def verify_note(note: Note, key: VerifierKey) -> int:
    """Check every signature by a key, of which there must be one; gives a cosignature's POSIX time, or 0."""
    own = {one.signature for one in note.signatures if (one.name, one.key_id) == (key.name, key.key_id)}
    if not own:
        raise Wrong(f"there is no signature by {key.name}+{key.key_id.hex()}")
    return max(_verify_signature(note.text, signature, key) for signature in own)


def _verify_signature(text: str, signature: bytes, key: VerifierKey) -> int:
    time = 0
    if key.algorithm == COSIGNATURE:
        time, signature = int.from_bytes(signature[:8]), signature[8:]
        text = f"cosignature/v1\ntime {time}\n{text}"
    try:
        Ed25519PublicKey.from_public_bytes(key.public_key).verify(signature, text.encode())
    except (InvalidSignature, ValueError):
        raise Wrong(f"the signature by {key.name} is false") from None
    if key.algorithm == COSIGNATURE and not 0 < time <= SIZE_MAX:
        raise Wrong(f"the cosignature by {key.name} bears no time")
    return time


@dataclass(frozen=True, slots=True)
class Checkpoint:  # C2SP tlog-checkpoint
    origin: str
    size: int
    root: bytes
    note: Note


def parse_checkpoint(text: str) -> Checkpoint:
    """Read a checkpoint without checking its signatures."""
    note = parse_note(text)
    found = _matched(rf"([^\n]+)\n{_NUMBER}\n{_BASE64}\n(?:[^\n]+\n)*", note.text)
    return Checkpoint(found[1], number(found[2]), decoded(found[3], HASH_BYTES), note)


def open_checkpoint(text: str, key: VerifierKey) -> Checkpoint:
    """Read a checkpoint that the log's key has signed; ``Wrong`` when it has not."""
    checkpoint = parse_checkpoint(text)
    if checkpoint.origin != key.name:
        raise Wrong("the checkpoint is that of another log")
    verify_note(checkpoint.note, key)
    return checkpoint


@dataclass(frozen=True, slots=True)
class Proof:  # C2SP tlog-proof; the checkpoint is a signed note
    index: int
    hashes: tuple[bytes, ...]
    extra: bytes
    checkpoint: str

    def text(self) -> str:
        extra = f"extra {b64encode(self.extra).decode()}\n" if self.extra else ""
        hashes = "".join(f"{b64encode(one).decode()}\n" for one in self.hashes)
        return f"{PROOF_MAGIC}\n{extra}index {self.index}\n{hashes}\n{self.checkpoint}"


def parse_proof(text: str) -> Proof:
    """Read a proof without checking anything that it says."""
    found = _matched(rf"{PROOF_MAGIC}\n(?:extra {_BASE64}\n)?index {_NUMBER}\n{_HASHES}\n(.+)", text)
    return Proof(number(found[2]), _hashes(found[3]), decoded(found[1] or ""), found[4])


def parse_consistency(text: str) -> tuple[int, tuple[bytes, ...], str]:
    """Read older size, proof and newer checkpoint, as witnesses are told them (C2SP tlog-witness)."""
    found = _matched(rf"old {_NUMBER}\n{_HASHES}\n(.+)", text)
    return number(found[1]), _hashes(found[2]), found[3]


def _matched(layout: str, text: str) -> re.Match[str]:
    if (found := re.fullmatch(layout, text, re.DOTALL)) is None:
        raise Wrong("the lines are not those of such a document, or there are too many")
    return found


def _hashes(lines: str) -> tuple[bytes, ...]:
    return tuple(decoded(line, HASH_BYTES) for line in lines.splitlines())


class Log:
    """What a log has signed and proven: whatever it says is held to all that it said before."""

    def __init__(self, key: VerifierKey) -> None:
        self.key = key
        self.roots: dict[int, bytes] = {}  # of the checkpoints so far, by size
        self.positions: dict[bytes, int] = {}  # of what is proven to be in it, by leaf hash
        self._opened: dict[str, Checkpoint | str] = {}  # by text, what it is, or what is wrong with it

    def checkpoint(self, text: str) -> Checkpoint:
        """Check a checkpoint; the same text is read but once."""
        if text not in self._opened:
            try:
                self._opened[text] = self._open(text)
            except Wrong as wrong:
                self._opened[text] = str(wrong)
        if isinstance(found := self._opened[text], str):
            raise Wrong(found)
        return found

    def _open(self, text: str) -> Checkpoint:
        opened = open_checkpoint(text, self.key)
        if opened.size == 0 and opened.root != EMPTY_ROOT:
            raise Wrong("the root of size 0 is not that of the empty tree")
        if self.roots.setdefault(opened.size, opened.root) != opened.root:
            raise Wrong(f"a second root, signed by the log, for the size {opened.size}: it has forked")
        return opened

    def entry(self, hashed: bytes, index: int, proof: Sequence[bytes], checkpoint: str) -> Checkpoint:
        opened = self.checkpoint(checkpoint)
        verify_inclusion(hashed, index, opened.size, proof, opened.root)
        self.positions[hashed] = index
        return opened

    def proof(self, text: str) -> tuple[dict[str, Any], dict[Any, Any]]:
        """Check a tlog-proof that brings its leaf along; gives the leaf, and what comes with it.

        That is the salt, or what is withheld where the event is shown in part, or nothing once erased.
        """
        proof = parse_proof(text)
        match json_of(proof.extra or b"null"):
            case {"leaf": dict(leaf), **more} if more.keys() <= {"salt"} or more.keys() == {"withheld"}:
                hashed = leaf_hash(canonical(leaf))
                self.entry(hashed, proof.index, proof.hashes, proof.checkpoint)
                return leaf, more
        raise Wrong("the proof does not bring along what it is a proof of")

    def consistency(self, text: str) -> tuple[int, int]:
        """Check that the log goes on from an older checkpoint, which has been read; gives both sizes."""
        old, hashes, newest = parse_consistency(text)
        new = self.checkpoint(newest)
        if old and old not in self.roots:
            raise Missing(f"cannot be checked without the older checkpoint, that of size {old}: give it, too")
        if old:  # nothing precedes the empty tree, and it precedes everything
            verify_consistency(old, new.size, hashes, self.roots[old], new.root)
        return old, new.size


BUNDLE = "creditsvc-evidence/v1"
PROMISE = "creditsvc receipt/v1"
RECEIPTS = "/receipts"  # what the key for receipts is called, after the origin

UNPROVEN = "receipt of which no proof is given: whether it is kept is not shown"
# In this order, for the earlier ones give keys and roots, and tell what a leaf is of, for the later ones.
KINDS = "identity checkpoint page proof inclusion consistency promise history event receipt else"

Found = Mapping[str, Any]  # a JSON object from who knows where
Identity = tuple[str, str] | None  # source and id of an event; None where a leaf does not tell
# A leaf that somebody told of, and that an event may turn out to be of: name, facts, salt and leaf hash.
Told = tuple[str, Found, bytes, bytes]


class Evidence:
    """Documents and what they come to: what holds is shown, what does not is wrong, or missing something."""

    def __init__(
        self,
        key: VerifierKey | None = None,
        receipt_key: VerifierKey | None = None,
        witnesses: Sequence[VerifierKey] = (),
        subject: Callable[[str], str] | None = None,  # writes an organisation in its one way
    ) -> None:
        self.log = None if key is None else Log(key)
        self.receipt_key = receipt_key
        self.witnesses = witnesses
        self.missing: list[str] = []
        self.given: dict[str, list[tuple[str, Any]]] = {}  # by kind: where it stands, and what it is
        self.shown: Counter[tuple[str, str]] = Counter()  # where, and what is shown
        self.wrong: list[str] = []
        self.events: dict[str, dict[int, Found]] = {}  # items of histories, by organisation and sequence
        self.placed: dict[str, tuple[int, bytes]] = {}  # by entry: position and leaf hash, as proven
        self.erased: dict[
            str, bytes
        ] = {}  # leaf hashes of entries that the service has no content of any more
        self.parted: set[str] = set()  # entries that somebody is shown in part
        self._statements: set[Identity] = set()  # the same, as histories have them
        self._continued: list[tuple[int, int]] = []  # sizes, older and newer, shown to be of one log
        self._listed: set[str] = set()  # organisations of which pages of proofs are given
        self._told: dict[Identity, list[Told]] = {}
        self._subject = subject
        self._names: dict[bytes | int, str] = {}  # of entries, by leaf hash and by position
        self._bound: dict[bytes, Found] = {}  # by leaf hash: what the leaf says, where that has been hashed
        self._items, self._hashed = 0, 0  # how much has been taken in, and hashed for events as sent

    def take(self, where: str, text: str, nested: int = 0) -> None:
        """Take in a document, or several in one."""
        if text[:100].lstrip()[:1] in {"{", "["}:
            try:
                self._take_json(where, json_of(text), nested)
            except Wrong as wrong:
                self.wrong.append(f"{where}: {wrong}")
        elif text.startswith(PROOF_MAGIC):
            self._put("proof", where, text)
        else:
            self._put("consistency" if text.startswith("old ") else "checkpoint", where, text)

    def _take_json(self, where: str, document: Any, nested: int = 0) -> None:
        match document:
            case {"bundle": str(version), "documents": dict(parts)} if version == BUNDLE:
                if nested == NESTED_MAX:
                    raise Wrong("too many bundles within bundles")
                for name, part in parts.items():
                    take = self.take if isinstance(part, str) else self._take_json
                    take(f"{where}, {_short(name)}", part, nested + 1)
            case {"entity": entity, "checkpoint": checkpoint, "items": list(items)}:
                self._put("page", where, (entity, checkpoint))
                self._put("inclusion", where, *((entity, checkpoint, item) for item in items))
            case {"items": list(items), **more}:
                pages = [more.get("entity")] * len(items)
                self._put("history", where, *zip(pages, [None, *items], items, strict=False))
            case {"results": list(results), **more}:
                status = (one.get("status") if isinstance(one, dict) else None for one in results)
                receipts = [one for one, said in zip(results, status, strict=True) if said != "rejected"]
                self._put("promise", where, (more.get("promise"), receipts))
                self._put("receipt", where, *receipts)
            case {"leaf_hash": _, "status": _, **more}:
                self._take_json(where, {"results": [document], "promise": more.get("promise")})
            case list():
                self._put("event", where, *document)
            case dict():
                marks = {"specversion": "event", "verifier_key": "identity", "score": "profile"}
                self._put(next((marks[name] for name in marks if name in document), "else"), where, document)
            case _:
                self._put("else", where, document)

    def _put(self, kind: str, where: str, *documents: Any) -> None:
        self._items += len(documents) + 1
        if self._items > ITEMS_MAX:
            raise Wrong(f"more than {ITEMS_MAX} items: give fewer at once")
        self.given.setdefault(kind, []).extend((where, one) for one in documents)

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
        made = _leaf(leaf, leaf.get("source"), decoded(leaf["commitment"], HASH_BYTES))
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
        if leaf != json.loads(_leaf(leaf, leaf.get("source"), decoded(leaf["commitment"], HASH_BYTES))):
            raise Wrong(f"position {index}: no leaf as a creditsvc writes it")
        name = _named(leaf["entity"], leaf)
        self._place(name, index, hashed)
        self._bound[hashed] = leaf
        if salt is not None:
            self._told.setdefault(None, []).append((name, leaf, salt, hashed))
        elif "withheld" in more:
            _require_party(name, leaf.get("source"), leaf["entity"], more["withheld"])
            self.parted.add(name)
        else:
            self.erased[name] = hashed
        cosigned = self._cosigned(log.checkpoint(parse_proof(text).checkpoint).note)
        return f"{name} stands at position {index}, recorded at {_short(leaf['recorded_at'])}{cosigned}"

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
            raise Wrong(f"{name}: stands in the history of another, {_short(page)}")
        salt, committed = self._committed(name, item)
        self._keep(name, item)
        leaf = {**item, "entity": entity}
        hashed = leaf_hash(_leaf(leaf, event["source"], committed))
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
        if known != item and not _is_part(part, whole):
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
                raise Wrong(f"{one[0]}: is not the content of the event {_short(event['id'])} as sent")
        found = same or [one for one in self._told.get(None, []) if self._is_of(one, event, contents)]
        if not found and identity in self._statements:
            raise Missing(
                f"event {_short(event['id'])}: is shown in part, without its salt: give its receipt"
            )
        if not found:
            raise Wrong(f"event {_short(event['id'])}: no receipt, proof or history given speaks of it")
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
        found = leaf_hash(_leaf(facts, event["source"], commitment(salt, content))) == hashed
        if found and subject != entity:
            same = "`creditsvc verify` tells if it is the same"
            raise Missing(f"{name}: its subject as sent was {_short(sent)}; {same}")
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


def _short(written: object) -> str:
    """Repeat what may be long."""
    text = str(written)
    return text if len(text) <= NAME_CHARACTERS_MAX else f"{text[:NAME_CHARACTERS_MAX]}…"


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


def _require_party(name: str, source: Any, entity: str, withheld: Any) -> None:
    """Refuse what nobody may be shown in part: all but an organisation's own words in what it states."""
    if source != PARTY + entity:
        raise Wrong(f"{name}: no salt is given, and only an organisation's own statements may be without")
    if not withheld or withheld != [f"/data/{one}" for one in WORDS if f"/data/{one}" in withheld]:
        raise Wrong(f"{name}: what is withheld is not what may be")


def require_part(name: str, event: Found, withheld: Any) -> None:
    """Refuse what is no part of such a statement, since its leaf does not tell what it was."""
    _require_party(name, event["source"], event["subject"], withheld)
    if not re.fullmatch(STATEMENTS, event["type"]) or not event["data"].keys() <= LEFT:
        raise Wrong(f"{name}: what is shown of it is no part of what an organisation may state")


def _is_part(part: Found, whole: Found) -> bool:
    """Tell whether an event that is shown in part is the one that is shown whole."""
    if "salt" in part or "salt" not in whole:
        return False
    event, words = whole["event"], [one for one in WORDS if one in whole["event"]["data"]]
    left = {name: value for name, value in event["data"].items() if name not in words}
    shown = {"withheld": [f"/data/{one}" for one in words], "event": {**event, "data": left}}
    facts = ("sequence", "recorded_at", "leaf_hash")
    return all(part[fact] == whole[fact] for fact in facts) and all(part[one] == shown[one] for one in shown)


def _leaf(facts: Found, source: Any, committed: bytes) -> bytes:
    if "notice" in facts:
        return notice_leaf(facts["entity"], facts["notice"], facts["due"], facts["recorded_at"], committed)
    return event_leaf(facts["entity"], facts["sequence"], facts["recorded_at"], source, committed)


def printable(text: str) -> str:
    """Make a text safe for a terminal, whoever wrote it."""
    return "".join(character if character.isprintable() else "?" for character in text)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--key", type=VerifierKey.parse, help="the log's verifier key, as it is published")
    parser.add_argument("--receipt-key", type=VerifierKey.parse, help="the verifier key for receipts")
    witness = "the verifier key of a witness; may be repeated"
    parser.add_argument("--witness", type=VerifierKey.parse, action="append", default=[], help=witness)
    parser.add_argument("files", nargs="+", metavar="FILE", help="what the service answered, in any order")
    options = parser.parse_args(arguments)
    if options.key is not None and options.key.algorithm != ED25519:
        parser.error("--key is not a log's key; a witness's is given as --witness")
    evidence = Evidence(options.key, options.receipt_key, options.witness)
    for name in options.files:
        try:
            with Path(name).open(encoding="utf-8", newline="") as file:
                evidence.take(name, file.read(FILE_CHARACTERS_MAX))
        except (ValueError, OSError) as error:
            evidence.wrong.append(f"{name}: {error}")
    evidence.check()
    lines = [*evidence.report(), *evidence.faults()]
    lines += [f"{at}: only `creditsvc verify` checks it" for at, _ in evidence.given.get("profile", [])]
    lines.append("something is wrong or missing" if evidence.faults() else "nothing wrong found")
    sys.stdout.write("".join(printable(line) + "\n" for line in lines))
    return 1 if evidence.faults() else 0


if __name__ == "__main__":
    sys.exit(main())
