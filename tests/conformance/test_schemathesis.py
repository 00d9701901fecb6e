"""schemathesis over the served openapi.json: nothing that its default checks look for is found."""

import asyncio
import sys
from typing import Any

import orjson
import pytest

from tests.chance import CAMPAIGN
from tests.conformance.conftest import Service
from tests.making import CATALOGUE

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
        ("--include-operation-id", name)
        for name in ("lookups", "feed", "profile", "records", "history", "score", "proof")
    ],
    "agency": [("--include-operation-id", "push-events")],
    "entity": [("--include-operation-id", name) for name in CONSENTS],
    "operator": [
        ("--include-operation-id", name)
        for name in ("feed", "accesses", "proof", "desk", "cases", "consents")
    ],
}


def parts(name: str) -> set[object]:
    """What a type of event is made of: its role, and the kinds of its fields, limited and listed or not."""
    known = CATALOGUE.types[name]
    fields = [CATALOGUE.fields[field] for field in known.required | known.optional]
    return {known.role, *((field.kind, bool(field.limits), bool(field.values)) for field in fields)}


def varied() -> set[str]:
    """Types of event that between them have everything that any has."""
    picked: set[str] = set()
    missing = set().union(*map(parts, CATALOGUE.types))
    while missing:
        picked.add(max(sorted(CATALOGUE.types), key=lambda name: len(parts(name) & missing)))
        missing -= set().union(*map(parts, picked))
    return picked


def with_types(document: dict[str, Any], kept: set[str]) -> dict[str, Any]:
    """The same interface, with only these types of event in the schema of one."""
    schema = document["components"]["schemas"]["Event"]
    schema["oneOf"] = [one for one in schema["oneOf"] if one["$ref"].rpartition("/")[2] in kept]
    assert len(schema["oneOf"]) == len(kept)
    schema["discriminator"]["mapping"] = {
        name: place for name, place in schema["discriminator"]["mapping"].items() if name in kept
    }
    return document


@pytest.mark.parametrize("role", OPERATIONS if CAMPAIGN else ["public", "agency", "entity"])
async def test_nothing_is_found(service: Service, role: str, tmp_path):
    options = [part for name, value in service.headers(role).items() for part in ("-H", f"{name}: {value}")]
    options += [part for name in OPERATIONS[role] for part in name]
    async with service.session.get("/openapi.json") as answer:
        document = await answer.json()
    # Thousands of cases for each type of event come to the same as for the few that differ.
    kept = set(CATALOGUE.types) if CAMPAIGN else varied()
    (tmp_path / "openapi.json").write_bytes(orjson.dumps(with_types(document, kept)))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "run", "openapi.json", "--url", service.url),
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
