"""fsck of the log by position: from rows to leaf hashes, to tiles, to roots, to signatures.

Each link is checked by itself, so that what is wrong is named where it is: a row against the leaf hash that
its tile has for it, every tile against those below it, the root at the size of every checkpoint against what
was signed. It walks up to the size that the log had when it began; nothing below that ever changes, so it
needs no snapshot of the whole, and what is placed meanwhile does not matter. Of the tree it holds the edge.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import groupby
from operator import itemgetter

from creditsvc.domain.canonical import leaf_hash
from creditsvc.ledger.checkpoints import read_tiles
from creditsvc.ledger.entries import Row, Session, leaf_of
from creditsvc.ledger.fsck_signed import Kept, Lateness, Signed, read_kept, wrong_keys
from creditsvc.ledger.signing import Identity, identity
from creditsvc.ledger.tiles import HASH_BYTES, HEIGHT, WIDTH, Place, Tile
from creditsvc.settings import Settings
from creditsvc.store.database import load_queries
from creditsvc.verifier.tree import EMPTY_ROOT, node_hash
from creditsvc.verifier.wrong import Wrong

SQL = load_queries("fsck")
PAGE = 16 * WIDTH
MOST_FAULTS = 1_000  # more would say no more
NO_HASH = bytes(HASH_BYTES)


@dataclass(slots=True)
class LogReport:
    """What was found. ``begun``: is there a log; ``entries`` and ``checkpoints``: how many were checked."""

    faults: list[str] = field(default_factory=list)
    begun: bool = True
    entries: int = 0
    checkpoints: int = 0
    remarks: list[str] = field(default_factory=list)


def named(row: Row) -> str:
    """Name an entry of the log."""
    return f"{row['entity_id']} {row['kind']} {row['sequence']} (position {row['position']})"


async def check_log(
    connection: Session, settings: Settings | None, progress: Callable[[int], None]
) -> LogReport:
    """Check the log; without settings nothing outside the database is looked at.

    ``progress`` is told the position that was come to.
    """
    report = LogReport()
    kept = read_kept(settings)
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        known = await identity(connection)
        state = await connection.fetchrow(SQL.log_state)
        if known is None or state is None:
            report.begun = False
            if known is not None or await connection.fetchval(SQL.has_log):
                report.faults.append("the log: has begun, and which it is or where it stands was removed")
            return report
        report.faults += [fault async for fault in _beyond(connection, state["size"])]
    report.faults += wrong_keys(settings, known)
    try:
        walk = _Walk(known, state, kept, settings)
    except Wrong as wrong:
        report.faults.append(f"the log: its verifier key cannot be one: {wrong}")
        return report
    report.faults += walk.signed.begin()
    async for page in _pages(connection, state["size"]):
        report.faults += walk.take(page)
        report.faults += [fault async for fault in _compare(connection, walk.tree.finished())]
        progress(page.end)
        if len(report.faults) >= MOST_FAULTS:
            break
    else:
        report.faults += [fault async for fault in _compare(connection, walk.tree.unfinished())]
        report.faults += walk.end()
    report.faults = report.faults[:MOST_FAULTS]
    report.entries, report.checkpoints = walk.tree.size, walk.signed.judged
    if walk.lateness.count:
        report.remarks.append(
            f"{walk.lateness.count:,} entries came into the log later than receipts promise, the first being "
            f"{walk.lateness.first}"
        )
    return report


async def _beyond(connection: Session, size: int) -> AsyncIterator[str]:
    for row in await connection.fetch(SQL.entries_beyond, size):
        yield f"{named(row)}: stands where the log, of {size} entries, does not reach"
    for row in await connection.fetch(SQL.tiles_beyond, size):
        path = Tile(row["level"], row["tile"], row["width"]).path()
        yield f"tile {path}: has more hashes than the log, of {size} entries, comes to"
    for row in await connection.fetch(SQL.signed_beyond, size):
        yield f"{row['what']}: {row['fault']}"


@dataclass(slots=True)
class _Page:
    """What is stored of the positions from ``start`` to before ``end``, and of the sizes that end there."""

    start: int
    end: int
    entries: Sequence[Row]
    tiles: dict[int, bytes]
    checkpoints: dict[int, Row]
    cosignatures: dict[int, list[Row]]


async def _pages(connection: Session, size: int) -> AsyncIterator[_Page]:
    for start in range(0, max(size, 1), PAGE):
        end = min(start + PAGE, size)
        sizes = (start + 1 if start else 0, end)
        entries = await connection.fetch(SQL.entries, start, end)
        tiles = await connection.fetch(SQL.leaf_tiles, start // WIDTH, -(-end // WIDTH))
        checkpoints = await connection.fetch(SQL.checkpoints, *sizes)
        cosignatures = await connection.fetch(SQL.cosignatures, *sizes)
        yield _Page(
            start,
            end,
            entries,
            {row["tile"]: row["hashes"] for row in tiles},
            {row["size"]: row for row in checkpoints},
            {at: list(rows) for at, rows in groupby(cosignatures, key=itemgetter("size"))},
        )


class _Tree:
    """A tree as it grows, leaf by leaf; gives the tiles that it comes to, above the leaf hashes."""

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[bytes] = []  # the roots of its whole subtrees, the greatest first
        self._edge: dict[int, list[bytes]] = {}
        self._finished: list[tuple[Place, bytes]] = []

    def add(self, hashed: bytes) -> None:
        index, height = self.size, 0
        while index & 1:
            hashed = node_hash(self._peaks.pop(), hashed)
            index >>= 1
            height += 1
            if height % HEIGHT == 0:
                self._note(height // HEIGHT, index, hashed)
        self._peaks.append(hashed)
        self.size += 1

    def _note(self, level: int, index: int, hashed: bytes) -> None:
        edge = self._edge.setdefault(level, [])
        edge.append(hashed)
        if len(edge) == WIDTH:
            self._finished.append(((level, index // WIDTH), b"".join(edge)))
            edge.clear()

    def root(self) -> bytes:
        if not self._peaks:
            return EMPTY_ROOT
        found = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            found = node_hash(peak, found)
        return found

    def finished(self) -> list[tuple[Place, bytes]]:
        """Give the tiles that were finished since last asked."""
        found, self._finished = self._finished, []
        return found

    def unfinished(self) -> list[tuple[Place, bytes]]:
        """Give the tiles that are begun."""
        return [
            ((level, (self.size >> (HEIGHT * level)) // WIDTH), b"".join(edge))
            for level, edge in self._edge.items()
            if edge
        ]


async def _compare(connection: Session, computed: Sequence[tuple[Place, bytes]]) -> AsyncIterator[str]:
    """Compare tiles with those stored, which may have grown meanwhile."""
    stored = await read_tiles(connection, [place for place, _ in computed]) if computed else {}
    for place, hashes in computed:
        what = f"tile {_path(place, hashes)}"
        found = stored.get(place, b"")
        if len(found) < len(hashes):
            yield f"{what}: {_short(found)}"
        elif not found.startswith(hashes):
            places = range(len(hashes) // HASH_BYTES)
            wrong = next(at for at in places if _hash_in(found, at) != _hash_in(hashes, at))
            yield f"{what}: is not what the tiles below it come to, from its hash {wrong} on"


def _short(hashes: bytes) -> str:
    return f"has only {len(hashes) // HASH_BYTES} hashes" if hashes else "is missing"


def _path(place: Place, hashes: bytes) -> str:
    return Tile(*place, len(hashes) // HASH_BYTES).path()


def _hash_in(hashes: bytes, at: int) -> bytes:
    return hashes[at * HASH_BYTES : (at + 1) * HASH_BYTES]


class _Walk:
    """The walk over the log: what is carried from one position to the next."""

    def __init__(self, known: Identity, state: Row, kept: Kept | None, settings: Settings | None) -> None:
        self._state = state
        self.tree = _Tree()
        self.signed = Signed(known, state["size"], kept, settings)
        max_delay = timedelta(seconds=(settings or Settings()).log_max_delay_s)
        self.lateness = Lateness(max_delay, known.began_at)
        self._names: dict[int, str] = {}

    def take(self, page: _Page) -> Iterator[str]:
        """Check a page of positions."""
        yield from _gaps(page)
        yield from self._short_tiles(page)
        rows = {row["position"]: row for row in page.entries}
        if page.start == 0:
            yield from self._judge_size(page, rows)
        sizes = {*page.checkpoints, self.signed.kept_size}
        for position in range(page.start, page.end):
            held = _hash_in(page.tiles.get(position // WIDTH, b""), position % WIDTH) or None
            row, hashed = rows.get(position), None
            if row is not None:
                hashed = _leaf_hash(row)
                if hashed != held or row["leaf_hash"] != held:
                    yield f"{named(row)}: {_mismatch(row, hashed, held)}"
                else:
                    yield from self._late(row)
            self.tree.add(held or hashed or NO_HASH)
            if self.tree.size in sizes:
                yield from self._judge_size(page, rows)

    def _late(self, row: Row) -> Iterator[str]:
        late = self.lateness.judge(row["recorded_at"], lambda: named(row))
        if late is not None:
            yield f"{named(row)}: {late}"

    def _judge_size(self, page: _Page, rows: dict[int, Row]) -> Iterator[str]:
        size, root = self.tree.size, self.tree.root()
        if size == self.signed.kept_size:
            yield from self.signed.judge_kept(root)
        checkpoint = page.checkpoints.get(size)
        if checkpoint is None:
            return

        def name(position: int) -> str:
            row = rows.get(position)
            return f"position {position}" if row is None else named(row)

        yield from self.signed.judge(checkpoint, root, page.cosignatures.get(size, ()), name)
        self.lateness.sign(checkpoint["signed_at"])

    @staticmethod
    def _short_tiles(page: _Page) -> Iterator[str]:
        for index in range(page.start // WIDTH, -(-page.end // WIDTH)):
            width = min(WIDTH, page.end - index * WIDTH)
            found = page.tiles.get(index, b"")
            if len(found) < width * HASH_BYTES:
                yield f"tile {Tile(0, index, width).path()}: {_short(found)}"

    def end(self) -> Iterator[str]:
        """Say what only shows when the log's size is reached."""
        if self.tree.root() != self._state["root"]:
            yield f"the log: its root is not what its {self.tree.size} entries come to"
        yield from self.signed.end(self._state["drained_at"])


def _gaps(page: _Page) -> Iterator[str]:
    """Name positions at which nothing stands."""
    expected = page.start
    for position in (*(row["position"] for row in page.entries), page.end):
        if position > expected:
            until = "" if position - 1 == expected else f" to {position - 1}"
            yield f"position {expected}{until}: nothing stands there"
        expected = position + 1


def _leaf_hash(row: Row) -> bytes | None:
    """Compute a leaf hash from the stored row; null where there is none, or no leaf can be made of it."""
    if row["commitment"] is None:
        return None
    place = (row["entity_id"], row["kind"], row["sequence"])
    try:
        return leaf_hash(leaf_of(place, row, row["commitment"]))
    except (ValueError, OverflowError):  # a time at the ends of time
        return None


def _mismatch(row: Row, hashed: bytes | None, held: bytes | None) -> str:
    """Say in words how a row, its leaf hash and its tile disagree."""
    if row["leaf_hash"] is None:
        return "its row is missing: it was removed"
    if held is None:
        return "its tile has no hash for it"
    if hashed == held:
        return "the leaf hash stored with it is not its own"
    if row["leaf_hash"] == held:
        return "it was altered since it was placed: its content, salt, place or time is not what was hashed"
    return f"tile {Tile(0, row['position'] // WIDTH).path()} has another hash for it than its row comes to"
