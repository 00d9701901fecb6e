"""Check what a creditsvc says of its log, offline: stand-alone, needing only Python and ``cryptography``.

Hashes are those of RFC 6962 and RFC 9162, notes, checkpoints, proofs and cosignatures those of C2SP,
canonical JSON is that of RFC 8785. What is read may be hostile: it is bounded, and refused with ``Wrong``.
"""

import hashlib
import json
import math
import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

ED25519, COSIGNATURE = 1, 4  # types of signature (C2SP signed-note, tlog-cosignature)
EMPTY_ROOT = hashlib.sha256(b"").digest()
HASH_BYTES = 32
INTEGER_MAX = 2**53 - 1  # beyond, numbers in JSON are not exact
NAME_MAX = 255
NOTE_BYTES_MAX = 1_000_000
PROOF_HASHES_MAX = 63
PROOF_MAGIC = "c2sp.org/tlog-proof@v1"
SALT_BYTES = 16
SIGNATURES_MAX = 64
SIZE_MAX = 2**63 - 1


class Wrong(Exception):  # noqa: N818  it says what is wrong with what was given, not with the program
    """What was given is not what it claims to be; the text names what is wrong, and where."""


def leaf_hash(leaf: bytes) -> bytes:
    """Hash a leaf (RFC 6962 section 2.1)."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two nodes together (RFC 6962 section 2.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(leaf_hashes: Sequence[bytes]) -> bytes:
    """Compute the root of the tree over leaf hashes (RFC 6962 section 2.1)."""
    whole: list[bytes] = []  # roots of the whole subtrees so far, the greatest first
    for count, hashed in enumerate(leaf_hashes, start=1):
        whole.append(hashed)
        for _ in range((count & -count).bit_length() - 1):
            right = whole.pop()
            whole.append(node_hash(whole.pop(), right))
    while len(whole) > 1:
        right = whole.pop()
        whole.append(node_hash(whole.pop(), right))
    return whole[0] if whole else EMPTY_ROOT


def verify_inclusion(leaf_hash: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that a leaf stands at an index of the tree of a size (RFC 9162 section 2.1.3.2)."""
    if not 0 <= index < size:
        raise Wrong(f"there is no position {index} in a tree of size {size}")
    _require_hashes([leaf_hash, *proof, root])
    if _climb(index, size - 1, leaf_hash, proof)[1] != root:
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
    _require_hashes([old_root, *proof, new_root])
    path = [*proof] if old_size & (old_size - 1) else [old_root, *proof]
    if not path:
        raise Wrong("the proof is too short")
    whole = (old_size & -old_size).bit_length() - 1  # levels below the last whole subtree of the older tree
    older, newer = _climb((old_size - 1) >> whole, (new_size - 1) >> whole, path[0], path[1:])
    if older != old_root:
        raise Wrong("the consistency proof does not lead to the older root")
    if newer != new_root:
        raise Wrong("the consistency proof does not lead to the newer root")


def _climb(place: int, last: int, start: bytes, proof: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Follow a proof up the tree: gives the root over everything up to the place, and over everything."""
    older = newer = start
    for node in proof:
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


def _require_hashes(hashes: Sequence[bytes]) -> None:
    if len(hashes) > PROOF_HASHES_MAX + 2 or any(len(one) != HASH_BYTES for one in hashes):
        raise Wrong(f"a proof has at most {PROOF_HASHES_MAX} hashes, of {HASH_BYTES} bytes each")


def canonical(value: object) -> bytes:
    """Write a JSON value as RFC 8785 has it; ``Wrong`` when it cannot be written so."""
    try:
        return _written(value).encode()
    except (UnicodeEncodeError, RecursionError):  # a lone surrogate; too deep
        raise Wrong("this has no canonical JSON") from None


def _written(value: object) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int) and abs(value) <= INTEGER_MAX:
        return str(int(value))
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
        fraction = f".{digits[1:]}" if digits[1:] else ""
        text = f"{digits[0]}{fraction}e{point - 1:+d}"
    return "-" * sign + text


def commitment(salt: bytes, content: bytes) -> bytes:
    """Commit to a content without telling it: SHA-256 over the salt and the content."""
    if len(salt) != SALT_BYTES:
        raise Wrong(f"a salt has {SALT_BYTES} bytes")
    return hashlib.sha256(salt + content).digest()


def event_leaf(entity: str, sequence: int, recorded_at: str, source: str, commitment: bytes) -> bytes:
    """Write the leaf of an event."""
    facts = {"entity": entity, "recorded_at": recorded_at, "sequence": sequence, "source": source}
    return canonical({"commitment": b64encode(commitment).decode(), "v": 1} | facts)


def notice_leaf(entity: str, number: int, due: str, recorded_at: str, commitment: bytes) -> bytes:
    """Write the leaf of a notice: of what only time changed in a record."""
    facts = {"due": due, "entity": entity, "notice": number, "recorded_at": recorded_at}
    return canonical({"commitment": b64encode(commitment).decode(), "v": 1} | facts)


def decoded(text: str, length: int | None = None) -> bytes:
    """Read base64 (RFC 4648 section 4) in the one way there is to write it."""
    try:
        found = b64decode(text, validate=True)
    except ValueError:
        raise Wrong("this is not base64") from None
    if b64encode(found).decode() != text or length not in (None, len(found)):
        raise Wrong("this base64 is not written as it must be" if length is None else f"not {length} bytes")
    return found


def number(text: str) -> int:
    """Read a decimal without leading zeroes, at most 2^63 - 1."""
    if not re.fullmatch("0|[1-9][0-9]{0,18}", text, re.ASCII) or int(text) > SIZE_MAX:
        raise Wrong("a number is not written as it must be")
    return int(text)


def key_id_of(name: str, algorithm: int, public_key: bytes) -> bytes:
    """Derive a key's ID (C2SP signed-note)."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([algorithm]) + public_key).digest()[:4]


def _require_name(name: str) -> None:
    if not 0 < len(name) <= NAME_MAX or "+" in name or any(sign <= " " or sign.isspace() for sign in name):
        raise Wrong("a key's name is empty, too long, or has spaces or a plus sign")


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key and what it is called (C2SP signed-note)."""

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
        found = re.fullmatch(r"([^+]{1,255})\+([0-9a-f]{8})\+([0-9A-Za-z+/]{44})", text)
        if found is None:
            raise Wrong("a verifier key is name+8 hexadecimal digits+base64 of the type and the 32 bytes")
        name, material = found[1], decoded(found[3])
        _require_name(name)
        key = cls(name, bytes.fromhex(found[2]), material[0], material[1:])
        if key.algorithm not in (ED25519, COSIGNATURE):
            raise Wrong(f"keys of type {key.algorithm} are not known here")
        try:
            fits = key.key_id == key_id_of(name, key.algorithm, key.public_key)
        except UnicodeEncodeError:
            fits = False
        if not fits:
            raise Wrong("the ID in the verifier key is not that of the key")
        return key


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature under a note."""

    name: str
    key_id: bytes
    signature: bytes

    def line(self) -> str:
        """Write it as it stands under a note, with the newline."""
        return f"— {self.name} {b64encode(self.key_id + self.signature).decode()}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A text, its last newline included, and the signatures under it: checked by ``verify_note`` only."""

    text: str
    signatures: tuple[Signature, ...]


def parse_note(note: str) -> Note:
    """Read a signed note without checking its signatures (C2SP signed-note)."""
    try:
        size = len(note.encode())
    except UnicodeEncodeError:
        raise Wrong("the note is not UTF-8") from None
    if size > NOTE_BYTES_MAX or any(sign < " " and sign != "\n" for sign in note):
        raise Wrong("the note is too long, or has control characters")
    text, blank, lines = note.rpartition("\n\n")
    if not blank or not lines.endswith("\n"):
        raise Wrong("this is no signed note: a text, an empty line, lines of signatures")
    found = lines[:-1].split("\n")
    if len(found) > SIGNATURES_MAX:
        raise Wrong(f"the note has more than {SIGNATURES_MAX} signatures")
    return Note(text + "\n", tuple(map(_signature, found)))


def _signature(line: str) -> Signature:
    dash, _, rest = line.partition(" ")
    name, _, material = rest.partition(" ")
    if dash != "—":
        raise Wrong("a line under the note is not that of a signature")
    _require_name(name)
    signature = decoded(material)
    if len(signature) < 5:
        raise Wrong("a signature under the note is too short")
    return Signature(name, signature[:4], signature[4:])


def verify_note(note: Note, key: VerifierKey) -> int:
    """Check every signature that a key made under a note; ``Wrong`` where one is false, or there is none.

    Gives the POSIX time at which a witness cosigned (C2SP tlog-cosignature), 0 for a plain signature.
    """
    own = [one for one in note.signatures if (one.name, one.key_id) == (key.name, key.key_id)]
    if not own:
        raise Wrong(f"there is no signature by {key.name}+{key.key_id.hex()}")
    return max(_verify_signature(note.text, one.signature, key) for one in own)


def _verify_signature(text: str, signature: bytes, key: VerifierKey) -> int:
    time = 0
    if key.algorithm == COSIGNATURE:
        time, signature = int.from_bytes(signature[:8]), signature[8:]
        if not 0 < time <= SIZE_MAX:
            raise Wrong(f"the cosignature by {key.name} bears no time")
        text = f"cosignature/v1\ntime {time}\n{text}"
    try:
        Ed25519PublicKey.from_public_bytes(key.public_key).verify(signature, text.encode())
    except (InvalidSignature, ValueError):
        raise Wrong(f"the signature by {key.name} is false") from None
    return time


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How long a log is, and the root of its tree (C2SP tlog-checkpoint)."""

    origin: str
    size: int
    root: bytes
    note: Note


def parse_checkpoint(text: str) -> Checkpoint:
    """Read a checkpoint without checking its signatures."""
    note = parse_note(text)
    lines = note.text[:-1].split("\n")
    if len(lines) < 3 or not all(lines):
        raise Wrong("this is no checkpoint: origin, size, root")
    return Checkpoint(lines[0], number(lines[1]), decoded(lines[2], HASH_BYTES), note)


def open_checkpoint(text: str, key: VerifierKey) -> Checkpoint:
    """Read a checkpoint that the log's key has signed; ``Wrong`` when it has not."""
    checkpoint = parse_checkpoint(text)
    if checkpoint.origin != key.name:
        raise Wrong("the checkpoint is that of another log")
    verify_note(checkpoint.note, key)
    return checkpoint


@dataclass(frozen=True, slots=True)
class Proof:
    """That a leaf stands at an index of a log (C2SP tlog-proof); ``checkpoint`` is a signed note."""

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
    if len(text) > NOTE_BYTES_MAX:
        raise Wrong("the proof is too long")
    head, _, checkpoint = text.partition("\n\n")
    magic, *lines = head.split("\n")
    extra = b""
    if lines and lines[0].startswith("extra "):
        extra = decoded(lines.pop(0).removeprefix("extra "))
        if not extra:
            raise Wrong("the extra line of the proof is empty")
    if magic != PROOF_MAGIC or not lines or not lines[0].startswith("index "):
        raise Wrong("this is no tlog-proof: its lines are not those of one")
    index, hashes = number(lines[0].removeprefix("index ")), lines[1:]
    if len(hashes) > PROOF_HASHES_MAX:
        raise Wrong(f"a proof has at most {PROOF_HASHES_MAX} hashes")
    return Proof(index, tuple(decoded(line, HASH_BYTES) for line in hashes), extra, checkpoint)
