"""What a run ran on, and what processes and tables take."""

import asyncio
import os
import platform
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

ROOT = Path(__file__).parents[2]
LOOK_S = 0.25
MIB = 2**20

# What is kept of an event, and what of an organisation beside its events.
EVENT_TABLES = ("event", "event_identity", "record", "notice", "log_entry", "log_tile", "log_pending")
ENTITY_TABLES = ("entity", "entity_name")


def machine() -> dict[str, str]:
    """Say what it is, without its name."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cores": str(os.cpu_count()),
        "processor": _processor(),
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "busy": f"{os.getloadavg()[0]:.1f}",  # what others have it do, if asked before anything is started
        "commit": commit(),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def commit() -> str:
    """Name the commit, and say where the tree differs from it."""
    git = shutil.which("git")
    if git is None:
        return "unknown"

    def said(*arguments: str) -> str:
        done = subprocess.run([git, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    changed = said("status", "--porcelain", "--untracked-files=no")
    return (said("rev-parse", "--short", "HEAD") or "unknown") + (" with changes" if changed else "")


@dataclass(slots=True)
class Memory:
    """The most that any of some processes took, in bytes: all that is mapped, and its fair share of that."""

    rss: int = 0
    pss: int = 0

    def look(self, pids: list[int]) -> None:
        for pid in pids:
            try:
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            except (FileNotFoundError, ProcessLookupError):
                continue
            sizes = {name: int(rest.split()[0]) * 1024 for name, rest in map(_field, lines[1:])}
            self.rss = max(self.rss, sizes["Rss"])
            self.pss = max(self.pss, sizes["Pss"])


def _field(line: str) -> tuple[str, str]:
    name, _, rest = line.partition(":")
    return name, rest


@asynccontextmanager
async def watched(pids: list[int], memory: Memory) -> AsyncIterator[None]:
    """Look at processes again and again while something runs."""

    async def watch() -> None:
        while True:
            memory.look(pids)
            await asyncio.sleep(LOOK_S)

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()


async def bytes_of(connection: asyncpg.Connection, tables: tuple[str, ...]) -> int:
    """Sum up what tables take with their indexes."""
    total = await connection.fetchval(
        "select sum(pg_total_relation_size(('creditsvc.' || name)::regclass))::bigint"
        " from unnest($1::text[]) as name",
        list(tables),
    )
    return int(total)
