"""``pgbench``: a prepared select of the row that a look-up reads, by the C client over the Unix socket."""

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path

from creditsvc.store.embedded.binaries import installed

SCRIPT = """\
\\set n random(:first, :last)
select public_profile from creditsvc.entity where entity_id = 'gb-coh:' || :n;
"""


@dataclass(frozen=True, slots=True)
class Selected:
    """What a run came to."""

    per_s: float
    mean_ms: float


def write(script: Path) -> Path:
    """Write the script that is run."""
    script.write_text(SCRIPT, encoding="ascii")
    return script


async def run(
    socket_dir: str, script: Path, *, first: int, count: int, seconds: float, connections: int = 32
) -> Selected:
    """Select random rows for so long by a script (`write`); whole seconds, as it takes them."""
    process = await asyncio.create_subprocess_exec(
        str(installed() / "bin" / "pgbench"),
        *("--no-vacuum", "--protocol=prepared", f"--client={connections}", "--jobs=2"),
        *(f"--time={max(1, round(seconds))}", f"--file={script}"),
        *(f"--define=first={first}", f"--define=last={first + count - 1}"),
        *("--host", socket_dir, "--username", "creditsvc", "creditsvc"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said = (await process.communicate())[0].decode()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise RuntimeError(f"pgbench: {said[-1000:]}")
    return read(said)


def read(said: str) -> Selected:
    """Read what it prints at its end."""
    per_s = re.search(r"^tps = ([0-9.]+)", said, re.MULTILINE)
    mean = re.search(r"^latency average = ([0-9.]+) ms", said, re.MULTILINE)
    if per_s is None or mean is None:
        raise RuntimeError(f"pgbench did not say how fast it was: {said[-1000:]}")
    return Selected(float(per_s[1]), float(mean[1]))
