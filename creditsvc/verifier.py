"""Check what a creditsvc says of its log, offline: stand-alone, needing only Python and ``cryptography``."""

import hashlib
from base64 import b64encode
from dataclasses import dataclass

EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(leaf: bytes) -> bytes:
    """Hash a leaf (RFC 6962 section 2.1)."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two nodes together (RFC 6962 section 2.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def key_id_of(name: str, algorithm: int, public_key: bytes) -> bytes:
    """Derive a key's ID (C2SP signed-note)."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([algorithm]) + public_key).digest()[:4]


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
