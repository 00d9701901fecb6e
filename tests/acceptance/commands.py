"""The command line and the service as a user runs them: processes, known by what they print and return."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.processes import PATIENCE_S

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "creditsvc"]


@dataclass(frozen=True)
class Installation:
    """A set of settings that commands and services share."""

    settings: dict[str, str]

    @property
    def environment(self) -> dict[str, str]:
        bare = {name: value for name, value in os.environ.items() if not name.startswith("CREDITSVC_")}
        return bare | {f"CREDITSVC_{name}": value for name, value in self.settings.items()}

    def run(self, *arguments: object, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; nothing that is to be expected may end in a traceback."""
        done = subprocess.run(
            [*COMMAND, *map(str, arguments)],
            env=self.environment | more,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def start(self, *arguments: object, **more: str) -> subprocess.Popen[str]:
        """Start a command; whoever does so ends it."""
        return subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            env=self.environment | more,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @contextmanager
    def serving(self) -> Iterator[tuple[str, subprocess.Popen[str]]]:
        """Run the service; gives its address and its process."""
        log = Path(self.settings["DATA_DIR"]).with_name("service.log")
        with log.open("w+", encoding="utf-8") as said:
            process = subprocess.Popen([*COMMAND, "serve"], env=self.environment, stderr=said, text=True)
            try:
                yield _address(process, log), process
            finally:
                process.terminate()
                try:
                    process.wait(PATIENCE_S)
                finally:
                    process.kill()


def _address(process: subprocess.Popen[str], log: Path) -> str:
    for _ in range(round(PATIENCE_S) * 20):
        found = re.search(r"^listening on (http://\S+)$", log.read_text(encoding="utf-8"), re.MULTILINE)
        if found is not None:
            return found[1]
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
        break
    raise AssertionError(log.read_text(encoding="utf-8"))
