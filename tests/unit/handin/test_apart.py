"""The process for the work on a sheet, when it runs out of what it may use."""

import subprocess
import sys

import orjson
import pytest

from creditsvc.handin import bounds

FAILING = """
from creditsvc.handin import apart
apart._WORK = {"check": lambda order, content: %s}
apart.main()
"""


def told(work: str) -> tuple[int, dict]:
    done = subprocess.run(
        [sys.executable, "-c", FAILING % work], input=b'{"do": "check"}\n', capture_output=True, check=False
    )
    return done.returncode, orjson.loads(done.stdout.partition(b"\n")[0])


def test_what_takes_too_much_memory_is_refused_as_too_large():
    status, said = told("bytes(2 * apart.MEMORY_MAX_BYTES)")
    assert (status, said) == (0, {"unreadable": ["memory", {}]})
    for language in ("en", "zh"):
        assert bounds.told(bounds.unreadable("memory"), language)


@pytest.mark.parametrize("work", ["content[0]", "{}[1]"])
def test_any_other_fault_is_one_of_the_service(work):
    status, said = told(work)
    assert (status, list(said)) == (1, ["failed"])
