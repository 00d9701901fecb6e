"""What one worker takes on at a time: so many connections, and so many bytes of bodies.

Whatever a single address, or everybody without a key, may take of it leaves room for the others.
"""

import asyncio
import resource
import threading
from collections import Counter

from aiohttp import web

from creditsvc.errors import Unavailable
from creditsvc.settings import Settings
from creditsvc.web import metrics

PUBLIC_PART = 4  # a quarter of the bytes, at most, is for callers without a key
ADDRESS_PART = 2  # half of the connections, at most, are of one address
FILES_KEPT = 128  # descriptors that are not for clients: database, logs, metrics, files read
CONNECTIONS_ENOUGH = 10_000  # an idle one costs some 20 KB
RETRY_AFTER_S = 1


class Bodies:
    """The bytes of bodies in flight: declared, received or inflated, until their requests are answered."""

    def __init__(self, settings: Settings) -> None:
        # The longest body that is taken must fit, packed and unpacked.
        self._most = max(settings.bodies_max_bytes, 2 * settings.body_max_bytes)
        self._held = 0
        self._held_public = 0
        self._lock = threading.Lock()  # long bodies are inflated in threads

    @property
    def held(self) -> int:
        return self._held

    def hold(self, more: int, *, public: bool) -> None:
        """Hold so many bytes more; ``Unavailable`` when there is no room for them."""
        with self._lock:
            full = self._held + more > self._most
            if public:
                full = full or self._held_public + more > self._most // PUBLIC_PART
            if more > 0 and full:
                raise Unavailable("Too many bodies are on their way.", retry_after_s=RETRY_AFTER_S)
            self._held += more
            self._held_public += more if public else 0

    def release(self, held: int, *, public: bool) -> None:
        with self._lock:
            self._held -= held
            self._held_public -= held if public else 0


class Share:
    """What one request holds of the bodies' bytes, from now until the task that answers it is done."""

    def __init__(self, bodies: Bodies, *, public: bool) -> None:
        self._bodies = bodies
        self._public = public
        self._held = 0
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("bodies are read in tasks")
        task.add_done_callback(self._release)

    def reach(self, total: int) -> None:
        """Hold this many bytes if fewer are held; ``Unavailable`` when there is no room for them."""
        if total > self._held:
            self._bodies.hold(total - self._held, public=self._public)
            self._held = total

    def _release(self, _: object) -> None:
        self._bodies.release(self._held, public=self._public)
        self._held = 0


BODIES: web.AppKey[Bodies] = web.AppKey("bodies", Bodies)


class Connections:
    """The connections that are open, in all and of each address."""

    def __init__(self, settings: Settings) -> None:
        self._most = settings.connections_max or connections_for(
            resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        )
        of_address = settings.address_connections_max or max(1, self._most // ADDRESS_PART)
        # Behind a proxy all connections are the proxy's.
        self._most_of_address = self._most if settings.trust_forwarded else of_address
        self._open = 0
        self._of_address: Counter[str] = Counter()

    def admit(self, address: str) -> bool:
        """Count a new connection in, unless there are enough; then it must be closed."""
        if self._open >= self._most or self._of_address[address] >= self._most_of_address:
            if not self._of_address[address]:
                del self._of_address[address]
            metrics.connections_refused_total.inc()
            return False
        self._open += 1
        self._of_address[address] += 1
        metrics.connections.inc()
        return True

    def leave(self, address: str) -> None:
        """Count out a connection that was admitted."""
        self._open -= 1
        self._of_address[address] -= 1
        if not self._of_address[address]:
            del self._of_address[address]
        metrics.connections.dec()


def connections_for(open_files: int) -> int:
    """Tell how many connections fit under a limit of open files (RLIMIT_NOFILE)."""
    if open_files == resource.RLIM_INFINITY:
        return CONNECTIONS_ENOUGH
    return max(1, min(CONNECTIONS_ENOUGH, max(open_files - FILES_KEPT, open_files // 2)))
