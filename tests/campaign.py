"""``python -m tests.campaign``: the tests that do things at random, with one seed after another.

It ends after ``--seconds`` (a round that has begun is finished), or at the first failure, with its seed.
"""

import argparse
import os
import random
import subprocess
import sys
import time

TESTS = (
    "tests/unit",
    "tests/integration/ledger/test_cases_stateful.py",
    "tests/integration/ledger/test_delivery.py",
    "tests/integration/ledger/test_feed.py",
    "tests/integration/ledger/test_feed_race.py",
    "tests/integration/ledger/test_notices.py",
    "tests/acceptance/test_faults.py",
    "tests/acceptance/test_load.py",
    "tests/conformance/test_schemathesis.py",  # with every type of event
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, help="the first seed; at random unless given")
    given = parser.parse_args()
    first = random.randrange(10**6) if given.seed is None else given.seed
    ends = time.monotonic() + given.seconds
    seed = first
    while seed == first or time.monotonic() < ends:
        print(f"campaign: seed {seed}", flush=True)  # noqa: T201
        command = [sys.executable, "-m", "pytest", "-q", "-x", *TESTS]
        if subprocess.run(command, env=os.environ | {"CAMPAIGN_SEED": str(seed)}, check=False).returncode:
            print(f"campaign: to see it again: make campaign SEED={seed} SECONDS=1")  # noqa: T201
            return 1
        seed += 1
    print(f"campaign: nothing found with the seeds {first} to {seed - 1}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
