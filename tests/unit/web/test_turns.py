"""Whose sheet is worked on when: one of each client at a time, and none keeps the others out."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from creditsvc.errors import Unavailable
from creditsvc.web.site import apart
from creditsvc.web.site.apart import Apart


class Slow(Apart):
    """Carries nothing out, but waits to be told that it is done; tells the orders as they begin."""

    def __init__(self) -> None:
        super().__init__()
        self.begun: asyncio.Queue[str] = asyncio.Queue()
        self.done = asyncio.Semaphore(0)

    async def _performed(self, order, content):
        self.begun.put_nowait(order["do"])
        await self.done.acquire()
        return dict(order), content

    async def next(self) -> str:
        return await asyncio.wait_for(self.begun.get(), 10)


@asynccontextmanager
async def asking(slow: Slow, *orders: str):
    """Ask for orders, each named for its client and a number, one after another."""
    tasks = []
    for order in orders:
        tasks.append(asyncio.create_task(slow.perform(order[0], {"do": order}, b"")))
        await asyncio.sleep(0)
    try:
        yield tasks
    finally:
        for _ in tasks:
            slow.done.release()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_the_second_of_a_client_comes_behind_those_of_others():
    slow = Slow()
    async with asking(slow, "a1", "a2", "b1", "c1"):
        order = []
        for _ in range(4):
            order.append(await slow.next())
            slow.done.release()
    assert order == ["a1", "b1", "c1", "a2"]


async def test_more_of_a_client_are_told_to_come_later_and_take_nobodys_place():
    slow = Slow()
    async with asking(slow, "a1", *[f"a{n}" for n in range(2, 20)], "b1") as tasks:
        assert await slow.next() == "a1"
        late = [task.exception() for task in tasks[apart.OF_ONE_CLIENT_MAX : -1]]
        assert all(isinstance(one, Unavailable) and one.retry_after_s == apart.RETRY_AFTER_S for one in late)
        slow.done.release()
        assert await slow.next() == "b1"


async def test_whoever_waits_too_long_gives_the_place_back(monkeypatch):
    monkeypatch.setattr(apart, "WAIT_MAX_S", 0.05)
    slow = Slow()
    async with asking(slow, "a1", "a2", "b1") as tasks:
        assert await slow.next() == "a1"
        for late in tasks[1:]:
            with pytest.raises(Unavailable):
                await late
    slow.done = asyncio.Semaphore(2)
    await asyncio.gather(*(slow.perform(client, {"do": client}, b"") for client in "ab"))
    assert not slow._of_client
