"""The sequencer: every event once, one root for a size, whoever runs beside it and wherever it is killed."""

import asyncio
import random
from contextlib import AsyncExitStack

import asyncpg
import pytest

from creditsvc.errors import Unavailable
from creditsvc.ledger.backlog import Backlog
from creditsvc.ledger.checkpoints import Checkpoints
from creditsvc.ledger.sequencer import SQL, Overtaken, Sequencer
from creditsvc.ledger.signing import CHECKPOINT, LOG_KEY, LogRefused, begin, checkpoint_file, log_signer
from creditsvc.settings import Settings
from creditsvc.store.database import Queries, connect, sequence_pool
from creditsvc.verifier.tree import EMPTY_ROOT
from tests.faults import ERRORS, Faults, faulty_pools
from tests.making import event, ledger
from tests.sequencing import check, entity, push, sequenced, sequencer, settled


async def test_an_empty_log_is_signed(database, tmp_path):
    async with sequencer(database, tmp_path) as one:
        await one.sign()
        assert await one.drain() == 0
    connection = await connect(database)
    row = await connection.fetchrow("select size, root from log_checkpoint")
    await connection.close()
    assert tuple(row) == (0, EMPTY_ROOT)


async def test_drains_in_batches_and_signs(database, tmp_path):
    async with ledger(database) as (writer, _), sequencer(database, tmp_path, batch=100) as one:
        await push(writer, 450)
        await push(writer, 150, entities=3)
        placed = [await one.drain() for _ in range(7)]
        assert placed == [100] * 6 + [0]
        await one.sign()
    assert await check(database) == 600
    note = (tmp_path / "log" / CHECKPOINT).read_text()
    connection = await connect(database)
    assert note == await connection.fetchval("select note from log_checkpoint where size = 600")
    assert await connection.fetchval("select complete_until <= clock_timestamp() from log_state")
    await connection.close()


async def test_what_waited_before_there_was_a_log_is_placed_first(database, tmp_path):
    async with ledger(database) as (writer, _):
        await push(writer, 20)
        connection = await connect(database)
        await connection.execute(
            "update log_pending set recorded_at = '-infinity'"
        )  # as older code left them
        await connection.close()
        await push(writer, 20, entities=2)
        async with sequenced(database, tmp_path, batch=7):
            assert await settled(database) == 40
    assert await check(database) == 40


@pytest.mark.parametrize("seed", range(3))
async def test_sequencers_beside_each_other_and_writers(database, tmp_path, seed):
    chance = random.Random(seed)
    async with ledger(database) as (writer, _), AsyncExitStack() as stack:
        for _ in range(3):
            await stack.enter_async_context(sequenced(database, tmp_path, batch=chance.choice([1, 3, 50])))

        async def write(number):
            for turn in range(6):
                await asyncio.sleep(chance.random() / 50)
                events = [
                    event("inspection.completed", f"{number}-{turn}-{n}", subject=entity(chance.randrange(9)))
                    for n in range(chance.randrange(1, 9))
                ]
                await writer.submit(events)

        await asyncio.gather(*map(write, range(8)))
        size = await settled(database)
    assert await check(database) == size > 48


async def test_without_the_lock_the_swap_alone_keeps_a_second_one_harmless(database, tmp_path, monkeypatch):
    unlocked = Queries(dict(SQL) | {"try_lock": "select true"})
    monkeypatch.setattr("creditsvc.ledger.sequencer.SQL", unlocked)
    overtaken = 0
    async with ledger(database) as (writer, _), AsyncExitStack() as stack:
        ones = [await stack.enter_async_context(sequencer(database, tmp_path, batch=5)) for _ in range(4)]
        for turn in range(8):
            await push(writer, 40, entities=5 + turn)
            for outcome in await asyncio.gather(*(one.drain() for one in ones), return_exceptions=True):
                # Unsound, too: what it read in two statements was of two states, and it refused.
                overtaken += isinstance(outcome, Exception)
        while await ones[0].drain():
            pass
        await ones[0].sign()
    assert overtaken > 0, "the swap was never put to the test"
    assert await check(database) == 320


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("error", ["does not exist", "timeout"])
async def test_killed_between_any_two_steps(database, tmp_path, monkeypatch, when, error):
    faults = Faults()
    async with ledger(database) as (writer, _):
        faulty_pools(monkeypatch, faults)
        async with sequencer(database, tmp_path, batch=10) as dying, sequencer(database, tmp_path) as other:
            at, hits = 1, 0
            while True:
                await push(writer, 25, entities=4)
                faults.set(at, when, ERRORS[error])
                try:
                    await dying.drain()
                    await dying.sign()
                    await dying.drain()
                except (OSError, TimeoutError, *_database_errors()):
                    hits += 1
                was_hit = faults.hit
                faults.heal()
                if not was_hit:
                    break
                if at % 3 == 0:  # another takes over; else the same one comes back
                    await other.drain()
                    await other.sign()
                at += 1
            while await dying.drain():
                pass
            await dying.sign()
    assert hits >= 20, "every call of the three steps has failed once"
    assert await check(database) == 25 * at


def _database_errors():
    return (asyncpg.PostgresError, asyncpg.InterfaceError, Overtaken)


async def test_a_log_keeps_its_key_and_its_name(database, tmp_path):
    settings = Settings(data_dir=tmp_path, log_origin="example.org/log")
    connection = await connect(database)
    known = await begin(connection, settings)
    assert known == await begin(connection, settings)
    assert known.verifier_key.startswith("example.org/log+")
    assert (tmp_path / "log" / LOG_KEY).stat().st_mode & 0o777 == 0o600
    with pytest.raises(LogRefused, match="keeps its origin"):
        await begin(connection, Settings(data_dir=tmp_path, log_origin="example.org/other"))
    with pytest.raises(LogRefused, match="is missing"):
        await begin(connection, Settings(data_dir=tmp_path / "elsewhere"))
    (tmp_path / "log" / LOG_KEY).write_text("no key")
    with pytest.raises(LogRefused, match="does not hold"):
        await begin(connection, settings)
    await connection.close()


async def test_events_are_put_off_while_the_log_cannot_keep_up(database, tmp_path):
    settings = Settings(data_dir=tmp_path)
    async with sequencer(database, tmp_path) as one, await sequence_pool(database, settings) as pool:
        backlog = Backlog(pool, longest_s=0.2, most_pending=1_000)
        async with ledger(database, gate=backlog.refuse_if_full) as (writer, _):
            await push(writer, 3)
            await asyncio.sleep(0.4)
            await backlog.look()
            with pytest.raises(Unavailable) as refused:
                await push(writer, 1)
            assert refused.value.retry_after_s
            await one.drain()
            await backlog.look()
            await push(writer, 1)
            await one.sign()
            crowded = Backlog(pool, longest_s=60, most_pending=1)
            await crowded.look()
            with pytest.raises(Unavailable):
                crowded.refuse_if_full()
            await crowded.close()
        await backlog.close()


class Late:
    """A witness that cosigns when it is asked for the second time."""

    number = 1

    def __init__(self):
        self.asked = []

    async def collect(self, note, size, consistency):
        self.asked.append(size)
        assert await consistency(size) == []
        return [("witness.example", "— witness.example AAAA\n")] if len(self.asked) > 1 else []


async def test_a_witness_that_was_away_is_asked_again(database, tmp_path, monkeypatch):
    monkeypatch.setattr("creditsvc.ledger.checkpoints.ASK_AGAIN_S", 0.05)
    late = Late()
    settings = Settings(data_dir=tmp_path)
    connection = await connect(database)
    signer = log_signer(settings, await begin(connection, settings))
    async with ledger(database) as (writer, _), await sequence_pool(database, settings) as pool:
        checkpoints = Checkpoints(signer, checkpoint_file(settings), late)
        one = Sequencer(pool, checkpoints, interval_s=1, most_pending=10)
        await one.sign()  # of the empty log nobody is asked
        await push(writer, 2)
        await one.drain()
        for _ in range(10):
            await one.sign()
            await asyncio.sleep(0.03)
        row = await connection.fetchrow("select size, witness from log_cosignature")
    await connection.close()
    assert late.asked == [2, 2]
    assert tuple(row) == (2, "witness.example")
