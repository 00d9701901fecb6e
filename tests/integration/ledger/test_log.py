"""What the log shows verifies at every size, and shows nothing beyond the newest checkpoint."""

import asyncio
import random
from base64 import b64decode, b64encode
from contextlib import asynccontextmanager

import pytest

from creditsvc.domain.views import Viewer
from creditsvc.errors import Internal, NotFound
from creditsvc.ledger import log as reading
from creditsvc.ledger import measures, tiles
from creditsvc.ledger.folds import Folds
from creditsvc.ledger.log import Log
from creditsvc.ledger.promises import HEADING, Promises
from creditsvc.ledger.signing import identity, log_signer
from creditsvc.ledger.tiles import Edge, Tile
from creditsvc.settings import Settings
from creditsvc.store.database import connect, lookup_pool
from creditsvc.verifier.log import open_checkpoint
from creditsvc.verifier.notes import VerifierKey, parse_note, verify_note
from creditsvc.verifier.tree import EMPTY_ROOT, root_of, verify_consistency, verify_inclusion
from tests.making import ENTITY, OTHER_ENTITY, OTHER_SOURCE, event, ledger
from tests.sequencing import sequencer

HASH = 32


@asynccontextmanager
async def shown(dsn):
    """The log of a database, as a worker reads it; it forgets at once what it has read."""
    async with await lookup_pool(dsn, Settings()) as pool:
        async with pool.acquire() as connection:
            known = await identity(connection)
        yield Log(pool, Folds(pool), known)


@pytest.fixture
def forgetful(monkeypatch):
    monkeypatch.setattr(reading, "REMEMBER_S", 0)


async def execute(dsn, statement, *values):
    """What an owner of the database may do behind the service's back."""
    connection = await connect(dsn)
    try:
        for table in ("log_tile", "log_checkpoint", "log_entry", "log_cosignature"):
            await connection.execute(f"alter table {table} disable trigger user")
        await connection.execute(statement, *values)
    finally:
        await connection.close()


def parsed(proof):
    """The size and the hashes of a consistency proof, and the checkpoint behind it."""
    head, checkpoint = proof.split("\n\n", 1)
    first, *lines = head.split("\n")
    proof = [b64decode(line, validate=True) for line in lines]
    assert all(len(one) == HASH for one in proof)
    return int(first.removeprefix("old ")), proof, checkpoint


async def every_proof_verifies(log, entity, leaf_hashes):
    newest, proven = await log.prove(entity, leaf_hashes)
    for one in proven:
        assert one.leaf_hash == leaf_hashes[one.sequence]
        verify_inclusion(one.leaf_hash, one.index, newest.size, one.hashes, newest.root)
    return newest, proven


@pytest.mark.usefixtures("forgetful")
async def test_proofs_verify_at_every_size_and_every_size_continues_those_before(database, tmp_path):
    chance = random.Random(20260305)
    roots = {0: EMPTY_ROOT}
    async with (
        sequencer(database, tmp_path) as one,
        ledger(database) as (writer, _),
        shown(database) as log,
    ):
        key = VerifierKey.parse(log.identity.verifier_key)
        await one.sign()
        held: dict[str, dict[int, bytes]] = {ENTITY: {}, OTHER_ENTITY: {}}
        while max(roots) < 300:
            count = chance.choice((1, 1, 2, 3, 40))
            receipts = await writer.submit(
                [
                    event("licence.granted", f"L{max(roots)}-{n}", subject=chance.choice((*held,)))
                    for n in range(count)
                ]
            )
            for receipt in receipts:
                held[receipt.entity][receipt.sequence] = receipt.leaf_hash
            assert await one.drain() == count
            await one.sign()
            for entity, leaf_hashes in held.items():
                newest, proven = await every_proof_verifies(log, entity, leaf_hashes)
                assert [found.sequence for found in proven] == sorted(leaf_hashes)
            assert open_checkpoint(newest.note, key).size == newest.size == max(roots) + count
            for size, root in roots.items():
                told, proof, checkpoint = parsed(await log.consistency(size))
                assert (told, checkpoint) == (size, newest.note)
                if size:
                    verify_consistency(size, newest.size, proof, root, newest.root)
                else:
                    assert proof == []
            roots[newest.size] = newest.root
        whole = await log.tile(Tile(0, 0))
        rest = await log.tile(Tile(0, 1, newest.size - 256))
        assert root_of(tiles.split(whole + rest)) == newest.root


async def test_nothing_beyond_the_newest_checkpoint_is_shown(database, tmp_path):
    async with (
        sequencer(database, tmp_path) as one,
        ledger(database) as (writer, _),
        shown(database) as log,
    ):
        with pytest.raises(NotFound):
            await log.checkpoint()
        receipts = await writer.submit([event("licence.granted", f"L{n}") for n in range(5)])
        await one.drain()
        await one.sign()
        receipts += await writer.submit([event("licence.granted", f"M{n}") for n in range(300)])
        leaf_hashes = {receipt.sequence: receipt.leaf_hash for receipt in receipts}
        assert await one.drain() == 300
        newest, proven = await every_proof_verifies(log, ENTITY, leaf_hashes)
        assert newest.size == len(proven) == 5
        assert await log.tile(Tile(0, 0, 5)) == b"".join([*leaf_hashes.values()][:5])
        for beyond in (Tile(0, 0, 6), Tile(0, 0), Tile(0, 1, 1), Tile(1, 0, 1), Tile(63, 10**17)):
            assert await log.tile(beyond) is None
        with pytest.raises(NotFound):
            await log.consistency(6)
        assert (await log.prove(OTHER_ENTITY, {1: bytes(HASH)}))[1] == []
        assert (await log.prove(OTHER_ENTITY, {}))[1] == []
        # What another process has shown of a newer checkpoint is found at once, remembered or not.
        await one.sign()
        assert (await log.checkpoint()).size == 5
        assert await log.tile(Tile(0, 0)) == b"".join([*leaf_hashes.values()][:256])
        assert (await log.checkpoint()).size == 305
        assert len(await log.tile(Tile(1, 0, 1))) == HASH


async def test_who_asks_at_the_same_moment_shares_the_answer(database, tmp_path):
    async with sequencer(database, tmp_path) as one, shown(database) as log:
        await one.sign()
        reads = 0
        read = log._read

        async def counted():
            nonlocal reads
            reads += 1
            return await read()

        log._read = counted
        await asyncio.gather(*(log.checkpoint() for _ in range(50)))
        assert reads == 1
        await asyncio.gather(*(log.checkpoint(at_least=10**6) for _ in range(50)))
        assert reads <= 3, "those far beyond the end share a query too"

        async def failing():
            nonlocal reads
            reads += 1
            await asyncio.sleep(0.01)
            raise OSError

        log._read, log._newest, reads = failing, None, 0
        failures = await asyncio.gather(*(log.checkpoint() for _ in range(50)), return_exceptions=True)
        assert ({*map(type, failures)}, reads) == ({OSError}, 1), "and a database that is away is asked once"


async def grown(dsn, tmp_path, size):
    """A log of a size, whose leaves are numbers: its rows as a sequencer would have left them."""
    async with sequencer(dsn, tmp_path):
        pass
    connection = await connect(dsn)
    edge, leaf_hashes = Edge(), [n.to_bytes(HASH) for n in range(size)]
    held: dict[tiles.Place, bytes] = {}
    for start in range(0, size, 10_000):
        held |= edge.extend(leaf_hashes[start : start + 10_000])
    try:
        known = await identity(connection)
        note = log_signer(Settings(data_dir=tmp_path), known).sign(
            f"{known.origin}\n{size}\n{b64encode(edge.root()).decode()}\n"
        )
        await connection.executemany(
            "insert into log_tile (level, tile, hashes) values ($1, $2, $3)",
            [(*place, hashes) for place, hashes in held.items()],
        )
        await connection.execute(
            "insert into log_checkpoint (size, root, note) values ($1, $2, $3)", size, edge.root(), note
        )
        await connection.execute("update log_state set size = $1, root = $2", size, edge.root())
    finally:
        await connection.close()
    return leaf_hashes


async def test_a_log_of_three_levels(database, tmp_path):
    size = 70_000
    leaf_hashes = await grown(database, tmp_path, size)
    positions = {1: 0, 2: 255, 3: 256, 4: 65_535, 5: 65_536, 6: 69_887, 7: 69_888, 8: size - 1}
    for sequence, position in positions.items():
        await execute(
            database, "insert into log_entry values ($1, $2, 'event', $3)", position, ENTITY, sequence
        )
    async with shown(database) as log:
        wanted = {sequence: leaf_hashes[position] for sequence, position in positions.items()}
        newest, proven = await every_proof_verifies(log, ENTITY, wanted)
        assert {one.sequence: one.index for one in proven} == positions
        for old in (1, 255, 256, 257, 65_535, 65_536, 65_537, 69_999, size):
            _, proof, _ = parsed(await log.consistency(old))
            verify_consistency(old, size, proof, root_of(leaf_hashes[:old]), newest.root)
        for path, width in {"0/273.p/112": 112, "1/000": 256, "1/001.p/17": 17, "2/000.p/1": 1}.items():
            tile = Tile.parse(path)
            assert len(await log.tile(tile)) == width * HASH
            first = tile.index << 8
            below = leaf_hashes[first << (8 * tile.level) : (first + 1) << (8 * tile.level)]
            assert (await log.tile(tile))[:HASH] == root_of(below)
        assert await log.tile(Tile.parse("0/273.p/113")) is None
        assert await log.tile(Tile.parse("2/000.p/2")) is None


FLIP = "update log_tile set hashes = set_byte(hashes, 40, get_byte(hashes, 40) # 1)"
BROKEN = {
    "a leaf hash": (FLIP, "inclusion"),
    "a tile that is gone": ("delete from log_tile", "inclusion"),
    "a tile cut short": ("update log_tile set hashes = substr(hashes, 1, 32)", "inclusion"),
    "a checkpoint's root": ("update log_checkpoint set root = sha256('x')", "checkpoint"),
    "a checkpoint's note": (
        r"update log_checkpoint set note = replace(note, E'\n10\n', E'\n11\n')",
        "checkpoint",
    ),
    "an entry's position": (
        "delete from log_entry where position = 3; update log_entry set position = 3 where position = 4",
        "inclusion",
    ),
}


@pytest.mark.parametrize(("statement", "check"), BROKEN.values(), ids=[*BROKEN])
async def test_what_does_not_verify_is_counted_and_not_given(database, tmp_path, statement, check):
    async with sequencer(database, tmp_path) as one, ledger(database) as (writer, _):
        receipts = await writer.submit([event("licence.granted", f"L{n}") for n in range(10)])
        await one.drain()
        await one.sign()
    await execute(database, statement)
    failures = measures.SELF_CHECK_FAILURES.labels(check)
    before = failures._value.get()
    async with shown(database) as log:
        with pytest.raises(Internal):
            await log.prove(ENTITY, {receipt.sequence: receipt.leaf_hash for receipt in receipts})
    assert failures._value.get() == before + 1


@pytest.mark.parametrize(
    "statement",
    [
        FLIP,
        "delete from log_tile",
        "update log_checkpoint set root = sha256('x') where size = 4",
    ],
)
async def test_a_broken_consistency_is_not_given(database, tmp_path, statement):
    async with sequencer(database, tmp_path) as one, ledger(database) as (writer, _):
        for size in (4, 8, 12):
            await writer.submit([event("licence.granted", f"L{size}-{n}") for n in range(4)])
            await one.drain()
            await one.sign()
    await execute(database, statement)
    async with shown(database) as log:
        with pytest.raises(Internal):
            await log.consistency(4)


async def test_cosignatures_come_with_the_checkpoint_of_their_size(database, tmp_path):
    line = "— witness.example.com " + b64encode(bytes(76)).decode()
    async with sequencer(database, tmp_path) as one, ledger(database) as (writer, _):
        await one.sign()
        await execute(database, "insert into log_cosignature values (0, 'w', $1)", line)
        async with shown(database) as log:
            assert (await log.checkpoint()).note.endswith(line + "\n")
        await writer.submit([event("licence.granted", "L1")])
        await one.drain()
        await one.sign()
        async with shown(database) as log:
            assert line not in (await log.checkpoint()).note
        await execute(database, "insert into log_cosignature values (1, 'w', $1)", line + "\n")
        await execute(database, "insert into log_cosignature values (1, 'v', $1)", line)
        async with shown(database) as log:
            assert (await log.checkpoint()).note.endswith(f"\n{line}\n{line}\n")


async def test_one_event_is_seen_exactly_where_the_history_has_it(database):
    hidden = {"severity": "minor", "decided_on": "2026-06-01"}
    async with ledger(database) as (writer, reader):
        await writer.submit(
            [
                event("honour.granted", "H1"),
                event("penalty.imposed", "P1", **hidden),
                event("record.revoked", "H1", reason="x"),
                event("record.corrected", "X1", source=OTHER_SOURCE, reason="x", changes={"title": "x"}),
                event("licence.granted", "L1"),
            ]
        )
        for viewer in (
            Viewer("public"),
            Viewer("partner"),
            Viewer("agency", sources=frozenset({OTHER_SOURCE})),
            Viewer("operator"),
        ):
            seen = await reader.moments.at(ENTITY, viewer.view, None)
            at = seen.moment.valid_from
            page = await reader.pages.history(ENTITY, viewer, at, after=0, limit=100)
            rows = [await reader.pages.event(ENTITY, viewer, at, sequence) for sequence in range(1, 9)]
            assert [one.row["sequence"] for one in rows if one] == [item["sequence"] for item in page.items]


async def test_a_promise_is_over_the_receipts_in_their_order(database, tmp_path):
    async with sequencer(database, tmp_path), ledger(database) as (writer, _):
        connection = await connect(database)
        known = await identity(connection)
        await connection.close()
        promises = Promises.of(Settings(data_dir=tmp_path, log_max_delay_s=2.5), known)
        key = VerifierKey.parse(known.receipt_verifier_key)
        assert (key.name, await promises.over([])) == (f"{known.origin}/receipts", None)
        receipts = await writer.submit([event("licence.granted", f"L{n}") for n in range(7)])
        for some in (receipts[:1], receipts, receipts[::-1]):
            hashes = [receipt.leaf_hash for receipt in some]
            note = parse_note(await promises.over(hashes))
            verify_note(note, key)
            root = b64encode(root_of(hashes)).decode()
            assert note.text == f"{HEADING}\n{known.origin}\n3\n{len(some)}\n{root}\n"
            assert await promises.over(hashes) == await promises.over(tuple(hashes))
