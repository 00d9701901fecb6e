"""Long work in short turns, so that a batch of thousands does not hold up a look-up."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

T = TypeVar("T")

ITEMS_A_TURN = 25  # about two milliseconds of folding or rendering


async def in_turns(items: Iterable[T]) -> AsyncIterator[T]:
    """Go through items, letting others have the loop after every few."""
    for place, item in enumerate(items, start=1):
        yield item
        if place % ITEMS_A_TURN == 0:
            await asyncio.sleep(0)
