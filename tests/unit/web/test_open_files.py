"""How many files a service may have open."""

import subprocess
import sys

LOWERED = """
import resource
from creditsvc import service
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
service._raise_open_files()
print(resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard))
"""


def test_a_low_soft_limit_of_open_files_is_raised_to_the_hard_one():
    # In a process of its own: the limit is the process's.
    done = subprocess.run([sys.executable, "-c", LOWERED], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"
