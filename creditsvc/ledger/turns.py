"""Long work in short turns, so that a batch of thousands does not hold up a look-up."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")

ITEMS_A_TURN = 4  # half a millisecond of folding or rendering
PART_ROWS = 20  # of a message to the database or from it: what makes one or reads one cannot stop in between


async def in_turns(items: Iterable[T]) -> AsyncIterator[T]:
    """Go through items, letting others have the loop after every few."""
    for place, item in enumerate(items, start=1):
        yield item
        if place % ITEMS_A_TURN == 0:
            await asyncio.sleep(0)


def parts(rows: Sequence[T]) -> list[Sequence[T]]:
    """Cut rows into parts that are each sent, or asked for, by themselves."""
    return [rows[start : start + PART_ROWS] for start in range(0, len(rows), PART_ROWS)]
