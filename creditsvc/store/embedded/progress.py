"""Waiting for a server, audibly."""

import asyncio
import logging
import time
from typing import ClassVar

from creditsvc.store.embedded.failure import ServerFailed

LOG = logging.getLogger(__name__)

POLL_S = 0.05


class Progress:
    """Waiting that says so now and then, and not for ever."""

    every_s: ClassVar[float] = 5.0

    def __init__(self, what: str, patience_s: float) -> None:
        self._what = what
        self._patience_s = patience_s
        self._began = self._said = time.monotonic()

    async def tick(self) -> None:
        """Wait a moment; ``ServerFailed`` once patience is at its end."""
        now = time.monotonic()
        if now - self._began > self._patience_s:
            raise ServerFailed(f"{self._what}, and did not answer within {self._patience_s:.0f} s.")
        if now - self._said >= self.every_s:
            self._said = now
            LOG.info("%s, %.0f s so far", self._what, now - self._began)
        await asyncio.sleep(POLL_S)
