"""The process beside a worker that sets reports as PDF: made anew when it dies, and few may wait for it."""

import asyncio
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context
from typing import Final, TypeVar, TypeVarTuple

from creditsvc.errors import Unavailable

INSIDE_MAX: Final = 8  # a report takes a processor a tenth of a second, the first one seconds
RETRY_AFTER_S: Final = 5
CALL_MAX_S: Final = 30
_ATTEMPTS: Final = 2
_Given = TypeVarTuple("_Given")
_Result = TypeVar("_Result")


class Setting:
    """Has calls carried out in one process; it starts with the first of them, and none takes long."""

    def __init__(self, *, most_s: int = CALL_MAX_S) -> None:
        self._pool = _made()
        self._most_s = most_s
        self._inside = 0

    async def perform(self, do: Callable[[*_Given], _Result], *given: *_Given) -> _Result:
        """Have a call carried out; ``Unavailable`` when too many wait, or the process twice dies or hangs."""
        if self._inside >= INSIDE_MAX:
            raise Unavailable("Too many reports are being set as PDF.", retry_after_s=RETRY_AFTER_S)
        self._inside += 1
        loop = asyncio.get_running_loop()
        try:
            for _ in range(_ATTEMPTS):
                pool = self._pool
                try:
                    return await loop.run_in_executor(pool, _in_time, self._most_s, partial(do, *given))
                except BrokenProcessPool:
                    self._replace(pool)
        finally:
            self._inside -= 1
        raise Unavailable("The work on the PDF was broken off.", retry_after_s=RETRY_AFTER_S)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _replace(self, broken: ProcessPoolExecutor) -> None:
        """Make the process anew, once for all that waited for it."""
        if self._pool is broken:
            self._pool = _made()
            broken.shutdown(wait=False)


def _made() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"))


def _in_time(most_s: int, do: Callable[[], _Result]) -> _Result:
    """Carry out a call in the process beside; the kernel ends the process if it takes too long."""
    signal.alarm(most_s)
    try:
        return do()
    finally:
        signal.alarm(0)
