"""The tree under one checkpoint, tile by tile, each verified against it before it is believed.

The partial tiles at the right edge hash together to the root; each full tile hashes to what the tile above
it says, which was verified before it. So a tile that was rewritten is known, and named.
"""

from collections import OrderedDict
from collections.abc import Iterable

from creditsvc.ledger import tiles
from creditsvc.ledger.tiles import HEIGHT, WIDTH, Place, Tile
from creditsvc.verifier.log import Checkpoint
from creditsvc.verifier.tree import root_of
from creditsvc.witness.remote import Remote

KEPT_MAX = 1_024  # tiles of at most 8 KiB


class TileWrong(Exception):  # noqa: N818  it says what is wrong
    """A tile is not the one that the checkpoint's tree has; ``hashes`` are those that are served."""

    def __init__(self, tile: Tile, why: str, hashes: bytes = b"") -> None:
        super().__init__(f"tile {tile.path()} {why}")
        self.tile = tile
        self.hashes = hashes


class Tree:
    """The tiles under a checkpoint whose signature was checked."""

    def __init__(self, remote: Remote, checkpoint: Checkpoint) -> None:
        self.size = checkpoint.size
        self._root = checkpoint.root
        self._remote = remote
        self._fetched: OrderedDict[Place, bytes] = OrderedDict()
        self._edge: dict[Place, bytes] | None = None

    def tile_at(self, level: int, index: int) -> Tile:
        """Name a tile with the width that it has in this tree."""
        return Tile(level, index, min(WIDTH, (self.size >> (HEIGHT * level)) - index * WIDTH))

    async def consistency(self, old: int) -> list[bytes]:
        """Compute the proof that a smaller tree is this one's beginning, from tiles as they are served."""
        needed = sorted(tiles.needed_for_consistency(old, self.size))
        held = {place: await self.served(*place) for place in needed}
        return tiles.consistency(old, self.size, held)

    async def faults(self, places: Iterable[Place]) -> list[TileWrong]:
        """Verify tiles and those above them; gives each that is wrong, once."""
        found: dict[Tile, TileWrong] = {}
        for place in places:
            try:
                await self.verified(*place)
            except TileWrong as wrong:
                found.setdefault(wrong.tile, wrong)
        return list(found.values())

    async def served(self, level: int, index: int) -> bytes:
        """Give a tile as it is served; raises ``Unanswered``."""
        place = (level, index)
        if place in self._fetched:
            self._fetched.move_to_end(place)
        else:
            self._fetched[place] = await self._remote.tile(self.tile_at(level, index))
            if len(self._fetched) > KEPT_MAX:
                self._fetched.popitem(last=False)
        return self._fetched[place]

    async def verified(self, level: int, index: int) -> bytes:
        """Give a tile that is the checkpoint's; raises ``TileWrong`` for it or one above, ``Unanswered``."""
        tile = self.tile_at(level, index)
        if tile.width < WIDTH:
            return (await self.edge())[tile.place]
        above = await self.verified(level + 1, index // WIDTH)
        hashes = await self.served(level, index)
        if root_of(tiles.split(hashes)) != tiles.split(above)[index % WIDTH]:
            raise TileWrong(tile, f"does not hash to what level {level + 1} says", hashes)
        return hashes

    async def edge(self) -> dict[Place, bytes]:
        """Give the partial tiles, which hash together to the root; raises ``TileWrong`` when they do not."""
        if self._edge is None:
            held = await self._served_edge()
            if self._root_of(held) != self._root:
                first, *others = (self.tile_at(*place) for place in held)
                with_others = "".join(f"and tile {tile.path()} " for tile in others)
                raise TileWrong(
                    first, with_others + "do not come to the checkpoint's root", held[first.place]
                )
            self._edge = held
        return self._edge

    async def would_be_edge(self, place: Place, hashes: bytes) -> bool:
        """Tell whether the partial tiles would come to the root if one of them had other hashes."""
        return self._root_of(await self._served_edge() | {place: hashes}) == self._root

    async def _served_edge(self) -> dict[Place, bytes]:
        return {place: await self.served(*place) for place in tiles.Edge.places(self.size)}

    def _root_of(self, edge: dict[Place, bytes]) -> bytes:
        return tiles.root(self.size, edge)
