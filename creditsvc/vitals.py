"""What each process of the service tells of itself: since when it runs, and how much memory it holds.

Gauges of processes that live carry the process's slot as ``pid``: its number among the workers, or
``sequencer``. To be imported once the slot is known, as everything that makes metrics.
"""

import asyncio
import resource
import sys
import time
from pathlib import Path

from prometheus_client import Counter, Gauge

EVERY_S = 15.0
_STATM = Path("/proc/self/statm")  # Linux: sizes in pages, the resident one second

STARTS = Counter("creditsvc_process_starts", "Processes started, those in place of others too", ["kind"])
STARTED_AT = Gauge(
    "creditsvc_process_start_time_seconds",
    "When the process started, as a POSIX time",
    multiprocess_mode="liveall",
)
MEMORY = Gauge(
    "creditsvc_process_resident_memory_bytes",
    "Memory that the process holds; where the system does not tell, the most that it has held",
    multiprocess_mode="liveall",
)


def begin(kind: str) -> asyncio.Task[None]:
    """Tell that a process has started, and go on telling of its memory; the caller cancels the task."""
    STARTS.labels(kind).inc()
    STARTED_AT.set(time.time())
    return asyncio.create_task(_tell(), name="vitals")


async def _tell() -> None:
    while True:
        MEMORY.set(resident_bytes())
        await asyncio.sleep(EVERY_S)


def resident_bytes() -> int:
    """Ask the system how much memory this process holds."""
    try:
        return int(_STATM.read_text(encoding="ascii").split()[1]) * resource.getpagesize()
    except OSError:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024
