"""Waiting for the next checkpoint: one looks for all, nobody waits in vain, and nobody costs who has left."""

import asyncio
import time
from contextlib import asynccontextmanager

import asyncpg
import pytest

from creditsvc.errors import RateLimited, Unavailable
from creditsvc.ledger import feed_tips
from creditsvc.ledger.feed_tips import LOOK_TICKS, TICK_S, WAITING_OF_KEY_MAX, Tip, Tips
from tests.feeding import feeding
from tests.making import event, ledger
from tests.processes import PATIENCE_S
from tests.sequencing import sequenced, settled

LOOK_S = LOOK_TICKS * TICK_S
LONG_S = 60  # that nobody waits for here


class Counted(Tips):
    """Counts how often it looks."""

    looks = 0

    async def look(self):
        self.looks += 1
        return await super().look()


@asynccontextmanager
async def tips_over(database, stopping=lambda: False):
    async with await feeding(database) as pool:
        tips = Counted(pool, stopping)
        try:
            yield tips
        finally:
            await tips.close()


def here():
    return False


async def waiting(tips, number):
    async with asyncio.timeout(PATIENCE_S):
        while tips.waiting != number:  # noqa: ASYNC110  nobody tells
            await asyncio.sleep(0.005)


async def test_before_the_log_has_begun_it_is_empty(database):
    async with tips_over(database) as tips:
        assert await tips.look() == Tip(0, None)


async def test_all_who_wait_share_one_look_and_wake_together(database, tmp_path):
    async with sequenced(database, tmp_path), ledger(database) as (writer, _), tips_over(database) as tips:
        tip = await tips.look()
        waiters = [asyncio.create_task(tips.beyond(tip, f"key {n}", LONG_S, here)) for n in range(50)]
        await asyncio.sleep(5 * LOOK_S)
        assert tips.looks < 20
        assert tips.waiting == 50
        assert not any(one.done() for one in waiters)
        await writer.submit([event("honour.granted", "H")])
        size = await settled(database)
        began_s = time.monotonic()
        found = await asyncio.gather(*waiters)
        assert time.monotonic() - began_s < LONG_S / 2
        assert {one.size for one in found} == {size}
        await asyncio.sleep(2 * LOOK_S)
        looks = tips.looks
        await asyncio.sleep(3 * LOOK_S)
        assert tips.looks == looks, "nobody waits: nobody looks"


async def test_who_waits_in_vain_learns_how_complete_it_is_by_now(database, tmp_path):
    async with sequenced(database, tmp_path), tips_over(database) as tips:
        await settled(database)
        first = await tips.look()
        async with asyncio.timeout(PATIENCE_S):
            later = await tips.beyond(first, "key", 4 * LOOK_S, here)
            while later.complete_until == first.complete_until:  # the log may be slower than we
                later = await tips.beyond(first, "key", 4 * LOOK_S, here)
        assert later.size == first.size
        assert later.complete_until > first.complete_until
        assert tips.waiting == 0


async def test_nobody_waits_for_a_worker_that_stops(database):
    stopping = False
    async with tips_over(database, lambda: stopping) as tips:
        waiters = [asyncio.create_task(tips.beyond(Tip(), f"key {n}", LONG_S, here)) for n in range(20)]
        await waiting(tips, 20)
        stopping = True
        began_s = time.monotonic()
        assert await asyncio.gather(*waiters) == [Tip()] * 20
        assert await tips.beyond(Tip(), "key", LONG_S, here) == Tip()
        assert time.monotonic() - began_s < LONG_S / 2


async def test_a_worker_stops_while_the_database_does_not_answer(database):
    stopping = False
    async with tips_over(database, lambda: stopping) as tips:
        # The table is locked as by a migration: a look for the checkpoint hangs.
        blocker = await asyncpg.connect(database, server_settings={"search_path": "creditsvc"})
        transaction = blocker.transaction()
        await transaction.start()
        await blocker.execute("lock table log_state in access exclusive mode")
        waiter = asyncio.create_task(tips.beyond(Tip(), "key", LONG_S, here))
        await waiting(tips, 1)
        await asyncio.sleep(2 * LOOK_S)
        stopping = True
        assert await asyncio.wait_for(waiter, LONG_S / 2) == Tip()
        await transaction.rollback()
        await blocker.close()


async def test_who_has_left_waits_no_more(database):
    left = False
    async with tips_over(database) as tips:
        waiters = [asyncio.create_task(tips.beyond(Tip(), "one", LONG_S, lambda: left)) for _ in range(3)]
        other = asyncio.create_task(tips.beyond(Tip(), "other", LONG_S, here))
        await waiting(tips, 4)
        left = True
        assert await asyncio.wait_for(asyncio.gather(*waiters), LONG_S / 2) == [Tip()] * 3
        assert tips.waiting == 1
        other.cancel()
        with pytest.raises(asyncio.CancelledError):
            await other
        assert tips.waiting == 0


async def test_so_many_wait_and_no_more(database, monkeypatch):
    monkeypatch.setattr(feed_tips, "WAITING_MAX", WAITING_OF_KEY_MAX + 2)
    async with tips_over(database) as tips:
        waiters = [
            asyncio.create_task(tips.beyond(Tip(), "greedy", 3, here)) for _ in range(WAITING_OF_KEY_MAX)
        ]
        await waiting(tips, WAITING_OF_KEY_MAX)
        with pytest.raises(RateLimited) as refused:
            await tips.beyond(Tip(), "greedy", 1, here)
        assert refused.value.retry_after_s
        waiters += [asyncio.create_task(tips.beyond(Tip(), f"key {n}", 3, here)) for n in range(2)]
        await waiting(tips, WAITING_OF_KEY_MAX + 2)
        with pytest.raises(Unavailable):
            await tips.beyond(Tip(), "one more", 1, here)
        await asyncio.gather(*waiters)
        assert await tips.beyond(Tip(), "greedy", 0.01, here) == Tip()


async def test_what_goes_wrong_is_told_to_all_who_wait(database, tmp_path):
    async with sequenced(database, tmp_path), await feeding(database) as pool:
        tips = Tips(pool, here)
        waiters = [asyncio.create_task(tips.beyond(Tip(9), f"key {n}", LONG_S, here)) for n in range(3)]
        await waiting(tips, 3)
        await pool.close()
        found = await asyncio.wait_for(asyncio.gather(*waiters, return_exceptions=True), LONG_S / 2)
        assert [type(one) for one in found] == [asyncpg.InterfaceError] * 3
        await tips.close()
