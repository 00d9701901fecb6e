"""How long scoring takes: a history of 10,000 records by every released model, from folded records to why.

Run as ``python -m tests.bench.scoring``. It prints microseconds a record, beside what one SHA-256 of a
kilobyte takes in the same run, so that figures of different machines can be compared. It asserts no time.
"""

import hashlib
import random
import sys
import time
from collections.abc import Callable
from datetime import timedelta

from creditsvc.domain.records import Record
from creditsvc.domain.scores import take_apart
from scoring import engine
from tests.making import CATALOGUE
from tests.scores import DAY, ZONE, at, record, seen

RECORDS = 10_000
VARIETY = 200  # records that differ; the history repeats them under other numbers
KINDS = {
    "credit-baseline": ("penalty.imposed", {"severity": "general"}),
    "cn-tax-rating": ("tax.indicated", {"indicator": "010101", "occurrences": 1}),
    "eu-2022-695": ("check.completed", {"vehicles": 3, "infringements_serious": 1}),
    "eu-2014-47": ("roadworthiness.inspected", {"defects_major": 1}),
    "fmcsa-sms": (
        "carrier.inspected",
        {
            "basic": "hours-of-service",
            "violations": [{"code": f"395.{n}", "severity": n + 1} for n in range(5)],
        },
    ),
    "dvsa-ocrs": ("encounter.recorded", {"encounter": "traffic", "points": 50}),
}


def history(name: str) -> list[Record]:
    chance = random.Random(2026)
    kind, data = KINDS[name]
    days = [DAY - timedelta(days=chance.randrange(1100)) for _ in range(VARIETY)]
    made = [record(kind, on=day, **data) for day in days]
    return [made[n % VARIETY] for n in range(RECORDS)]


def best_s(work: Callable[[], object], times: int = 5) -> float:
    """Give the shortest time of several: what the work takes where nothing disturbs it."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return min(found)


def tell(line: str) -> None:
    sys.stdout.write(line + "\n")


def main() -> None:
    block = b"x" * 1024
    hash_us = best_s(lambda: [hashlib.sha256(block).digest() for _ in range(RECORDS)]) / RECORDS * 1e6
    tell(f"{RECORDS} records; SHA-256 of 1 KiB: {hash_us:.2f} µs")
    tell(f"{'model':<16}{'whole µs':>10}{'contribution µs':>18}{'whole / SHA-256':>18}")
    for name in KINDS:
        model = engine.newest(name)
        records = history(name)
        whole_us = best_s(lambda: take_apart(records, at(DAY), model, CATALOGUE, ZONE)) / RECORDS * 1e6  # noqa: B023
        known = [one for one in map(seen, records) if one is not None]
        append_us = (
            best_s(lambda: [model.contribution(one.facts, one.dated, DAY) for one in known])  # noqa: B023
            / RECORDS
            * 1e6
        )
        tell(f"{name:<16}{whole_us:>10.1f}{append_us:>18.1f}{whole_us / hash_us:>18.1f}")


if __name__ == "__main__":
    main()
