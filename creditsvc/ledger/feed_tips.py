"""Where the log's newest checkpoint stands, and waiting for the next one.

However many wait in a worker, one task looks for them all, and none while nobody waits.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from creditsvc.errors import RateLimited, Unavailable
from creditsvc.ledger.feed import SQL
from creditsvc.store.database import Pool
from creditsvc.tasks import ended

TICK_S = 0.05  # between looks for who need not wait any more
LOOK_TICKS = 4  # between looks for a new checkpoint, which are signed about every second
WAITING_MAX = 256  # in one worker: a new checkpoint wakes them all at once
WAITING_OF_KEY_MAX = 8
RETRY_AFTER_S = 5
KNOWN_MAX = 64


@dataclass(frozen=True, slots=True)
class Tip:
    """The newest checkpoint's size; everything recorded before ``complete_until`` is below it."""

    size: int = 0
    complete_until: datetime | None = None


class Completeness:
    """Works out until when a checkpoint is complete from what is known of the log beside it.

    The log itself is mostly ahead of its newest checkpoint, and what it is complete until is about the log.
    That it was complete until an instant when it had a size holds for every checkpoint of that size or more:
    so what is seen is remembered until a checkpoint reaches it.
    """

    def __init__(self) -> None:
        self._known: dict[int, datetime] = {}  # complete until then with all positions below this size
        self._size = 0

    def learn(self, size: int, placed: int, complete_until: datetime | None) -> Tip:
        """Take in a checkpoint's size, and the log's and until when it was complete, seen at one moment."""
        if size < self._size:
            self._known = {}  # the database was set back, or this was seen before what is known
        self._size = size
        if complete_until is not None:
            self._known[placed] = max(complete_until, self._known.get(placed, complete_until))
        return Tip(size, self._settle(size))

    def _settle(self, size: int) -> datetime | None:
        """Give the latest that is known for a size, and forget what that makes needless."""
        until = max((until for known, until in self._known.items() if known <= size), default=None)
        ahead = {known: until for known, until in self._known.items() if known > size}
        self._known = ahead if until is None else {size: until} | ahead
        for known in sorted(self._known)[KNOWN_MAX:]:  # the lowest are reached first
            del self._known[known]
        return until


@dataclass(frozen=True, slots=True, eq=False)
class _Waiter:
    known: Tip
    gone: Callable[[], bool]
    tip: "asyncio.Future[Tip]"


class Tips:
    """Looks where the newest checkpoint stands, and lets readers wait for the next one."""

    def __init__(self, pool: Pool, stopping: Callable[[], bool]) -> None:
        self._pool = pool
        self._stopping = stopping
        self._complete = Completeness()
        self._newest = Tip()
        self._waiters: set[_Waiter] = set()
        self._of_key: Counter[str] = Counter()
        self._looking: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        return len(self._waiters)

    async def look(self) -> Tip:
        """Look now: what another worker has told before this began is seen."""
        async with self._pool.acquire() as connection:
            row = await connection.fetchrow(SQL.tip)
        if row is None:
            return Tip()
        self._newest = self._complete.learn(row["size"], row["placed"], row["complete_until"])
        return self._newest

    async def beyond(self, tip: Tip, key: str, timeout_s: float, gone: Callable[[], bool]) -> Tip:
        """Wait for a checkpoint beyond one; gives the same size when the time is up.

        Ends at once when the worker is stopping or whoever asks is ``gone``. Raises ``Unavailable`` when too
        many wait, ``RateLimited`` when too many of this key do, and what a look for the checkpoint raises.
        """
        if self._stopping():
            return tip
        if self._of_key[key] >= WAITING_OF_KEY_MAX:
            raise RateLimited(
                f"{WAITING_OF_KEY_MAX} requests of this key are waiting already.", retry_after_s=RETRY_AFTER_S
            )
        if len(self._waiters) >= WAITING_MAX:
            raise Unavailable("Too many are waiting; ask again", retry_after_s=RETRY_AFTER_S)
        waiter = _Waiter(tip, gone, asyncio.get_running_loop().create_future())
        self._waiters.add(waiter)
        self._of_key[key] += 1
        if self._looking is None:
            self._looking = asyncio.create_task(self._look_on())
        try:
            async with asyncio.timeout(timeout_s):
                return await waiter.tip
        except TimeoutError:
            return self._latest(tip)
        finally:
            self._waiters.discard(waiter)
            self._of_key[key] -= 1
            if not self._of_key[key]:
                del self._of_key[key]

    def _latest(self, tip: Tip) -> Tip:
        return self._newest if self._newest.size == tip.size else tip

    async def _look_on(self) -> None:
        """Look again and again while anybody waits."""
        try:
            while self._waiters:
                await self._look_once()
                for _ in range(LOOK_TICKS):
                    self._release()
                    if not self._waiters:
                        return
                    await asyncio.sleep(TICK_S)
        finally:
            self._looking = None

    async def _look_once(self) -> None:
        look = asyncio.create_task(self.look())
        try:
            while not look.done():
                await asyncio.wait({look}, timeout=TICK_S)
                self._release()
        finally:
            look.cancel()
        error = look.exception()
        for waiter in self._waiters:
            if waiter.tip.done():
                continue
            if error is not None:
                waiter.tip.set_exception(error)
                waiter.tip.exception()  # whoever waited may have gone: not worth a warning then
            elif look.result().size > waiter.known.size:
                waiter.tip.set_result(look.result())

    def _release(self) -> None:
        """Let go whoever has left, and everybody when the worker stops."""
        stopping = self._stopping()
        for waiter in self._waiters:
            if (stopping or waiter.gone()) and not waiter.tip.done():
                waiter.tip.set_result(self._latest(waiter.known))

    async def close(self) -> None:
        if self._looking is not None:
            await ended(self._looking)
