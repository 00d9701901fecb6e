"""Check what a creditsvc says of its log, offline: stand-alone, needing only Python and ``cryptography``.

Hashes are those of RFC 6962 and RFC 9162, notes, checkpoints, proofs and cosignatures those of C2SP,
canonical JSON is that of RFC 8785. What is read may be hostile: it is bounded, and refused with ``Wrong``.
"""

import argparse
import hashlib
import json
import math
import re
import sys
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

ED25519, COSIGNATURE = 1, 4  # types of signature (C2SP signed-note, tlog-cosignature)
EMPTY_ROOT = hashlib.sha256(b"").digest()
FILE_CHARACTERS_MAX = 4_000_000
HASH_BYTES, SALT_BYTES = 32, 16
INTEGER_MAX = 2**53 - 1  # beyond, numbers in JSON are not exact
NOTE_BYTES_MAX, SIGNATURES_MAX = 1_000_000, 64
PROOF_HASHES_MAX, SIZE_MAX = 63, 2**63 - 1
PROOF_MAGIC = "c2sp.org/tlog-proof@v1"

_NAME = r"([^+\s\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,255})"  # of a key
_NUMBER = "(0|[1-9][0-9]{0,18})"
_BASE64 = "([0-9A-Za-z+/]+={0,2})"
_HASHES = f"((?:[0-9A-Za-z+/]{{43}}=\n){{0,{PROOF_HASHES_MAX}}})"


class Wrong(ValueError):  # noqa: N818  it says what is wrong with what was given, not with the program
    """What was given is not what it claims to be; the text names what is wrong, and where."""


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
    """Check that the older tree is the beginning of the newer one (RFC 9162 section 2.1.4.2).

    Every tree begins with the empty one, so from that to another there is nothing to check: it is refused.
    """
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
    if len(note.encode(errors="replace")) > NOTE_BYTES_MAX or re.search(
        "[\x00-\x09\x0b-\x1f\ud800-\udfff]", note
    ):
        raise Wrong("the note is too long, or is not UTF-8, or has control characters")
    text, blank, lines = note.rpartition("\n\n")
    if not blank or not lines.endswith("\n"):
        raise Wrong("this is no signed note: a text, an empty line, lines of signatures")
    return Note(text + "\n", tuple(map(_signature, lines[:-1].split("\n", SIGNATURES_MAX - 1))))


def _signature(line: str) -> Signature:
    found = _matched(f"— {_NAME} {_BASE64}", line)
    return Signature(found[1], decoded(found[2])[:4], decoded(found[2])[4:])


def verify_note(note: Note, key: VerifierKey) -> int:
    """Check every signature that a key made under a note; ``Wrong`` where one is false, or there is none.

    Gives the POSIX time at which a witness cosigned (C2SP tlog-cosignature), 0 for a plain signature.
    """
    own = [one.signature for one in note.signatures if (one.name, one.key_id) == (key.name, key.key_id)]
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

    def checkpoint(self, text: str) -> Checkpoint:
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

    def proof(self, text: str) -> tuple[dict[str, Any], bytes]:
        """Check a tlog-proof that brings its leaf along; gives the leaf and the salt."""
        proof = parse_proof(text)
        try:
            extra = json.loads(proof.extra)
        except (ValueError, RecursionError):
            extra = None
        match extra:
            case {"leaf": dict(leaf), "salt": str(salt)}:
                self.entry(leaf_hash(canonical(leaf)), proof.index, proof.hashes, proof.checkpoint)
                return leaf, decoded(salt, SALT_BYTES)
        raise Wrong("the proof does not bring along what it is a proof of")

    def consistency(self, text: str) -> tuple[int, int]:
        """Check that the log goes on from an older checkpoint, which has been read; gives both sizes."""
        old, hashes, newest = parse_consistency(text)
        new = self.checkpoint(newest)
        if old and old not in self.roots:
            raise Wrong(f"the older checkpoint, that of size {old}, is not given before it")
        if old:  # nothing precedes the empty tree, and it precedes everything
            verify_consistency(old, new.size, hashes, self.roots[old], new.root)
        return old, new.size

    def check(self, text: str) -> str:
        """Check a document, telling which it is by how it begins; says what it shows."""
        if text.startswith("old "):
            return "the log of size {1} begins with that of size {0}".format(*self.consistency(text))
        if text.startswith(PROOF_MAGIC):
            leaf, _ = self.proof(text)
            return f"at position {self.positions[leaf_hash(canonical(leaf))]}: {canonical(leaf).decode()}"
        opened = self.checkpoint(text)
        return f"{opened.origin}, size {opened.size}, root {b64encode(opened.root).decode()}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Check checkpoints, proofs and consistency, offline.")
    parser.add_argument("--key", required=True, type=VerifierKey.parse, help="the log's, as published")
    parser.add_argument("files", nargs="+", metavar="FILE", help="saved as answered; older checkpoints first")
    options, status = parser.parse_args(arguments), 0
    log = Log(options.key)
    for name in options.files:
        try:
            with Path(name).open(encoding="utf-8", newline="") as file:
                text = log.check(file.read(FILE_CHARACTERS_MAX))
        except (ValueError, OSError) as error:
            status, text = 1, f"WRONG: {error}"
        sys.stdout.write("".join(c if c.isprintable() else "?" for c in f"{name}: {text}") + "\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
