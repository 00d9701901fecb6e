"""schemathesis over the served openapi.json: nothing that its default checks look for is found."""

import asyncio
import sys

import pytest

from tests.conformance.conftest import Service

SEED = 20260305
EXAMPLES = 4  # of each operation in the fuzzing phase; the coverage phase adds hundreds of its own
TIME_LIMIT_S = 300
# Not the thousands of cases that would all end in 401 or 403, which the role matrix shows with one, nor again
# what another role has been through.
CONSENTS = ("consents", "consent-give", "consent-withdraw")
OPERATIONS = {
    "public": [
        ("--exclude-operation-id", name)
        for name in ("push-events", "feed", "lookups", "accesses", "desk", "cases", *CONSENTS)
    ],
    "partner": [
        ("--exclude-operation-id", name) for name in ("push-events", "accesses", "desk", "cases", *CONSENTS)
    ],
    "agency": [("--include-operation-id", "push-events")],
    "entity": [("--include-operation-id", name) for name in CONSENTS],
    "operator": [
        ("--include-operation-id", name)
        for name in ("feed", "accesses", "proof", "desk", "cases", "consents")
    ],
}


@pytest.mark.parametrize("role", OPERATIONS)
async def test_nothing_is_found(service: Service, role: str, tmp_path):
    options = [part for name, value in service.headers(role).items() for part in ("-H", f"{name}: {value}")]
    options += [part for name in OPERATIONS[role] for part in name]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{service.url}/openapi.json"),
        *("--seed", str(SEED), "--max-examples", str(EXAMPLES), "--continue-on-failure", "--no-color"),
        *options,
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(TIME_LIMIT_S):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, output.decode()
