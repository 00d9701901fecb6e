"""Leaves of the log: what they say, and the salted commitment to what they do not."""

import hashlib
from base64 import b64encode
from typing import Any

from creditsvc.verifier.encoding import Found, canonical
from creditsvc.verifier.wrong import Wrong

SALT_BYTES = 16


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


def leaf_of(facts: Found, source: Any, committed: bytes) -> bytes:
    if "notice" in facts:
        return notice_leaf(facts["entity"], facts["notice"], facts["due"], facts["recorded_at"], committed)
    return event_leaf(facts["entity"], facts["sequence"], facts["recorded_at"], source, committed)
