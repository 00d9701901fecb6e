"""The writer: requests in flight together share a transaction, and what fails one event fails it alone."""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from time import perf_counter

from creditsvc.domain.events import Event
from creditsvc.domain.standing import Rules
from creditsvc.errors import Internal, Unavailable
from creditsvc.ledger import measures
from creditsvc.ledger.append import append
from creditsvc.ledger.failures import AGAIN
from creditsvc.ledger.receipts import Outcome
from creditsvc.store.database import Pool

log = logging.getLogger(__name__)

GROUP_EVENTS = 250  # of one transaction: enough to share its cost, few enough not to hold up the loop
# While a transaction is under way, fewer than so many wait to share the next one, unless it takes too long:
# most of what a single event costs is its share of a transaction.
FULL_EVENTS = 100
PATIENCE_S = 0.05
ATTEMPTS = 6
FIRST_PAUSE_S = 0.05
RETRY_AFTER_S = 1


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Events handed in together, and whoever waits for their outcomes. They stay together, in order."""

    events: Sequence[Event]
    outcomes: "asyncio.Future[Sequence[Outcome]]"


class Writer:
    """Takes events from all requests of this process and appends them in groups."""

    def __init__(
        self,
        pool: Pool,
        rules: Rules,
        *,
        committers: int,
        most_waiting: int,
        gate: Callable[[], None] = lambda: None,
    ) -> None:
        self._gate = gate
        self._pool = pool
        self._rules = rules
        self._most_waiting = most_waiting
        self._waiting: deque[_Waiting] = deque()
        self._events_waiting = 0
        self._under_way = 0
        self._begun = 0.0
        self._patience: asyncio.TimerHandle | None = None
        self._arrived = asyncio.Event()
        self._stopping = False
        self._tasks = [asyncio.create_task(self._run(), name=f"append-{n}") for n in range(committers)]

    @property
    def waiting(self) -> int:
        return self._events_waiting

    async def submit(self, events: Sequence[Event]) -> Sequence[Outcome]:
        """Append up to ``GROUP_EVENTS`` events; returns when they are durable, the outcomes in their order.

        Raises ``Unavailable`` at once when too many are waiting here, and what ``gate`` raises: nothing of
        this call was taken then.
        """
        self._gate()
        if self._stopping or self._events_waiting + len(events) > self._most_waiting:
            raise Unavailable("Too many events are waiting to be recorded", retry_after_s=RETRY_AFTER_S)
        waiting = _Waiting(events, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._events_waiting += len(events)
        if self._ready():
            self._arrived.set()
        elif self._patience is None:
            self._patience = asyncio.get_running_loop().call_later(PATIENCE_S, self._look_again)
        return await waiting.outcomes

    def _look_again(self) -> None:
        self._patience = None
        self._arrived.set()

    def _ready(self) -> bool:
        """Whether what waits should have a transaction of its own now."""
        if not self._waiting or self._under_way == 0 or self._events_waiting >= FULL_EVENTS:
            return bool(self._waiting)
        return self._stopping or perf_counter() - self._begun > PATIENCE_S

    async def close(self) -> None:
        """Append what is waiting, then stop."""
        self._stopping = True
        self._arrived.set()
        await asyncio.gather(*self._tasks)
        if self._patience is not None:
            self._patience.cancel()

    async def _run(self) -> None:
        while True:
            if not self._ready():
                if self._stopping:
                    return
                self._arrived.clear()
                await self._arrived.wait()
                continue
            taken = self._take()
            self._begun = started = perf_counter()
            self._under_way += 1
            outcomes = await self._append([event for waiting in taken for event in waiting.events])
            self._under_way -= 1
            measures.APPEND_SECONDS.observe(perf_counter() - started)
            measures.APPEND_GROUP_EVENTS.observe(len(outcomes))
            self._answer(taken, outcomes)

    def _take(self) -> list[_Waiting]:
        taken = [self._waiting.popleft()]
        size = len(taken[0].events)
        while self._waiting and size + len(self._waiting[0].events) <= GROUP_EVENTS:
            taken.append(self._waiting.popleft())
            size += len(taken[-1].events)
        self._events_waiting -= size
        return taken

    @staticmethod
    def _answer(taken: Sequence[_Waiting], outcomes: Sequence[Outcome]) -> None:
        rest = iter(outcomes)
        for waiting in taken:
            own = list(islice(rest, len(waiting.events)))
            with suppress(asyncio.InvalidStateError):  # who waited may have gone
                waiting.outcomes.set_result(own)

    async def _append(self, events: Sequence[Event]) -> Sequence[Outcome]:
        """Append a group; where the database refuses it whole, find the event that it refuses."""
        try:
            return await self._attempt(events)
        except Unavailable as unavailable:
            return [unavailable] * len(events)
        except Exception as error:  # noqa: BLE001  whoever waits must hear, whatever went wrong
            if len(events) > 1:
                middle = len(events) // 2
                return [*await self._append(events[:middle]), *await self._append(events[middle:])]
            # The text of a database error may quote what was sent, so only its class is logged.
            log.error("an event could not be recorded: %s", type(error).__name__)  # noqa: TRY400
            return [Internal("This event could not be recorded; the failure has been logged")]

    async def _attempt(self, events: Sequence[Event]) -> list[Outcome]:
        pause_s = FIRST_PAUSE_S
        for attempt in range(ATTEMPTS):
            try:
                async with self._pool.acquire() as connection:
                    return await append(connection, events, self._rules)
            except AGAIN as error:
                if isinstance(error, ValueError):
                    raise  # asyncpg's word on an argument that it cannot send: no attempt will go better
                log.warning("append, attempt %d: %s", attempt + 1, type(error).__name__)
                await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))
                pause_s *= 2
        raise Unavailable(
            "The record cannot be written now; whether this event was is unknown: send it again unchanged",
            retry_after_s=RETRY_AFTER_S,
        )
