"""How much memory there is, and what of it the server's own cache gets."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

MIB = 1 << 20
PART = 4  # a quarter, as PostgreSQL advises; the system's cache needs the rest, and workers
LEAST, MOST = 128 * MIB, 4096 * MIB  # even unused it takes memory, a fiftieth, and time to start
_STEP = 16 * MIB


def at_hand(root: Path = Path("/")) -> int:
    """Give the bytes that this process may use: the machine's, or fewer where a control group says so."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([machine, *_limits(root)])


def shared_buffers(memory: int) -> str:
    """Say how large the server's cache is to be, of so many bytes of memory, as its configuration has it."""
    wanted = min(max(memory // PART, LEAST), MOST)
    return f"{wanted // _STEP * _STEP // MIB}MB"


def _limits(root: Path) -> Iterator[int]:
    """Give the limits of our control groups and of those above them (cgroups 2 and 1)."""
    try:
        groups = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for group in groups:
        _, controllers, path = group.split(":", 2)
        if not controllers:
            base, name = root / "sys/fs/cgroup", "memory.max"
        elif "memory" in controllers.split(","):
            base, name = root / "sys/fs/cgroup/memory", "memory.limit_in_bytes"
        else:
            continue
        place = Path(path.lstrip("/"))
        for directory in (place, *place.parents):
            with suppress(OSError, ValueError):  # not there, or "max"
                yield int((base / directory / name).read_text())
