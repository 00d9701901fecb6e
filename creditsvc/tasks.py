"""Ending a task that keeps at something."""

import asyncio

CANCEL_EVERY_S = 0.5


async def ended(*tasks: "asyncio.Task[None]") -> None:
    """Cancel tasks and wait until they are done; what one of them failed with is raised.

    Cancelled once is not enough: a query that loses its connection in that moment fails with this instead,
    and a loop that survives a lost connection would run for ever.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=CANCEL_EVERY_S)
    for task in tasks:
        if not task.cancelled():
            task.result()
