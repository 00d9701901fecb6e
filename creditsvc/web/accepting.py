"""Connections taken from the port that all workers share, one at a time, so that each gets its part."""

import asyncio
import logging
import socket
from collections.abc import Callable

from creditsvc.balance import Balance
from creditsvc.logs import error_fields

BACKLOG = 1024
PATIENCE_S = 0.001  # with a worker that has fewer connections; then it has something else to do
AGAIN_S = 1.0  # after the system had no room for one more

log = logging.getLogger("creditsvc.web")


class Acceptor:
    """Takes connections from a listening socket until it is told to stop; the socket is its own."""

    def __init__(
        self, listening: socket.socket, connect: Callable[[], asyncio.Protocol], balance: Balance
    ) -> None:
        """Make it; whoever ``connect`` gives tells the balance when its connection is lost."""
        self._listening = listening
        self._connect = connect
        self._balance = balance
        self._loop = asyncio.get_running_loop()
        self._pause: asyncio.TimerHandle | None = None
        self._begun: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        self._listening.setblocking(False)
        self._listening.listen(BACKLOG)
        self._balance.begin()
        self._look()

    async def stop(self) -> None:
        """Take no more. Those that were taken are known to their protocols when it returns."""
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._listening)
        self._balance.end()
        self._listening.close()
        await asyncio.gather(*self._begun)

    def _look(self) -> None:
        self._pause = None
        self._loop.add_reader(self._listening, self._ready)

    def _ready(self) -> None:
        if self._balance.is_behind_another():
            self._rest(PATIENCE_S, self._go_on)
        else:
            self._take()

    def _rest(self, seconds: float, then: Callable[[], None]) -> None:
        self._loop.remove_reader(self._listening)
        self._pause = self._loop.call_later(seconds, then)

    def _go_on(self) -> None:
        self._look()
        self._take()

    def _take(self) -> None:
        try:
            taken, _ = self._listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # another worker was faster, or the client has gone
        except (
            OSError
        ) as error:  # no descriptor or no memory for it: this passes, and asking at once would not help
            log.error("cannot take a connection", extra={"fields": error_fields(error)})  # noqa: TRY400  no values
            self._rest(AGAIN_S, self._look)
            return
        self._balance.come()
        task = self._loop.create_task(self._begin(taken))
        self._begun.add(task)
        task.add_done_callback(self._begun.discard)

    async def _begin(self, taken: socket.socket) -> None:
        taken.setblocking(False)
        try:
            await self._loop.connect_accepted_socket(self._connect, taken)
        except OSError:  # the client has gone, or we are about to
            taken.close()
            self._balance.leave()
