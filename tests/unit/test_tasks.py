"""Tasks that keep at something end when they are told, also by what loses the telling."""

import asyncio

import pytest

from creditsvc import tasks


async def losing_it(times: int, said: list[str]) -> None:
    """Keep at it, as a loop does whose query fails in the moment in which it is cancelled."""
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            said.append("cancelled")
            if len(said) > times:
                raise


async def begun(*coroutines) -> list[asyncio.Task]:
    started = [asyncio.create_task(one) for one in coroutines]
    await asyncio.sleep(0)
    return started


@pytest.mark.parametrize("times", [0, 1, 2])
async def test_a_task_ends_however_often_the_cancelling_was_lost(monkeypatch, times):
    monkeypatch.setattr(tasks, "CANCEL_EVERY_S", 0.01)
    said: list[str] = []
    running, another = await begun(losing_it(times, said), losing_it(0, []))
    async with asyncio.timeout(10):
        await tasks.ended(running, another)
    assert running.cancelled()
    assert another.cancelled()
    assert len(said) == times + 1


async def test_what_a_task_failed_with_is_raised_once_all_are_done():
    async def failing() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            raise LookupError("gone")

    running, another = await begun(failing(), losing_it(0, []))
    with pytest.raises(LookupError, match="gone"):
        await tasks.ended(running, another)
    assert another.cancelled()


async def test_ending_nothing_and_what_has_ended():
    done = asyncio.create_task(asyncio.sleep(0))
    await done
    async with asyncio.timeout(10):
        await tasks.ended()
        await tasks.ended(done)
