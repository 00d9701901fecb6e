"""The tree of the log: its hashes, and proofs in it (RFC 6962, RFC 9162)."""

import hashlib
from collections.abc import Sequence

from creditsvc.verifier.wrong import Wrong

EMPTY_ROOT = hashlib.sha256(b"").digest()
HASH_BYTES = 32
PROOF_HASHES_MAX = 63


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
