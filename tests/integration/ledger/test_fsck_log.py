"""fsck and the log: an entry that somebody altered is named; what is only in flight is not."""

import asyncio

import pytest

from creditsvc.ledger.accounts import SQL
from creditsvc.ledger.fsck import examine
from creditsvc.ledger.signing import CHECKPOINT
from creditsvc.settings import Settings
from tests.checking import Log, back_dating_clock, events, found, owner, position
from tests.making import ENTITY, OTHER_ENTITY, event, ledger
from tests.sequencing import sequenced, sequencer, settled
from tests.tampering import back_date, flip, remove, rewrite, squeeze_in, swap, unguarded

ONE, OTHER = "usdot:100001", "usdot:100002"


async def test_an_untouched_log_is_clean(log):
    report = await examine(log.dsn, Settings(data_dir=log.data_dir), progress=lambda *_: None)
    assert report.faults == []
    assert report.log.remarks == []
    assert (report.entities, report.log.entries, report.log.checkpoints) == (20, 300, 4)


async def test_before_the_log_begins_only_organisations_are_checked(database, tmp_path):
    async with ledger(database) as (writer, _):
        await writer.submit(events(5))
    report = await examine(database, Settings(data_dir=tmp_path), progress=lambda *_: None)
    assert (report.faults, report.log.begun, report.entities) == ([], False, 5)


async def test_beside_writers_and_sequencers_nothing_is_found(database, tmp_path):
    wanted = Log(database, tmp_path)
    async with ledger(database) as (writer, _), sequenced(database, tmp_path, batch=70):

        async def write():
            for _ in range(60):
                await writer.submit(events(20, entities=13))

        async def check():
            while True:
                assert await found(wanted) == []
                rounds.append(1)

        rounds = []
        checking = asyncio.create_task(check())
        await asyncio.gather(*(write() for _ in range(3)))
        assert await settled(database) == 3_600
        checking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await checking
    assert rounds, "it was never checked beside them"
    assert await found(wanted) == []


ALTERED = "it was altered since it was placed"
OTHER_CONTENT = (
    """content = convert_to(replace(convert_from(content, 'UTF8'), 'inspection', 'inspektion'), 'UTF8')"""
)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("content = set_byte(content, 9, get_byte(content, 9) # 1)", ALTERED),
        (OTHER_CONTENT, ALTERED),
        ("salt = set_byte(salt, 0, get_byte(salt, 0) # 128)", ALTERED),
        ("recorded_at = recorded_at + interval '1 microsecond'", ALTERED),
        ("source = 'urn:agency:x'", ALTERED),
        ("recorded_at = 'infinity'", ALTERED),
        ("recorded_at = '-infinity'", ALTERED),
        ("leaf_hash = set_byte(leaf_hash, 0, get_byte(leaf_hash, 0) # 1)", "the leaf hash stored with it"),
    ],
)
async def test_what_was_altered_in_a_row_is_named(log, change, named):
    async with owner(log.dsn) as connection:
        at = await position(connection, (ONE, 3))
        async with unguarded(connection):
            await connection.execute(f"update event set {change} where (entity_id, sequence) = ($1, 3)", ONE)  # noqa: S608
    faults = await found(log)
    assert any(fault.startswith(f"{ONE} event 3 (position {at}): {named}") for fault in faults), faults
    assert not any("checkpoint" in fault or "tile" in fault for fault in faults), "the tree is as it was"


async def test_an_altered_row_with_its_hashes_made_anew_is_named(log):
    async with owner(log.dsn) as connection:
        at = await position(connection, (ONE, 3))
        await flip(connection, (ONE, 3), "salt")
        tiles = await connection.fetch("select * from log_tile")
        await rewrite(connection)
        faults = await found(log)
        assert faults[0].startswith("the checkpoint of size 100: the entries come to another root")
        assert "from position 0 to 99" in faults[0]
        assert "so it is with 2 checkpoints after it" in faults
        async with unguarded(connection):  # with the tiles as they were, the entry
            await connection.execute("delete from log_tile")
            await connection.executemany("insert into log_tile values ($1, $2, $3)", tiles)
    faults = await found(log)
    assert (
        f"{ONE} event 3 (position {at}): tile 0/000 has another hash for it than its row comes to" in faults
    )


async def test_a_removed_row_is_named(log):
    async with owner(log.dsn) as connection:
        at = await position(connection, (ONE, 3))
        await remove(connection, (ONE, 3))
    faults = await found(log)
    assert f"{ONE} event 3 (position {at}): is missing" in faults
    assert f"{ONE} event 3 (position {at}): its row is missing: it was removed" in faults


@pytest.mark.parametrize("other", [(ONE, 5), (OTHER, 3), (OTHER, 14)])
async def test_swapped_rows_are_named(log, other):
    async with owner(log.dsn) as connection:
        places = {place: await position(connection, place) for place in ((ONE, 3), other)}
        await swap(connection, (ONE, 3), other)
    faults = await found(log)
    for (entity, sequence), at in places.items():
        assert any(fault.startswith(f"{entity} event {sequence} (position {at}): ") for fault in faults)


@pytest.mark.parametrize("other", [(ONE, 5), (OTHER, 3)])
async def test_swapped_positions_are_named(log, other):
    async with owner(log.dsn) as connection:
        one, two = await position(connection, (ONE, 3)), await position(connection, other)
        async with unguarded(connection):
            for before, after in ((one, 10**6), (two, one), (10**6, two)):
                await connection.execute(
                    "update log_entry set position = $2 where position = $1", before, after
                )
    faults = await found(log)
    assert any(fault.startswith(f"{ONE} event 3 (position {two}): ") for fault in faults), faults
    assert any(fault.startswith(f"{other[0]} event {other[1]} (position {one}): ") for fault in faults)
    assert any("stands before an earlier one" in fault for fault in faults) == (other[0] == ONE)


@pytest.mark.parametrize("queued", [False, True])
async def test_a_back_dated_row_is_named(log, queued):
    async with owner(log.dsn) as connection:
        entity, sequence = await back_date(connection, (ONE, 15), queued=queued)
    faults = await found(log)
    name = f"{entity} event {sequence}: "
    assert name + "recorded no later than the one before it" in faults
    if queued:
        assert any(fault.startswith(name + "the log refuses it: it is back-dated, to ") for fault in faults)
    else:
        assert name + "has no position in the log, nor does it wait for one" in faults


async def forge(log, monkeypatch):
    """Have the service itself record an event an hour ago, so that nothing in it is wrong."""
    with monkeypatch.context() as patched:
        patched.setitem(SQL._texts, "now", back_dating_clock(1))
        async with ledger(log.dsn) as (writer, _):
            await writer.submit([event("penalty.imposed", "P1")])


async def test_a_back_dated_event_with_everything_made_anew_contradicts_what_was_signed(log, monkeypatch):
    await forge(log, monkeypatch)
    async with owner(log.dsn) as connection:
        await squeeze_in(connection, 150, (ENTITY, 1))
        faults = await found(log)
        assert faults[0].startswith("the checkpoint of size 260: ")
        assert "something from position 100 to 259 is not what was signed" in faults[0]
        assert (
            f"the checkpoint in {log.data_dir / 'log' / CHECKPOINT}: the first 300 entries come to"
            in "".join(faults)
        )
        assert all("checkpoint" in fault for fault in faults), "nothing else can tell"
        async with unguarded(connection):
            await connection.execute("delete from log_checkpoint")
    faults = await found(log)
    assert len(faults) == 1
    assert "the first 300 entries come to another root" in faults[0], "what is outside the database tells"


async def test_a_back_dated_event_that_was_signed_for_is_named(log, monkeypatch):
    await forge(log, monkeypatch)
    async with owner(log.dsn) as connection:
        async with unguarded(connection):
            await connection.execute("update log_identity set began_at = began_at - interval '1 day'")
        await squeeze_in(connection, 300, (ENTITY, 1))
    async with sequencer(log.dsn, log.data_dir) as one:
        await one.sign()
    faults = await found(log)
    assert len(faults) == 1
    assert faults[0].startswith(f"{ENTITY} event 1 (position 300): is back-dated: recorded at ")


async def test_what_came_late_in_its_order_is_told_and_is_no_fault(log):
    async with owner(log.dsn) as connection, unguarded(connection):
        await connection.execute(
            "update log_checkpoint set signed_at = signed_at + interval '1 hour' where size = 100"
        )
    report = await examine(log.dsn, Settings(data_dir=log.data_dir), progress=lambda *_: None)
    assert report.faults == []
    assert "160 entries came into the log later than receipts promise" in report.log.remarks[0]


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("delete from event where entity_id = $1", "waits for the log, and is not stored"),
        (
            "update event set content = set_byte(content, 1, 255) where entity_id = $1",
            "the log refuses it: it was altered before it had its position",
        ),
    ],
)
async def test_what_was_altered_before_it_was_placed_is_named(log, statement, named):
    async with ledger(log.dsn) as (writer, _), sequencer(log.dsn, log.data_dir) as one:
        await writer.submit([event("penalty.imposed", "P1", subject=OTHER_ENTITY)])
        async with owner(log.dsn) as connection, unguarded(connection):
            await connection.execute(statement, OTHER_ENTITY)
        assert await one.drain() == 0
    faults = await found(log)
    assert any(fault.startswith(f"{OTHER_ENTITY} event 1: {named}") for fault in faults), faults
