"""`creditsvc evidence` and `creditsvc verify` against a real service: what is altered is named."""

import asyncio
import copy
import sys
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner

from creditsvc.cli import evidence, verify
from creditsvc.web import events
from tests.conformance.conftest import ROLES, Serve, Service, with_keys
from tests.making import ENTITY, OTHER_ENTITY, raw
from tests.sequencing import settled

HIDDEN = {"severity": "minor", "decided_on": "2026-06-01"}  # not for the public


async def push(service: Service, *sent):
    headers = service.headers("agency") | {"Content-Type": events.BATCH}
    async with service.session.post("/v1/events", data=orjson.dumps(sent), headers=headers) as answer:
        assert answer.status == 200
        return await answer.json()


async def text(service: Service, path: str, role="public"):
    async with service.session.get(path, headers=service.headers(role)) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.text()


@pytest.fixture
async def running(serve: Serve) -> Service:
    service = await with_keys(await serve())
    await push(
        service,
        raw("registration.changed", None, entity_name="津门食品有限公司", status="active"),
        raw("honour.granted", "H1"),
        raw("penalty.imposed", "P1", **HIDDEN),
        raw("honour.granted", "H2"),
        raw("record.revoked", "H2", reason="x"),
        raw("licence.granted", "L1", subject=OTHER_ENTITY),
        raw("licence.granted", "L2"),
        raw("record.corrected", "X9", reason="x", changes={"title": "x"}),
    )
    await settled(service.dsn)
    return service


async def call(command, *arguments):
    return await asyncio.to_thread(CliRunner().invoke, command.command, [str(one) for one in arguments])


async def key_of(service: Service) -> str:
    return orjson.loads(await text(service, "/.well-known/creditsvc-log.json"))["verifier_key"]


@pytest.mark.parametrize("role", ["public", *ROLES])
async def test_what_is_saved_holds_for_every_caller(running: Service, tmp_path: Path, role: str):
    older = tmp_path / "older.checkpoint"
    older.write_text(await text(running, "/v1/log/checkpoint"))
    await push(running, raw("honour.granted", "H3"))
    saved = tmp_path / "evidence.json"
    key = [] if role == "public" else ["--key", running.keys[role]]
    options = ["--url", running.url, "--since", older, "--output", saved, *key]
    done = await call(evidence, ENTITY, *options)
    assert done.exit_code == 0, done.output
    done = await call(verify, "--key", await key_of(running), saved)
    assert done.exit_code == 0, done.output
    for told in (
        "event is what the log holds",
        "nothing of the log of size 8 was altered",
        "score, standing",
    ):
        assert told in done.stdout
    assert "continues those of" not in done.stdout
    alone = tmp_path / "verifier.py"
    alone.write_text(await text(running, "/v1/log/verifier.py"))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", str(alone), "--key", await key_of(running), str(saved)),
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said
    assert b"event is what the log holds" in said
    hidden = "sequences have gaps" in done.stdout
    assert hidden == (role in {"public", "partner", "auditor"}), done.stdout


async def test_what_is_altered_is_named(running: Service, tmp_path: Path):
    saved = tmp_path / "evidence.json"
    assert (await call(evidence, ENTITY, "--url", running.url, "--output", saved)).exit_code == 0
    sound = orjson.loads(saved.read_bytes())["documents"]
    key = await key_of(running)

    async def told(alter):
        documents = copy.deepcopy(sound)
        alter(documents)
        bundle = {"bundle": "creditsvc-evidence/v1", "documents": documents}
        saved.write_bytes(orjson.dumps(bundle))
        done = await call(verify, "--key", key, saved)
        assert (done.exit_code, done.exception.__class__) == (1, SystemExit), done.output
        return [line for line in done.stdout.splitlines() if line.startswith("WRONG: ")]

    def content(documents):
        documents["history 1"]["items"][1]["event"]["data"]["title"] = "another"

    def removed(documents):
        del documents["proofs 1"]["items"][1]

    def swapped(documents):
        items = documents["history 1"]["items"]
        items[0], items[1] = items[1], items[0]

    def moved(documents):
        documents["proofs 1"]["items"][1]["index"] += 1

    def back_dated(documents):
        documents["history 1"]["items"][1]["recorded_at"] = "2020-01-01T00:00:00.000000Z"

    def rescored(documents):
        documents["profile"]["score"]["value"] = 1

    at = f"{ENTITY} event 2 (position {sound['proofs 1']['items'][1]['index']})"
    history = f"WRONG: {saved}, history 1: "
    assert await told(content) == [f"{history}{at}: its content is not what the log holds"]
    assert await told(back_dated) == [
        f"{history}{at}: its content is not what the log holds",
    ]
    assert await told(removed) == [f"{history}{ENTITY} event 2: is not proven, and others of {ENTITY} are"]
    assert "stands after event 2 and was not recorded after it" in (await told(swapped))[0]
    assert "does not lead to the root" in (await told(moved))[0]
    assert await told(rescored) == [
        f"WRONG: {saved}, profile: {ENTITY}: score: not what its 3 events come to"
    ]


async def test_receipts_are_held_to_their_promise_and_to_the_log(running: Service, tmp_path: Path):
    sent = [raw("honour.granted", "H5"), raw("honour.granted", "H6", subject="uscc:91350100m000100y43")]
    answer = await push(running, *sent, raw("honour.granted", "H7") | {"type": "credit.nothing"})
    await settled(running.dsn)
    sequence = answer["results"][0]["sequence"]
    path = f"/v1/entities/{ENTITY}/history/{sequence}/proof"
    files = {
        "log.json": await text(running, "/.well-known/creditsvc-log.json"),
        "receipts.json": orjson.dumps(answer).decode(),
        "events.json": orjson.dumps(sent).decode(),
        "one.tlog-proof": await text(running, path),
    }
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    paths = [tmp_path / name for name in files]
    done = await call(verify, *paths)
    assert done.exit_code == 0, done.output
    for told in (
        "on trust",
        "promises that each leaf",
        "receipt is kept",
        "receipt of which no proof",
        "is the content of",
    ):
        assert told in done.stdout
    sent[0]["data"]["title"] = "another"
    paths[2].write_bytes(orjson.dumps(sent))
    done = await call(verify, *paths)
    assert done.exit_code == 1
    assert f"{ENTITY} event {sequence}: is not the content of the event" in done.stdout
    answer["results"][1]["leaf_hash"] = answer["results"][0]["leaf_hash"]
    paths[1].write_bytes(orjson.dumps(answer))
    done = await call(verify, *paths)
    assert "the promise is for other receipts than these" in done.stdout
