"""The Merkle tree of RFC 6962 kept as tiles (C2SP tlog-tiles), and the proofs that follow from them.

Pure: whoever calls fetches the tiles that are needed, by their place, and hands them in. A tile may hold
more hashes than the size that is asked about: the tree of a smaller size is a part of the greater.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from creditsvc.verifier.tree import EMPTY_ROOT, node_hash

HASH_BYTES = 32
HEIGHT = 8  # levels of the tree that one tile spans
WIDTH = 1 << HEIGHT
LEVEL_MAX = 63
SIZE_MAX = 2**63 - 1

Place = tuple[int, int]  # level, index of the tile
Tiles = Mapping[Place, bytes]

_INDEX = r"(?P<index>(?:x[0-9]{3}/)*[0-9]{3})"
_PATH = re.compile(rf"(?P<level>0|[1-9][0-9]?)/{_INDEX}(?:\.p/(?P<width>[1-9][0-9]{{0,2}}))?", re.ASCII)
_LONGEST_PATH = 64
_FOLDED_MAX = 256  # full tiles whose inner nodes are remembered: 16 KiB each with what they are known by


@dataclass(frozen=True, slots=True)
class Tile:
    """Which tile, and how many of its hashes."""

    level: int
    index: int
    width: int = WIDTH

    @property
    def place(self) -> Place:
        return (self.level, self.index)

    def path(self) -> str:
        """Write it as the path of a URL: ``0/x001/067.p/12``."""
        last = f"{self.index % 1000:03}"
        rest = self.index // 1000
        while rest:
            last = f"x{rest % 1000:03}/{last}"
            rest //= 1000
        return f"{self.level}/{last}" + ("" if self.width == WIDTH else f".p/{self.width}")

    @classmethod
    def parse(cls, path: str) -> "Tile | None":
        """Read a path; None unless it is written in the one way there is, and of 256 hashes at most."""
        found = _PATH.fullmatch(path) if len(path) <= _LONGEST_PATH else None
        if found is None:
            return None
        index = int(found["index"].replace("x", "").replace("/", ""))
        tile = cls(int(found["level"]), index, int(found["width"] or WIDTH))
        is_one = tile.level <= LEVEL_MAX and tile.width <= WIDTH and tile.path() == path
        return tile if is_one else None

    def is_within(self, size: int) -> bool:
        """Tell whether the tree of a size has so many hashes of this tile."""
        return self.index * WIDTH + self.width <= size >> (HEIGHT * self.level)


def root(size: int, tiles: Tiles) -> bytes:
    """Compute the root of the tree of a size; `needed_for_root` says from which tiles."""
    found = EMPTY_ROOT
    for place, (level, index) in enumerate(reversed([*_parts(0, size)])):
        part = _hash(level, index, tiles)
        found = part if place == 0 else node_hash(part, found)
    return found


def needed_for_root(size: int) -> set[Place]:
    return {_place(*node) for node in _parts(0, size)}


def inclusion(index: int, size: int, tiles: Tiles) -> list[bytes]:
    """Prove that the leaf at ``index`` is in the tree of ``size`` (RFC 6962 section 2.1.1), leaf first."""
    return [_join(nodes, tiles) for nodes in _inclusion(index, size)]


def needed_for_inclusion(index: int, size: int) -> set[Place]:
    return {_place(*node) for nodes in _inclusion(index, size) for node in nodes}


def consistency(old: int, new: int, tiles: Tiles) -> list[bytes]:
    """Prove that the tree of size ``old`` is the beginning of that of ``new`` (RFC 6962 section 2.1.2)."""
    return [_join(nodes, tiles) for nodes in _consistency(old, new)]


def needed_for_consistency(old: int, new: int) -> set[Place]:
    return {_place(*node) for nodes in _consistency(old, new) for node in nodes}


def _inclusion(index: int, size: int) -> Iterator[list[Place]]:
    """Give the nodes to be joined for each hash of the proof, lowest first."""
    if not 0 <= index < size:
        raise ValueError("no such leaf in a tree of that size")
    path: list[list[Place]] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append([*_parts(middle, end)])
            end = middle
        else:
            path.append([*_parts(start, middle)])
            start = middle
    return reversed(path)


def _consistency(old: int, new: int) -> Iterator[list[Place]]:
    if not 0 <= old <= new:
        raise ValueError("the older tree is the greater one")
    if old in (0, new):
        return iter(())
    path: list[list[Place]] = []
    start, end, whole = 0, new, True
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append([*_parts(middle, end)])
            end = middle
        else:
            path.append([*_parts(start, middle)])
            start, whole = middle, False
    if not whole:
        path.append([*_parts(start, end)])
    return reversed(path)


def _split(size: int) -> int:
    """Give the greatest power of two below a size."""
    return 1 << ((size - 1).bit_length() - 1)


def _parts(start: int, end: int) -> Iterator[Place]:
    """Cut a range of leaves into whole subtrees, as the tree does: (height, index), the greatest first."""
    while start < end:
        height = (end - start).bit_length() - 1
        yield height, start >> height
        start += 1 << height


def _join(nodes: Sequence[Place], tiles: Tiles) -> bytes:
    found = _hash(*nodes[-1], tiles)
    for node in reversed(nodes[:-1]):
        found = node_hash(_hash(*node, tiles), found)
    return found


def _place(height: int, index: int) -> Place:
    """Say in which tile a node stands, or the hashes below it that it is made of."""
    level = height // HEIGHT
    return level, (index << (height % HEIGHT)) // WIDTH


def _hash(height: int, index: int, tiles: Tiles) -> bytes:
    within = height % HEIGHT
    first = (index << within) % WIDTH
    hashes = tiles[_place(height, index)]
    if within and len(hashes) == WIDTH * HASH_BYTES:
        at = (WIDTH - (WIDTH >> (within - 1)) + (first >> within)) * HASH_BYTES
        return _inner(hashes)[at : at + HASH_BYTES]
    return _fold(split(hashes[first * HASH_BYTES : (first + (1 << within)) * HASH_BYTES]))


@lru_cache(maxsize=_FOLDED_MAX)
def _inner(hashes: bytes) -> bytes:
    """Give all nodes above a full tile's hashes, level by level; known by the hashes, so never outdated."""
    nodes, found = split(hashes), b""
    while len(nodes) > 1:
        nodes = _joined(nodes)
        found += b"".join(nodes)
    return found


def _fold(hashes: Sequence[bytes]) -> bytes:
    """Hash a whole subtree together, level by level; ``ValueError`` unless it is whole."""
    if not hashes or len(hashes) & (len(hashes) - 1):
        raise ValueError("the tile holds too few hashes")
    while len(hashes) > 1:
        hashes = _joined(hashes)
    return hashes[0]


def _joined(hashes: Sequence[bytes]) -> list[bytes]:
    return [node_hash(left, right) for left, right in zip(hashes[::2], hashes[1::2], strict=True)]


def split(hashes: bytes) -> list[bytes]:
    """Cut the bytes of a tile into its hashes."""
    return [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)]


@dataclass(slots=True)
class Edge:
    """The right edge of a growing tree: the last tile of each level, as far as it is filled."""

    size: int = 0
    tiles: dict[int, bytes] = field(default_factory=dict)  # level: hashes of its last, partial tile

    @staticmethod
    def places(size: int) -> list[Place]:
        """Say which tiles the edge of a tree of that size is made of."""
        found: list[Place] = []
        level = 0
        while size >> (HEIGHT * level):
            width = size >> (HEIGHT * level)
            if width % WIDTH:
                found.append((level, width // WIDTH))
            level += 1
        return found

    @classmethod
    def of(cls, size: int, tiles: Tiles) -> "Edge":
        """Take the edge of a stored tree; ``ValueError`` when a tile is not as long as the size says."""
        edge = cls(size)
        for level, index in cls.places(size):
            width = (size >> (HEIGHT * level)) % WIDTH
            hashes = tiles.get((level, index), b"")
            if len(hashes) != width * HASH_BYTES:
                raise ValueError(f"tile {Tile(level, index, width).path()} is not stored as it must be")
            edge.tiles[level] = hashes
        return edge

    def extend(self, leaf_hashes: Sequence[bytes]) -> dict[Place, bytes]:
        """Add leaves; gives every tile that grew by it, as it stands now."""
        grown: dict[Place, bytes] = {}
        level, hashes = 0, list(leaf_hashes)
        before = self.size
        while hashes:
            index = (before >> (HEIGHT * level)) // WIDTH
            held = split(self.tiles.get(level, b"")) + hashes
            hashes = []
            for at in range(0, len(held), WIDTH):
                tile = held[at : at + WIDTH]
                grown[level, index + at // WIDTH] = b"".join(tile)
                if len(tile) == WIDTH:
                    hashes.append(_fold(tile))
            self.tiles[level] = b"".join(held[len(held) - len(held) % WIDTH :])
            level += 1
        self.size += len(leaf_hashes)
        return grown

    def root(self) -> bytes:
        """Compute the root of the tree."""
        held: dict[Place, bytes] = {}
        for level, hashes in self.tiles.items():
            held[level, (self.size >> (HEIGHT * level)) // WIDTH] = hashes
        return root(self.size, held)
