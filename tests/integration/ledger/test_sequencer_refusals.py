"""What the sequencer refuses: to contradict what was signed, and to place what does not fit."""

import pytest

from creditsvc.ledger.checkpoints import Checkpoints, Unsound
from creditsvc.ledger.failures import ClockBehind
from creditsvc.ledger.sequencer import SQL
from creditsvc.ledger.signing import CHECKPOINT, begin, log_signer
from creditsvc.settings import Settings
from creditsvc.store.database import Queries, connect
from tests.making import event, ledger
from tests.sequencing import check, entity, push, sequencer

AHEAD = "append_horizon() + interval '1 hour'"


async def test_a_log_set_back_is_not_signed_nor_grown(database, tmp_path):
    async with ledger(database) as (writer, _), sequencer(database, tmp_path) as one:
        await push(writer, 30)
        await one.drain()
        await one.sign()
        connection = await connect(database)
        await connection.execute(
            "alter table log_checkpoint disable trigger user; delete from log_checkpoint;"
            "alter table log_checkpoint enable trigger user; alter table log_entry disable trigger user;"
            "delete from log_entry where position >= 20; update log_state set size = 20"
        )
        await connection.close()
        with pytest.raises(Unsound, match="set back"):
            await one.sign()
        await push(writer, 1)
        with pytest.raises(Unsound):
            await one.drain()


@pytest.mark.parametrize("place", [(0, 0), (0, 1), (1, 0)])
async def test_a_rewritten_tile_is_not_signed(database, tmp_path, place):
    async with ledger(database) as (writer, _), sequencer(database, tmp_path) as one:
        await push(writer, 400)
        await one.drain()
        await one.sign()
        await push(writer, 3)
        await one.drain()
        connection = await connect(database)
        await connection.execute("alter table log_tile disable trigger user")
        await connection.execute(
            "update log_tile set hashes = set_byte(hashes, 0, get_byte(hashes, 0) # 1)"
            " where level = $1 and tile = $2",
            *place,
        )
        await connection.close()
        if place == (0, 0):  # under its parent's hash, where only fsck and those who fetch it look
            await one.sign()
            return
        with pytest.raises(Unsound):
            await one.sign()


async def test_another_logs_checkpoint_in_the_file_is_refused(database, tmp_path, make_database):
    async with sequencer(await make_database(), tmp_path / "other") as stranger:
        await stranger.sign()
    async with sequencer(database, tmp_path) as one:
        (tmp_path / "log" / CHECKPOINT).write_text((tmp_path / "other" / "log" / CHECKPOINT).read_text())
        with pytest.raises(Unsound, match="not one that this log signed"):
            await one.sign()


@pytest.mark.parametrize(
    "change",
    [
        "content = set_byte(content, 1, 255)",
        "salt = set_byte(salt, 1, get_byte(salt, 1) # 1)",
        "source = 'urn:agency:x'",
        "recorded_at = recorded_at + interval '1 microsecond'",
    ],
)
async def test_an_event_altered_before_it_was_placed_is_left_and_told(database, tmp_path, change, caplog):
    async with ledger(database) as (writer, _), sequencer(database, tmp_path) as one:
        await push(writer, 10, entities=10)
        connection = await connect(database)
        await connection.execute("alter table event disable trigger user")
        altering = f"update event set {change} where entity_id = 'usdot:100004'"  # noqa: S608  as above
        await connection.execute(altering)
        assert await one.drain() == 9
        assert await one.drain() == 0
        assert "an entry is not placed in the log" in caplog.text
        await one.sign()
        await push(writer, 1, entities=1)  # and the rest goes on
        assert await one.drain() == 1
        assert await connection.fetchval("select count(*) from log_pending") == 1
        await connection.close()


async def test_a_back_dated_event_is_not_placed(database, tmp_path, caplog):
    async with ledger(database) as (writer, _), sequencer(database, tmp_path) as one:
        await push(writer, 5)
        await one.drain()
        connection = await connect(database)
        await connection.execute(
            "insert into event select 'usdot:7', 1, recorded_at - interval '1 day', source, 'forged', type,"
            " time, record, content, salt, leaf_hash, opens, touches_public from event limit 1"
        )
        await connection.execute("insert into log_pending (entity_id, sequence) values ('usdot:7', 1)")
        assert await one.drain() == 0
        assert await connection.fetchval("select size from log_state") == 5
        await connection.close()
        assert any("back-dated" in str(record.__dict__.get("fields")) for record in caplog.records)


async def test_nothing_is_recorded_before_what_the_log_is_complete_until(database, tmp_path):
    """A clock set back must not put events where the log says that there are none."""
    async with ledger(database) as (writer, _), sequencer(database, tmp_path) as one:
        connection = await connect(database)
        ahead = await connection.fetchval(
            "update log_state set complete_until = clock_timestamp() + interval '5 seconds'"
            " returning complete_until"
        )
        await connection.close()
        await push(writer, 3)
        assert await one.drain() == 3
    connection = await connect(database)
    assert await connection.fetchval("select min(recorded_at) from event") >= ahead
    await connection.close()


async def test_without_the_file_nothing_is_signed_until_somebody_has_looked(database, tmp_path):
    """On another host, or after a loss, nothing tells whether the database was set back."""
    async with ledger(database) as (writer, _), sequencer(database, tmp_path) as one:
        await push(writer, 3)
        await one.drain()
        await one.sign()
        file = tmp_path / "log" / CHECKPOINT
        kept = file.read_text()
        file.unlink()
        await push(writer, 2)
        with pytest.raises(Unsound, match="creditsvc log accept"):
            await one.sign()
        settings = Settings(data_dir=tmp_path)
        connection = await connect(database)
        checkpoints = Checkpoints(log_signer(settings, await begin(connection, settings)), file)
        assert (await checkpoints.accept(connection)).size == 3
        assert file.read_text() == kept
        with pytest.raises(Unsound, match="there already"):
            await checkpoints.accept(connection)
        await connection.close()
        await one.drain()
        await one.sign()
    assert await check(database) == 5


async def test_what_is_refused_hides_nothing_that_waits(database, tmp_path, caplog):
    """Neither rows of the queue that nobody knows, however many, nor one event that stands in it twice."""
    async with ledger(database) as (writer, _), sequencer(database, tmp_path, batch=5, most_pending=3) as one:
        await push(writer, 4)
        await one.drain()
        connection = await connect(database)
        await connection.execute(
            "insert into log_pending (entity_id, sequence) select 'usdot:9', n from generate_series(1, 20) n;"
            "insert into log_pending (entity_id, sequence, recorded_at)"
            " select 'usdot:8', n, (select complete_until from log_state) - interval '1 second'"
            " from generate_series(1, 20) n;"
        )
        await push(writer, 3)
        await connection.execute(
            "insert into log_pending (entity_id, sequence, recorded_at)"
            " select entity_id, sequence, recorded_at + interval '1 microsecond' from log_pending"
            " where recorded_at > (select complete_until from log_state) limit 1"
        )
        before = await connection.fetchval("select complete_until from log_state")
        await one.sign()
        assert await connection.fetchval("select complete_until from log_state") == before
        while await one.drain():
            pass
        await one.sign()
        assert await connection.fetchval("select size from log_state") == 7
        await connection.execute("delete from log_pending")
        await connection.close()
    assert {"it is not stored", "it stands in the queue twice"} <= {
        getattr(record, "fields", {}).get("why") for record in caplog.records
    }
    assert await check(database) == 7


async def test_a_clock_that_jumps_ahead_is_not_believed(database, tmp_path, monkeypatch, caplog):
    async with ledger(database) as (writer, _), sequencer(database, tmp_path) as one:
        await one.sign()
        ahead = Queries(dict(SQL) | {"state": SQL.state.replace("append_horizon()", AHEAD)})
        monkeypatch.setattr("creditsvc.ledger.sequencer.SQL", ahead)
        await push(writer, 2)
        assert await one.drain() == 2  # placed all the same
        await one.sign()
        connection = await connect(database)
        assert await connection.fetchval("select complete_until <= clock_timestamp() from log_state")
        assert "jumped ahead" in caplog.text
        monkeypatch.undo()
        await one.sign()
        await connection.execute(
            "update log_state set complete_until = clock_timestamp() + interval '1 year'"
        )
        (outcome,) = await writer.submit([event("inspection.completed", "late", subject=entity(1))])
        assert isinstance(outcome, ClockBehind), "nothing is recorded in the future"
        await connection.close()
