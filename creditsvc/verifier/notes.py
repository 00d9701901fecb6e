"""Signed notes, the keys that verify them, and cosignatures (C2SP signed-note, tlog-cosignature)."""

import hashlib
import re
from base64 import b64encode
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from creditsvc.verifier.encoding import BASE64, SIZE_MAX, decoded, matched
from creditsvc.verifier.tree import HASH_BYTES
from creditsvc.verifier.wrong import Wrong

ED25519, COSIGNATURE = 1, 4  # types of signature
NOTE_BYTES_MAX, SIGNATURES_MAX = 2**16, 64
_NAME = r"([^+\s\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,255})"  # of a key


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
        found = matched(rf"{_NAME}\+([0-9a-f]{{8}})\+([0-9A-Za-z+/]{{44}})", text)
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
    found = matched(f"— {_NAME} {BASE64}", line)
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
