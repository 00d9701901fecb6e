"""The log over HTTP: the public formats, what caches may keep, and who is shown whose proofs."""

import asyncio
import hashlib
import sys
from base64 import b64decode, b64encode
from contextlib import asynccontextmanager

import orjson
import pytest
from aiohttp import web

from creditsvc.ledger.signing import RECEIPTS_KEY, LogRefused, directory
from creditsvc.settings import Settings
from creditsvc.store.clients import create_key
from creditsvc.store.database import connect
from creditsvc.verifier import encoding, leaves, notes, standalone, tree
from creditsvc.verifier.log import open_checkpoint, parse_checkpoint, parse_proof
from creditsvc.verifier.notes import VerifierKey
from creditsvc.web import events
from creditsvc.web.app import application
from tests.conformance.conftest import ROLES, Serve, Service, with_keys
from tests.making import ENTITY, OTHER_ENTITY, OTHER_SOURCE, raw
from tests.sequencing import sequencer, settled

HIDDEN = {"severity": "minor", "decided_on": "2026-06-01"}  # not for the public


async def push(service: Service, *sent, key="agency"):
    headers = service.headers(key) | {"Content-Type": events.BATCH}
    body = orjson.dumps(sent)
    async with service.session.post("/v1/events", data=body, headers=headers) as answer:
        assert answer.status == 200
        return await answer.json()


async def get(service: Service, path: str, role="public"):
    async with service.session.get(path, headers=service.headers(role)) as answer:
        return answer.status, answer.headers, await answer.read()


async def text(service: Service, path: str, role="public"):
    status, headers, body = await get(service, path, role)
    assert (status, headers["Content-Type"]) == (200, "text/plain; charset=utf-8"), body
    return body.decode()


async def keys(service: Service):
    status, headers, body = await get(service, "/.well-known/creditsvc-log.json")
    assert (status, headers["Content-Type"]) == (200, "application/json")
    return orjson.loads(body)


@pytest.fixture
async def running(serve: Serve) -> Service:
    """A service of its own: two agencies, and events that not everybody is shown."""
    service = await with_keys(await serve())
    connection = await connect(service.dsn)
    service.keys["other"] = await create_key(
        connection, "agency", sources=[OTHER_SOURCE], client_id="agency:other"
    )
    await connection.close()
    await push(
        service,
        raw("honour.granted", "H1"),
        raw("penalty.imposed", "P1", **HIDDEN),
        raw("honour.granted", "H2"),
        raw("record.revoked", "H2", reason="x"),
        raw("licence.granted", "L1", subject=OTHER_ENTITY),
        raw("penalty.imposed", "P1", subject="usdot:777001", **HIDDEN),
    )
    await push(
        service,
        raw("licence.granted", "L2", source=OTHER_SOURCE),
        raw("record.corrected", "X9", source=OTHER_SOURCE, reason="x", changes={"title": "x"}),
        key="other",
    )
    await settled(service.dsn)
    return service


async def test_which_log_it_is_stands_at_a_well_known_place(service: Service):
    told = await keys(service)
    assert list(told) == [
        *("origin", "verifier_key", "receipt_verifier_key", "max_delay_s"),
        *("checkpoint", "tiles", "feed", "verifier"),
    ]
    assert VerifierKey.parse(told["verifier_key"]).name == told["origin"]
    assert VerifierKey.parse(told["receipt_verifier_key"]).name == told["origin"] + "/receipts"
    assert told["max_delay_s"] == 60
    for path in (told["checkpoint"], told["verifier"], "/.well-known/creditsvc-log.json"):
        assert (await get(service, path))[0] == 200


async def test_the_checkpoint_is_signed_and_kept_for_a_second_at_most(running: Service):
    note = await text(running, "/v1/log/checkpoint")
    key = VerifierKey.parse((await keys(running))["verifier_key"])
    assert open_checkpoint(note, key).size == 8
    _, headers, _ = await get(running, "/v1/log/checkpoint")
    assert headers["Cache-Control"] == "public, max-age=1"


async def test_tiles_are_immutable_and_come_to_the_root(running: Service):
    checkpoint = parse_checkpoint(await text(running, "/v1/log/checkpoint"))
    for width in range(1, 9):
        status, headers, body = await get(running, f"/v1/log/tile/0/000.p/{width}")
        assert (status, headers["Content-Type"]) == (200, "application/octet-stream")
        assert headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert len(body) == 32 * width
    assert tree.root_of([body[at : at + 32] for at in range(0, 256, 32)]) == checkpoint.root
    # A generated client may write the slashes of one parameter so.
    assert (await get(running, "/v1/log/tile/0/000.p%2F8"))[2] == body


NO_TILES = (
    *("0/000", "0/000.p/9", "0/000.p/255", "0/001.p/1", "1/000.p/1", "63/000.p/1"),  # beyond
    *("0/000.p/0", "0/000.p/01", "0/000.p/256", "0/000.p/300", "0/000.p/999", "0/000.p/-1", "0/000.p/"),
    *("0/000.p", "0/000.p/8/"),
    *("00/000.p/8", "64/000.p/8", "-1/000.p/8", "+0/000.p/8", "0/0.p/8", "0/00.p/8", "0/0000.p/8"),
    *("0/x000/000.p/8", "0/000/000.p/8", "0/x000.p/8", "0/000.q/8", "0/000.p/8.p/8", "0/", "0//000.p/8"),
    *("entries/000", "entries/000.p/8", "0", "", "0/%F0%9D%9F%8E00.p/8", "0/000.p/%D9%A8"),
    "0/" + "x999/" * 200 + "999",
)


async def test_what_is_no_tile_below_the_checkpoint_is_not_found(running: Service):
    for path in NO_TILES:
        status, headers, _ = await get(running, f"/v1/log/tile/{path}")
        assert (status, headers["Content-Type"]) == (404, "application/problem+json"), path
        assert headers["Cache-Control"] == "no-store"


async def test_head_is_answered(running: Service):
    for path in (
        *("/v1/log/checkpoint", "/v1/log/tile/0/000.p/8", "/v1/log/consistency?from=3"),
        *("/v1/log/verifier.py", "/.well-known/creditsvc-log.json"),
        *(f"/v1/entities/{ENTITY}/history/1/proof", f"/v1/entities/{ENTITY}/proofs"),
    ):
        status, headers, body = await get(running, path)
        async with running.session.head(path) as answer:
            assert (answer.status, answer.headers["Content-Type"]) == (status, headers["Content-Type"])
            assert int(answer.headers["Content-Length"]) == len(body)
        assert status == 200


async def test_consistency_is_what_a_witness_takes(running: Service):
    newest = await text(running, "/v1/log/checkpoint")
    checkpoint = parse_checkpoint(newest)
    _, _, hashes = await get(running, "/v1/log/tile/0/000.p/8")
    leaves = [hashes[at : at + 32] for at in range(0, 256, 32)]
    for size in range(9):
        head, checkpoint_text = (await text(running, f"/v1/log/consistency?from={size}")).split("\n\n", 1)
        first, *lines = head.split("\n")
        assert (first, checkpoint_text) == (f"old {size}", newest)
        proof = [b64decode(line, validate=True) for line in lines]
        if size == 0:
            assert proof == []
        else:
            old = tree.root_of(leaves[:size])
            tree.verify_consistency(size, 8, proof, old, checkpoint.root)
    beyond = problem(await get(running, "/v1/log/consistency?from=9"))
    assert "compare signed checkpoints" in beyond["detail"]
    assert [one["code"] for one in beyond["errors"]] == ["beyond-log"]
    for wrong in ("", "?from=", "?from=-1", "?from=01", "?from=x", "?from=1e3", "?from=" + "9" * 40):
        assert (await get(running, "/v1/log/consistency" + wrong))[0] == 400


async def test_the_verifier_is_served_as_it_is_and_runs_alone(service: Service, tmp_path):
    status, headers, body = await get(service, "/v1/log/verifier.py")
    assert (status, headers["Content-Type"]) == (200, "text/x-python; charset=utf-8")
    assert body.decode() == standalone.text()
    alone = tmp_path / "verifier.py"
    alone.write_bytes(body)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-c", f"import runpy; runpy.run_path({str(alone)!r}, run_name='alone')"),
        cwd=tmp_path,
    )
    assert await process.wait() == 0


def opened(proof_text: str, key: VerifierKey):
    """Check a proof as its holder would, from its text alone; gives the leaf and the salt."""
    proof = parse_proof(proof_text)
    assert proof.text() == proof_text
    checkpoint = open_checkpoint(proof.checkpoint, key)
    extra = orjson.loads(proof.extra)
    assert encoding.canonical(extra) == proof.extra
    hashed = tree.leaf_hash(encoding.canonical(extra["leaf"]))
    tree.verify_inclusion(hashed, proof.index, checkpoint.size, proof.hashes, checkpoint.root)
    return hashed, extra["leaf"], b64decode(extra["salt"])


async def test_a_receipt_becomes_a_proof(running: Service):
    told = await keys(running)
    sent = raw("licence.granted", "L7")
    (receipt,) = (answer := await push(running, sent))["results"]
    # What was sent, with the salt, gives the leaf that was promised.
    commitment = leaves.commitment(b64decode(receipt["salt"]), encoding.canonical(sent))
    leaf = leaves.event_leaf(ENTITY, receipt["sequence"], receipt["recorded_at"], sent["source"], commitment)
    assert b64encode(tree.leaf_hash(leaf)).decode() == receipt["leaf_hash"]
    promise = notes.parse_note(answer["promise"])
    notes.verify_note(promise, VerifierKey.parse(told["receipt_verifier_key"]))
    assert promise.text == "\n".join(
        ["creditsvc receipt/v1", told["origin"], "60", "1", receipt["leaf_hash"], ""]
    )
    await settled(running.dsn)
    path = f"/v1/entities/{ENTITY}/history/{receipt['sequence']}/proof"
    hashed, committed, salt = opened(await text(running, path), VerifierKey.parse(told["verifier_key"]))
    assert encoding.canonical(committed) == leaf
    assert b64encode(hashed).decode() == receipt["leaf_hash"]
    assert b64encode(salt).decode() == receipt["salt"]


async def test_a_duplicate_gets_the_same_bytes(running: Service):
    sent = raw("licence.granted", "L8")
    bodies = []
    for _ in range(3):
        headers = running.headers("agency") | {"Content-Type": events.ONE}
        async with running.session.post("/v1/events", data=orjson.dumps(sent), headers=headers) as answer:
            bodies.append(await answer.read())
            assert answer.status == (201 if len(bodies) == 1 else 200)
    assert bodies[0].replace(b"accepted", b"duplicate") == bodies[1] == bodies[2]
    batches = [await push(running, sent, "no event", sent) for _ in range(2)]
    assert batches[0] == batches[1]
    results = batches[0]["results"]
    assert [result["status"] for result in results] == ["duplicate", "rejected", "duplicate"]
    root = tree.root_of([b64decode(results[0]["leaf_hash"])] * 2)
    assert batches[0]["promise"].split("\n")[3:5] == ["2", b64encode(root).decode()]
    nothing = await push(running, "no event")
    assert ([result["status"] for result in nothing["results"]], nothing["promise"]) == (["rejected"], None)


async def test_many_chunks_of_a_batch_get_one_promise(running: Service):
    answer = await push(running, *(raw("inspection.completed", f"I{n}") for n in range(1_100)))
    leaf_hashes = [b64decode(receipt["leaf_hash"]) for receipt in answer["results"]]
    promise = notes.parse_note(answer["promise"])
    notes.verify_note(promise, VerifierKey.parse((await keys(running))["receipt_verifier_key"]))
    assert promise.text.split("\n")[3:5] == [
        "1100",
        b64encode(tree.root_of(leaf_hashes)).decode(),
    ]


# Of what `running` pushes: 2 is not for the public, 3 and 4 were revoked, 6 awaits its record.
SHOWN = {
    "public": {1, 5},
    "partner": {1, 2, 5},
    "auditor": {1, 2, 5},
    "agency": {1, 2, 3, 4, 5},
    "other": {1, 2, 5, 6},
    "entity": {1, 2, 3, 4, 5, 6},
    "operator": {1, 2, 3, 4, 5, 6},
}
NOT_PUBLIC = "usdot:777001"
SHOWN_HIDDEN = {(NOT_PUBLIC, "public"): set(), (NOT_PUBLIC, "entity"): set()}


@pytest.mark.parametrize("role", ["public", *ROLES, "other"])
async def test_exactly_what_the_history_shows_is_proven(running: Service, role):
    """The agency's own, a foreign agency's, hidden from the public, revoked, awaited: one rule for all."""
    key = VerifierKey.parse((await keys(running))["verifier_key"])
    unknown = problem(await get(running, "/v1/entities/usdot:999999/history/1/proof", role))
    assert problem(await get(running, "/v1/entities/usdot:999999/proofs", role)) == unknown
    nothing = problem(await get(running, f"/v1/entities/{ENTITY}/history/99/proof", role))
    assert (nothing["type"], unknown["type"]) == ("/problems/not-found", "/problems/entity-unknown")
    for entity in (ENTITY, OTHER_ENTITY, NOT_PUBLIC):
        status, _, body = await get(running, f"/v1/entities/{entity}/history", role)
        items = {item["sequence"]: item for item in orjson.loads(body)["items"]} if status == 200 else {}
        for sequence in range(1, 9):
            found = await get(running, f"/v1/entities/{entity}/history/{sequence}/proof", role)
            if sequence not in items:
                assert problem(found) == (nothing if items else unknown)
                continue
            item = items[sequence]
            hashed, leaf, salt = opened(found[2].decode(), key)
            assert (b64encode(hashed).decode(), b64encode(salt).decode()) == (
                item["leaf_hash"],
                item["salt"],
            )
            assert (leaf["entity"], leaf["sequence"]) == (entity, sequence)
            content = encoding.canonical(item["event"])
            assert b64decode(leaf["commitment"]) == hashlib.sha256(salt + content).digest()
            assert found[1]["Cache-Control"] == f"{'public' if role == 'public' else 'private'}, no-cache"
            assert found[1]["Vary"] == "Authorization"
        listed = await get(running, f"/v1/entities/{entity}/proofs", role)
        assert set(items) == (SHOWN[role] if entity == ENTITY else SHOWN_HIDDEN.get((entity, role), {1}))
        if not items:
            assert problem(listed) == unknown
            continue
        document = orjson.loads(listed[2])
        assert [one["sequence"] for one in document["items"]] == sorted(items)
        assert_proven(document, key)


def problem(answer):
    status, headers, body = answer
    assert (status, headers["Content-Type"]) == (404, "application/problem+json")
    document = orjson.loads(body)
    del document["request_id"]
    return document


def assert_proven(document, key):
    checkpoint = open_checkpoint(document["checkpoint"], key)
    for one in document["items"]:
        hashes = [b64decode(hashed) for hashed in one["hashes"]]
        tree.verify_inclusion(
            b64decode(one["leaf_hash"]), one["index"], checkpoint.size, hashes, checkpoint.root
        )


async def test_what_is_no_sequence_is_no_event(running: Service):
    nothing = problem(await get(running, f"/v1/entities/{ENTITY}/history/2/proof"))
    assert nothing["detail"] == "There is no such event on show."
    for sequence in ("0", "01", "-1", "x", "1.0", "9" * 15, "9" * 40, "%D9%A1"):
        assert problem(await get(running, f"/v1/entities/{ENTITY}/history/{sequence}/proof")) == nothing


async def test_proofs_come_in_pages(running: Service):
    key = VerifierKey.parse((await keys(running))["verifier_key"])
    found, after = [], 0
    while after is not None:
        _, _, body = await get(running, f"/v1/entities/{ENTITY}/proofs?after={after}&limit=2", "operator")
        document = orjson.loads(body)
        assert_proven(document, key)
        found += [one["sequence"] for one in document["items"]]
        after = document["next"]
    assert found == [1, 2, 3, 4, 5, 6]
    for wrong in ("after=-1", "after=x", "after=", "limit=0", "limit=101", "cursor=1-1"):
        assert (await get(running, f"/v1/entities/{ENTITY}/proofs?{wrong}"))[0] == 400


@asynccontextmanager
async def sequencer_held(service: Service):
    """No sequencer places anything meanwhile: somebody else has its turn."""
    connection = await connect(service.dsn)
    try:
        async with connection.transaction():
            await connection.execute("select pg_advisory_xact_lock(7240117, 3)")
            yield
    finally:
        await connection.close()


async def test_until_a_checkpoint_is_beyond_it_the_proof_is_pending(running: Service):
    async with sequencer_held(running):
        (receipt,) = (await push(running, raw("licence.granted", "L9")))["results"]
        path = f"/v1/entities/{ENTITY}/history/{receipt['sequence']}/proof"
        status, headers, body = await get(running, path)
        assert (status, headers["Retry-After"]) == (404, "1")
        assert orjson.loads(body)["type"] == "/problems/proof-pending"
        _, _, body = await get(running, f"/v1/entities/{ENTITY}/proofs", "operator")
        document = orjson.loads(body)
        assert ([one["sequence"] for one in document["items"]], document["next"]) == ([*range(1, 7)], None)
        hidden = await push(running, raw("penalty.imposed", "P9", **HIDDEN))
        path_hidden = f"/v1/entities/{ENTITY}/history/{hidden['results'][0]['sequence']}/proof"
        assert orjson.loads((await get(running, path_hidden))[2])["type"] == "/problems/not-found"
    await settled(running.dsn)
    assert (await get(running, path))[0] == 200, "at once, whatever this worker remembers of checkpoints"


async def test_content_that_was_altered_is_not_proven(running: Service):
    connection = await connect(running.dsn)
    await connection.execute("alter table event disable trigger user")
    await connection.execute(
        "update event set content = convert_to(replace(convert_from(content, 'UTF8'), '2026-03-05', "
        "'2026-03-06'), 'UTF8') where entity_id = $1 and sequence = 1",
        ENTITY,
    )
    await connection.close()
    status, _, body = await get(running, f"/v1/entities/{ENTITY}/history/1/proof")
    assert (status, orjson.loads(body)["type"]) == (500, "/problems/internal")
    assert (await get(running, f"/v1/entities/{ENTITY}/proofs"))[0] == 500
    assert (await get(running, f"/v1/entities/{ENTITY}/history/5/proof"))[0] == 200
    assert (
        b'creditsvc_log_self_check_failures_total{check="inclusion"}' in (await get(running, "/metrics"))[2]
    )


async def test_no_worker_starts_without_its_log_or_its_key(database, tmp_path):
    settings = Settings(data_dir=tmp_path, lookup_connections=1, append_connections=1)

    async def start(match):
        runner = web.AppRunner(application(settings, database))
        with pytest.raises(LogRefused, match=match):
            await runner.setup()
        await runner.cleanup()

    await start("has not begun")
    async with sequencer(database, tmp_path):
        pass
    key = directory(settings) / RECEIPTS_KEY
    key.rename(key.with_suffix(".kept"))
    await start("receipts.key is missing")
    (directory(settings) / "log.key").rename(key)
    await start("is not the key of the log")
