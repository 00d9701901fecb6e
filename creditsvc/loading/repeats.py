"""Rows of a file that speak again of a record opened before: found in bounded memory, made corrections.

A first pass over the file finds the identities that may occur more than once, with a Bloom filter
(B. H. Bloom, CACM 13(7), 1970): it misses none, and one named wrongly only costs the memory of its digests.
The second pass keeps, for these alone, a digest of each field as it was last told.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

from creditsvc.domain import identifiers
from creditsvc.errors import Refusal

_BITS_PER_IDENTITY = 4
_FILTER_MIN_BYTES = 64 * 1024
_FILTER_MAX_BYTES = 64 * 1024 * 1024  # of a file of 1 GiB; beyond it more rows are kept than need be

Identity = tuple[str, str, str, str]
"""Source, type, subject and record number."""


def entity_of(subject: str) -> str:
    """Give the organisation that a subject names, or the subject where it names none (ingest will say so)."""
    try:
        return identifiers.parse(subject)
    except Refusal:
        return subject


def digest_of(identity: Identity) -> bytes:
    """Sixteen bytes that stand for one record: the same organisation may be written in several ways."""
    source, kind, subject, record = identity
    return hashlib.blake2b(orjson.dumps([source, kind, entity_of(subject), record]), digest_size=16).digest()


class RepeatFinder:
    """The first pass: takes every row's identity, and knows those seen before."""

    def __init__(self, file_bytes: int) -> None:
        size = min(max(file_bytes // 16, _FILTER_MIN_BYTES), _FILTER_MAX_BYTES)
        self._bits = bytearray(size)
        self.repeated: set[bytes] = set()

    def see(self, digest: bytes) -> None:
        seen = True
        for start in range(0, 4 * _BITS_PER_IDENTITY, 4):
            index, bit = divmod(int.from_bytes(digest[start : start + 4]) % (8 * len(self._bits)), 8)
            if not self._bits[index] >> bit & 1:
                self._bits[index] |= 1 << bit
                seen = False
        if seen:
            self.repeated.add(digest)


class Corrections:
    """The second pass: what a repeated row changes against the row before it."""

    def __init__(self, repeated: set[bytes]) -> None:
        self._repeated = repeated
        self._told: dict[bytes, dict[str, bytes]] = {}

    def changes(self, digest: bytes, data: Mapping[str, Any]) -> dict[str, Any] | None:
        """Give the fields told otherwise than before, null for one told no more; None for a first row."""
        before = self._told.get(digest)
        if before is None:
            return None
        now = _fingerprints(data)
        changed = {name: data[name] for name in data if now[name] != before.get(name)}
        return changed | {name: None for name in before if name not in data}

    def tell(self, digest: bytes, data: Mapping[str, Any]) -> None:
        """Remember what the row told, if the record may be told again."""
        if digest in self._repeated:
            self._told[digest] = _fingerprints(data)


def _fingerprints(data: Mapping[str, Any]) -> dict[str, bytes]:
    return {
        name: hashlib.blake2b(orjson.dumps(value, option=orjson.OPT_SORT_KEYS), digest_size=16).digest()
        for name, value in data.items()
    }
