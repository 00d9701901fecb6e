"""Reads a log's entries from the feed and holds them against the tree, and against what it remembers.

Each entry is hashed again from what it says. Its leaf must stand at its position in the tree under a
checkpoint that was verified; numbers must count on within an entity, times rise, and nothing may turn up
that should have been in the log before.
"""

from collections.abc import Callable
from typing import Any

from creditsvc.domain import instants
from creditsvc.ledger.tiles import HASH_BYTES, WIDTH, Tile, split
from creditsvc.verifier.tree import root_of
from creditsvc.verifier.wrong import Wrong
from creditsvc.witness import entries
from creditsvc.witness.entries import Entry
from creditsvc.witness.faults import FAULTS_MAX, Faults
from creditsvc.witness.memory import Memory, Progress, Reading, instant
from creditsvc.witness.remote import Remote, Unanswered, Unreadable
from creditsvc.witness.tree import TileWrong, Tree


class Follower:
    """One reading of the feed, up to the size of a checkpoint."""

    def __init__(self, remote: Remote, tree: Tree, memory: Memory, reading: Reading, faults: Faults) -> None:
        self.faults = faults
        self._remote = remote
        self._tree = tree
        self._memory = memory
        self._reading = reading
        self._latest_us = 0
        self._wrong_tiles: set[Tile] = set()

    async def read(self, max_delay_s: float, told: Callable[[int, int], None] = lambda *_: None) -> None:
        """Read on from where this reading is; what is sound is remembered, and nothing behind a fault.

        Raises ``Unanswered``.
        """
        at, self._latest_us = self._memory.progress(self._reading)
        while at < self._tree.size and not self.faults.are_many:
            end = min(self._tree.size, (at // WIDTH + 1) * WIDTH)
            found = await self._entries(at, end)
            hashes = await self._hashes(at // WIDTH, found)
            for entry in found.values():
                if entry.hashed != hashes[entry.position % WIDTH]:
                    tile = self._tree.tile_at(0, entry.position // WIDTH).path()
                    self._wrong(f"{entry}: it does not make the leaf that stands there in tile {tile}")
                self._follow(entry, max_delay_s)
            at = end
            if not self.faults.wrong:
                self._memory.advance(self._reading, Progress(at, self._latest_us))
            told(at, self._tree.size)

    async def _entries(self, start: int, end: int) -> dict[int, Entry]:
        """Fetch the entries of positions; what is missing or cannot be read is noted, one by one."""
        found: dict[int, Entry] = {}
        at, count = start, end - start
        while at < end:
            try:
                items, following = await self._page(at, min(count, end - at))
            except Unreadable as failure:
                if count > 1:
                    count //= 2
                    continue
                self._wrong(f"position {at}: the log has an entry there and does not give it ({failure})")
                items, following = {}, at
                at, count = at + 1, WIDTH
                continue
            for position in range(at, min(following, end)):
                if position in items:
                    self._take(items[position], position, found)
                else:
                    self._wrong(f"position {position}: the feed leaves it out (is the key an auditor's?)")
            at = following
        return found

    async def _page(self, at: int, count: int) -> tuple[dict[int, Any], int]:
        match await self._remote.entries(at, count):
            case {"items": list(items), "next": int(following)}:
                pass
            case _:
                raise Unreadable("the feed is not answered with a page")
        if following <= at:
            raise Unanswered(f"the feed does not go on at position {at}, and the log does")
        placed = {entries.position_of(item): item for item in items}
        if len(placed) != len(items) or any(
            position is None or not at <= position < following for position in placed
        ):
            raise Unreadable("a page of the feed has entries from elsewhere, or twice")
        return {position: item for position, item in placed.items() if position is not None}, following

    def _take(self, item: Any, position: int, found: dict[int, Entry]) -> None:
        if "withdrawn" in item and "leaf" not in item:
            raise Unanswered("this key is not shown every entry: an auditor's is needed")
        try:
            found[position] = entry = entries.read(item)
            self.faults.parted += entry.parted
        except Wrong as wrong:
            self._wrong(f"position {position}: {wrong}")

    async def _hashes(self, index: int, found: dict[int, Entry]) -> list[bytes]:
        """Give the leaf hashes of a tile: the verified ones, or those that entries make if they are right."""
        try:
            return split(await self._tree.verified(0, index))
        except TileWrong as wrong:
            served = split(await self._tree.served(0, index))
            made = list(served)
            for position, entry in found.items():
                made[position % WIDTH] = entry.hashed
            differing = [place for place in range(len(made)) if made[place] != served[place]]
            if differing and await self._is_tree(index, made):
                places = ", ".join(str(index * WIDTH + place) for place in differing)
                tile = self._tree.tile_at(0, index).path()
                self._wrong(f"tile {tile} was rewritten at position {places}: the entries there are right")
                return made
            if wrong.tile not in self._wrong_tiles:
                self._wrong_tiles.add(wrong.tile)
                self._wrong(str(wrong))
            return served

    async def _is_tree(self, index: int, hashes: list[bytes]) -> bool:
        """Tell whether the checkpoint's tree has these hashes in a tile of the lowest level."""
        if len(hashes) < WIDTH:
            return await self._tree.would_be_edge((0, index), b"".join(hashes))
        try:
            above = await self._tree.verified(1, index // WIDTH)
        except TileWrong:
            return False
        place = index % WIDTH * HASH_BYTES
        return root_of(hashes) == above[place : place + HASH_BYTES]

    def _follow(self, entry: Entry, max_delay_s: float) -> None:
        """Hold an entry against those before it: of its entity, and of the whole log."""
        number, last_us = self._memory.last(self._reading, entry)
        recorded_us = instants.microseconds(entry.recorded_at)
        if entry.number <= number:
            self._wrong(f"{entry}: it comes after {entry.kind} {number} of the same entity")
        elif entry.number > number + 1:
            self._wrong(f"{entry}: {entry.kind} {number + 1} of the same entity is missing before it")
        # Notices of one moment share their time; events never do.
        if recorded_us < last_us or (recorded_us == last_us and entry.kind == "event"):
            self._wrong(
                f"{entry}: it is recorded at {instant(recorded_us)}, and the {entry.kind} before it at "
                f"{instant(last_us)}"
            )
        if recorded_us < self._memory.bound_us(entry.position):
            self._belated(entry, recorded_us, max_delay_s)
        self._latest_us = max(self._latest_us, recorded_us)
        self._memory.enter(self._reading, entry)

    def _belated(self, entry: Entry, recorded_us: int, max_delay_s: float) -> None:
        """Note an entry that was not in the log when it should have been.

        If the log has caught up after a failure, in order, it broke its promise; if it had gone on to later
        ones already, the entry was put in behind their backs.
        """
        came = f"{entry}: it is recorded at {instant(recorded_us)}, and the log did not have it in time"
        if recorded_us < self._latest_us - max_delay_s * instants.MICROSECONDS:
            self._wrong(f"{came}, when it had later ones: it is back-dated")
        elif len(self.faults.late) < FAULTS_MAX:
            self.faults.late.append(f"{came} (promised within {max_delay_s:g} s): it is late, or back-dated")

    def _wrong(self, text: str) -> None:
        self.faults.add(text)


async def sweep(tree: Tree, faults: Faults, told: Callable[[int, int], None] = lambda *_: None) -> None:
    """Verify every tile under a checkpoint, without looking at entries."""
    tiles = -(-tree.size // WIDTH)
    for index in range(tiles):
        for wrong in await tree.faults([(0, index)]):
            faults.add(str(wrong))
        told(index + 1, tiles)
        if faults.are_many:
            break
