"""A record whose time is over, over HTTP: it leaves every view, its content goes, its place stays proven."""

import asyncio
import json
import sys
from base64 import b64decode
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest

from creditsvc.domain.events import decode
from creditsvc.settings import Settings
from creditsvc.store import embedded
from creditsvc.store.migrations import migrate
from creditsvc.verifier.log import parse_proof
from tests.checking import owner
from tests.erasing import THEN, clock_at
from tests.interface import Interface
from tests.making import CATALOGUE, ENTITY, SOURCE, ledger, raw
from tests.processes import PATIENCE_S, service
from tests.sequencing import sequencer
from tests.tampering import unguarded

PATH = f"/v1/entities/{ENTITY}"
# A warning that was recorded in 2024, whose time was over when the rules of retention came into force.
PENALTY = raw(
    "penalty.imposed",
    "P1",
    severity="minor",
    category="警告",
    decided_on="2015-03-01",
    entity_name="示例有限公司",
)
LICENCE = raw("licence.granted", "L1")


@pytest.fixture
async def var(tmp_path, monkeypatch):
    """The data directory of a service that was at work in 2024, and stood still since."""
    data_dir = tmp_path / "var"
    async with embedded.server(Settings(data_dir=data_dir), own=True) as dsn:
        await migrate(dsn, report=lambda _: None)
        async with sequencer(dsn, data_dir), owner(dsn) as connection, unguarded(connection):
            await connection.execute("update log_identity set began_at = $1", THEN - timedelta(days=1))
        with clock_at(THEN, monkeypatch):
            async with ledger(dsn) as (writer, _):
                said = decode(PENALTY, CATALOGUE, datetime.now(UTC), max_bytes=65536)
                assert [one.status for one in await writer.submit([said])] == ["accepted"]
    return data_dir


@asynccontextmanager
async def serving(var, **given):
    async with (
        service(var, workers=1, log_interval_s=0.2, **given) as one,
        aiohttp.ClientSession() as session,
    ):
        keys = {
            "agency": await one.key("agency", sources=[SOURCE]),
            "partner": await one.key("partner"),
            "auditor": await one.key("auditor"),
            "itself": await one.key("entity", entity=ENTITY),
        }
        yield Interface(one, session, keys)


async def evidence(api, path, who, *more):
    status, said = await api.running.command(
        "evidence",
        ENTITY,
        "--url",
        api.running.url,
        *more,
        "--output",
        str(path),
        CREDITSVC_KEY=api.keys[who],
    )
    assert status == 0, said


async def erased(api):
    """Wait until there is a proof without a salt; gives its leaf."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            answer = await api.get("auditor", f"{PATH}/history/1/proof")
            if answer.status == 200:
                told = json.loads(parse_proof(answer.body.decode()).extra)
                if "salt" not in told:
                    return told["leaf"]
            await asyncio.sleep(0.2)


async def taken_in_time(api, event):
    """Push until it is taken: what was recorded so long ago has waited too long until it has its place."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            answer = await api.push("agency", [event])
            if answer.document["results"][0]["status"] == "accepted":
                return
            await asyncio.sleep(0.2)


async def shown(api, who):
    history = (await api.get(who, f"{PATH}/history")).document["items"]
    records = (await api.get(who, f"{PATH}/records")).document["items"]
    return [item["sequence"] for item in history], [item["record"] for item in records]


async def test_what_is_erased_is_gone_and_its_place_is_proven(var, tmp_path):
    before, after = tmp_path / "before.json", tmp_path / "after.json"
    async with serving(var, erase_after_days=3650) as api:
        await taken_in_time(api, LICENCE)
        receipt = (await api.push("agency", PENALTY)).document  # a repeat: it is not erased yet
        assert receipt["salt"]
        for who in ("itself", "agency", "auditor", "partner"):
            assert await shown(api, who) == ([2], ["L1"]), who
        await evidence(api, before, "itself")
    async with serving(var, erase_after_days=0) as api:
        await is_gone(api, tmp_path, receipt, before, after)


async def is_gone(api, tmp_path, receipt, before, after):
    leaf = await erased(api)
    assert (leaf["sequence"], leaf["source"], leaf["entity"]) == (1, SOURCE, ENTITY)
    await said_again(api, receipt)
    await evidence(api, after, "itself", "--since", str(before))
    key = json.loads(after.read_bytes())["documents"]["log"]["verifier_key"]
    status, said = await api.running.command("verify", "--key", key, str(after))
    assert status == 0, said
    assert "1 entries were erased" in said
    newest = tmp_path / "newest"
    newest.write_text(json.loads(after.read_bytes())["documents"]["checkpoint"], encoding="utf-8")
    size = json.loads(before.read_bytes())["documents"]["checkpoint"].split("\n")[1]
    consistency = tmp_path / "consistency"
    consistency.write_bytes((await api.get("partner", f"/v1/log/consistency?from={size}")).body)
    status, said = await api.running.command(
        "verify", "--key", key, str(before), str(newest), str(consistency)
    )
    assert status == 0, said
    assert "nothing of the log of size" in said
    await alone(api, tmp_path, key, before, after)
    await witnessed(api, tmp_path / "w", key)
    status, said = await api.running.command("fsck")
    assert status == 0, said
    assert b"P1" not in (await api.get("auditor", "/v1/log/events?from=0")).body
    counted = (await api.get("partner", "/metrics")).body.decode()
    assert "creditsvc_erased_total 2" in counted.replace(".0", "")


async def said_again(api, receipt):
    """A repeat is answered as before, without the salt; a partner is shown no proof, the agency a leaf."""
    again = await api.push("agency", PENALTY)
    document = again.document
    assert again.status == 200
    assert document["status"] == "duplicate"
    assert "salt" not in document
    for name in ("sequence", "recorded_at", "leaf_hash"):
        assert document[name] == receipt[name]
    refused = await api.push("agency", raw("record.revoked", "P1", reason="r"))
    assert refused.status == 422
    assert (await api.get("partner", f"{PATH}/history/1/proof")).status == 404
    own = await api.get("agency", f"{PATH}/proofs")
    assert [(item["sequence"], "leaf" in item) for item in own.document["items"]] == [
        (1, True),
        (2, False),
    ]
    assert b64decode(own.document["items"][0]["leaf_hash"]) == b64decode(receipt["leaf_hash"])


async def witnessed(api, directory, key):
    """A witness that reads every entry hashes the leaves of what was erased."""
    status, said = await api.running.command(
        *("witness", "watch", api.running.url, "--once", "--full", "--state", str(directory)),
        *("--log-key", key, "--name", "w.example"),
        CREDITSVC_KEY=api.keys["auditor"],
    )
    assert status == 0, said
    assert "3 entries, cosigned" in said


async def alone(api, tmp_path, key, *files):
    """The file that needs no more of this software says the same, of each by itself."""
    verifier = tmp_path / "verifier.py"
    verifier.write_bytes((await api.get("partner", "/v1/log/verifier.py")).body)
    for file in files:
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(verifier), "--key", key, str(file), stdout=asyncio.subprocess.PIPE
        )
        said, _ = await process.communicate()
        assert process.returncode == 0, said
        assert (b"1 entries were erased" in said) == (file.name == "after.json")
