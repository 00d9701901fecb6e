"""What an organisation itself writes in a case: whole to who is party to the record, and to nobody else."""

import asyncio
import itertools
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from click.testing import CliRunner

from creditsvc.cli import evidence, show, verify
from creditsvc.domain.parties import party
from creditsvc.settings import Settings
from creditsvc.store.clients import create_key
from creditsvc.store.database import connect
from creditsvc.verifier.evidence import Evidence
from creditsvc.verifier.log import parse_proof
from creditsvc.verifier.notes import VerifierKey
from tests.conformance.conftest import Service, served, with_keys
from tests.conformance.test_accesses import METHODS, QUERIES
from tests.making import ENTITY, OTHER_ENTITY, OTHER_SOURCE, SOURCE, raw
from tests.sequencing import settled

ONE = f"/v1/entities/{ENTITY}"
MARK = "Zq7-written-by-the-organisation"
PROMISED = "承诺依法诚信经营"  # in public
HANDLER = "urn:agency:cn-bj-samr"  # the objection to P1 was referred to it
OPENER = "urn:agency:cn-zj-samr"  # opened an objection to P1 for the organisation
DAYS_AGO = {days: (datetime.now(UTC) - timedelta(days=days)).date().isoformat() for days in (9, 150)}
PENALTY = {"severity": "serious", "decided_on": DAYS_AGO[9]}
WORDS = {"reason": f"{MARK} 1", "note": f"{MARK} 2", "evidence": [{"reference": f"{MARK} 3"}]}
PLENTY = dict.fromkeys(
    ("anonymous_per_minute", "agency_per_minute", "partner_per_minute", "other_per_minute"), 10_000_000
)


def stated(kind, record, *words, **given):
    data = {"record_source": SOURCE} | given | {name: WORDS[name] for name in words}
    return raw(kind, record, source=party(ENTITY), **data)


REFUSED = {"decision": "refused", "reason": "经核对无误"}
# In their order: who sends it, and what.
SENT = [
    ("agency", raw("penalty.imposed", "P1", entity_name="Hats", **PENALTY)),
    ("entity", stated("objection.opened", "P1", *WORDS, objection="O1", ground="wrong")),
    ("agency", raw("objection.decided", "P1", objection="O1", decision="referred", to=HANDLER)),
    (
        OPENER,
        raw("objection.opened", "P1", source=OPENER, record_source=SOURCE, objection="O9", reason="代为提出"),
    ),
    ("agency", raw("penalty.imposed", "P2", **PENALTY)),
    ("entity", stated("objection.opened", "P2", "evidence", objection="O2", ground="incomplete")),
    ("agency", raw("record.shielded", "P2", reason="重整")),
    ("agency", raw("record.unshielded", "P2", reason="终止")),
    ("agency", raw("penalty.imposed", "P3", severity="general", decided_on=DAYS_AGO[150])),
    ("entity", stated("objection.opened", "P3", objection="O3", ground="wrong")),  # has nothing to withhold
    ("agency", raw("objection.decided", "P3", objection="O3", **REFUSED)),
    ("entity", stated("objection.appealed", "P3", "reason", "note", objection="O3")),
    ("entity", stated("objection.withdrawn", "P3", "note", objection="O3")),
    ("entity", stated("repair.applied", "P3", "reason", "evidence", repair="X1", commitment=PROMISED)),
    ("agency", raw("repair.asked", "P3", repair="X1", reason="补充")),
    ("entity", stated("repair.supplemented", "P3", *WORDS, repair="X1")),
    ("entity", stated("repair.withdrawn", "P3", "reason", repair="X1")),
]
# The organisation's events, by their sequence: of which record, and what is withheld of them.
WITHHELD = {
    2: ("P1", ["reason", "note", "evidence"]),
    6: ("P2", ["evidence"]),
    12: ("P3", ["reason", "note"]),
    13: ("P3", ["note"]),
    14: ("P3", ["reason", "evidence"]),
    16: ("P3", ["reason", "note", "evidence"]),
    17: ("P3", ["reason"]),
}
ALL, NONE = {"P1", "P2", "P3"}, set()
# Written out: to the words on which records each viewer is party, in the history and proofs; in the feed.
VIEWERS = {
    "public": (NONE, None),
    "another entity": (NONE, None),
    "partner": (NONE, NONE),
    "another agency": (NONE, NONE),
    "auditor": (NONE, NONE),
    "agency that opened one": ({"P1"}, NONE),  # the feed knows agencies by what they handed in
    "agency with a case": ({"P1"}, NONE),
    "agency": (ALL, ALL),
    "entity": (ALL, None),
    "operator": (ALL, ALL),
}
STRANGERS = [name for name, (seen, _) in VIEWERS.items() if not seen]
CASES = [name for name, (seen, _) in VIEWERS.items() if seen == {"P1"}]
FACTS = ["sequence", "recorded_at", "leaf_hash"]


@pytest.fixture(scope="module")
async def running(make_database) -> AsyncIterator[Service]:
    async with AsyncExitStack() as stack:
        settings = Settings(workers=1, drain_timeout_s=1, feed_wait_max_s=0.05, **PLENTY)
        service = await with_keys(await stack.enter_async_context(served(await make_database(), settings)))
        connection = await connect(service.dsn)
        for name, source in (
            ("another agency", OTHER_SOURCE),
            ("agency with a case", HANDLER),
            ("agency that opened one", OPENER),
        ):
            service.keys[name] = await create_key(
                connection, "agency", client_id=name.replace(" ", "-"), sources=[source]
            )
        service.keys["another entity"] = await create_key(
            connection, "entity", client_id="another", entity=OTHER_ENTITY
        )
        await connection.close()
        service.keys[OPENER] = service.keys["agency that opened one"]
        for who, event in SENT:
            status, body = await ask(service, who, "/v1/events", "POST", event)
            assert status == 201, body
        await settled(service.dsn)
        yield service


async def ask(service: Service, viewer: str, path: str, method: str = "GET", body=None):
    """The status of an answer, and all the bytes of it."""
    headers = service.headers(viewer)
    if body is not None:
        media = "application/cloudevents+json" if path == "/v1/events" else "application/json"
        headers = headers | {"Content-Type": media}
    data = None if body is None else orjson.dumps(body)
    async with service.session.request(method, path, data=data, headers=headers) as answer:
        return answer.status, repr(dict(answer.headers)).encode() + await answer.read()


async def told(service: Service, viewer: str, path: str):
    async with service.session.get(path, headers=service.headers(viewer)) as answer:
        assert answer.status == 200, await answer.text()
        return orjson.loads(await answer.read())


def expected(sequence: int, *, whole: bool):
    """The members of an item behind its facts, and the event."""
    event = SENT[sequence - 1][1]
    if whole or sequence not in WITHHELD:
        return ["salt", "event"], None, event
    withheld = WITHHELD[sequence][1]
    data = {name: value for name, value in event["data"].items() if name not in withheld}
    return ["commitment", "withheld", "event"], [f"/data/{one}" for one in withheld], event | {"data": data}


def check(items, seen):
    for item in items:
        sequence = item["sequence"]
        members, withheld, event = expected(
            sequence, whole=sequence in WITHHELD and WITHHELD[sequence][0] in seen
        )
        shown = [name for name in item if name not in {*FACTS, "position", "entity", "earlier", "leaf"}]
        assert (shown, item.get("withheld"), item["event"]) == (members, withheld, event)


@pytest.mark.parametrize("viewer", VIEWERS)
async def test_who_is_party_to_a_record_reads_it_whole_in_the_history(running: Service, viewer):
    page = await told(running, viewer, f"{ONE}/history")
    assert [item["sequence"] for item in page["items"]] == [*range(1, len(SENT) + 1)]
    check(page["items"], VIEWERS[viewer][0])
    proofs = await told(running, viewer, f"{ONE}/proofs")
    assert {name for item in proofs["items"] for name in item} == {"sequence", "index", "leaf_hash", "hashes"}
    for sequence in range(1, len(SENT) + 1):
        _, body = await ask(running, viewer, f"{ONE}/history/{sequence}/proof")
        extra = orjson.loads(parse_proof(body[body.index(b"c2sp.org/") :].decode()).extra)
        whole = sequence not in WITHHELD or WITHHELD[sequence][0] in VIEWERS[viewer][0]
        if whole:
            assert [*extra] == ["leaf", "salt"]
        else:
            assert extra == {"leaf": extra["leaf"], "withheld": expected(sequence, whole=False)[1]}


@pytest.mark.parametrize("viewer", [name for name, (_, feed) in VIEWERS.items() if feed is not None])
async def test_and_in_the_feed_what_they_handed_in(running: Service, viewer):
    seen = VIEWERS[viewer][1]
    page = await told(running, viewer, f"/v1/log/events?entity={ENTITY}&limit=100")
    items = [item for item in page["items"] if "event" in item]
    earlier = [one for item in items for one in item.get("earlier", ())]
    assert {item["sequence"] for item in [*items, *earlier]} == {*range(1, len(SENT) + 1)}
    brought = [one["sequence"] for one in earlier]
    assert brought == ([] if viewer in {"agency", "operator"} else [5, 6, 7])
    check([*items, *earlier], seen)


async def salts(service: Service) -> list[bytes]:
    page = await told(service, "entity", f"{ONE}/history")
    return [item["salt"].encode() for item in page["items"] if item["sequence"] in WITHHELD]


async def every_answer(service: Service, viewer: str) -> AsyncIterator[tuple[str, bytes]]:
    """All that a viewer can ask, by every route, now and as of every instant of the history."""
    for name, query in QUERIES.items():
        if name not in {"push-events", "consent-give", "consent-withdraw"}:
            yield name, (await ask(service, viewer, query.path, METHODS[name], query.body))[1]
    for sequence in range(1, len(SENT) + 1):
        _, body = await ask(service, viewer, f"{ONE}/history/{sequence}/proof")
        yield f"proof {sequence}", body
        if b"c2sp.org/" in body:
            yield "its extra", parse_proof(body[body.index(b"c2sp.org/") :].decode()).extra
    moments = [item["recorded_at"] for item in (await told(service, "entity", f"{ONE}/history"))["items"]]
    for at, part in itertools.product(moments, ("", "/records", "/history", "/score")):
        path = f"{ONE}{part}?as_of={at}"
        yield path, (await ask(service, viewer, path))[1]
    for number in ("O1", "X1", MARK):
        path = f"/v1/entities?name={number}"
        yield path, (await ask(service, viewer, path))[1]
    types = sorted({event["type"] for _, event in SENT})
    for query in ("limit=1", "limit=1000", *(f"type={one}" for one in types), f"source={party(ENTITY)}"):
        for start in range(0, len(SENT), 1 if query == "limit=1" else len(SENT)):
            path = f"/v1/log/events?from={start}&{query}"
            yield path, (await ask(service, viewer, path))[1]


@pytest.mark.parametrize("viewer", STRANGERS)
async def test_no_answer_to_others_has_a_word_of_it_nor_its_salt(running: Service, viewer, caplog):
    caplog.set_level(logging.DEBUG)
    hidden = [MARK.encode(), *(await salts(running))]
    answers = 0
    async for asked, content in every_answer(running, viewer):
        answers += 1
        assert [one for one in hidden if one in content and "name=" not in asked] == [], asked
    assert answers > 100
    assert MARK not in caplog.text


@pytest.mark.parametrize("viewer", CASES)
async def test_nor_has_one_to_an_agency_beyond_the_record_that_its_case_is_on(running: Service, viewer):
    found = set()
    async for asked, content in every_answer(running, viewer):
        if MARK.encode() in content:
            found.add(asked.partition("?")[0])
    assert found == {"history", f"{ONE}/history"}


async def test_the_same_search_finds_it_for_who_is_party(running: Service):
    hidden = [MARK.encode(), *(await salts(running))]
    found = set()
    async for _, content in every_answer(running, "agency"):
        found |= {one for one in hidden if one in content}
    assert found == {*hidden}


async def test_what_the_public_was_promised_it_reads(running: Service):
    page = await told(running, "public", f"{ONE}/history")
    assert [item["event"]["data"].get("commitment") for item in page["items"]].count(PROMISED) == 1


async def call(command, *arguments):
    return await asyncio.to_thread(CliRunner().invoke, command.command, [str(one) for one in arguments])


@pytest.mark.parametrize("viewer", ["public", "partner", "auditor", "agency with a case", "agency", "entity"])
async def test_evidence_holds_and_says_how_much_of_it_is_in_part(running: Service, viewer, tmp_path):
    saved, alone = tmp_path / "evidence.json", tmp_path / "verifier.py"
    key = [] if viewer == "public" else ["--key", running.keys[viewer]]
    done = await call(evidence, ENTITY, "--url", running.url, "--output", saved, *key)
    assert done.exit_code == 0, done.output
    parts = sum(record not in VIEWERS[viewer][0] for record, _ in WITHHELD.values())
    assert (f"{parts} statements of the organisation shown to you in part" in done.stderr) == (parts > 0)
    assert (MARK.encode() in saved.read_bytes()) == (parts < len(WITHHELD))
    log_key = (await told(running, "public", "/.well-known/creditsvc-log.json"))["verifier_key"]
    done = await call(verify, "--key", log_key, saved)
    assert done.exit_code == 0, done.output
    async with running.session.get("/v1/log/verifier.py") as answer:
        alone.write_bytes(await answer.read())
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", str(alone), "--key", log_key, str(saved)), stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said
    in_part = "of the organisation are shown in part: what is shown of them is the service's word"
    for output in (done.stdout, said.decode()):
        assert (f"{parts} statements {in_part}" in output.splitlines()) == (parts > 0), output
        assert f"{len(SENT)} of {len(SENT)} events are proven to be in the log" in output
        assert (MARK in output) is False
    assert f"what its {len(SENT)} events come to" in done.stdout


async def test_the_organisation_can_hold_what_others_are_shown_to_what_it_said(running: Service):
    log_key = (await told(running, "public", "/.well-known/creditsvc-log.json"))["verifier_key"]
    own = await told(running, "entity", f"{ONE}/history")
    theirs = await told(running, "public", f"{ONE}/history")
    proof = await told(running, "public", f"{ONE}/proofs")

    def said(page):
        found = Evidence(VerifierKey.parse(log_key))
        for name, document in (("own", own), ("theirs", page), ("proofs", proof)):
            found.take(name, orjson.dumps(document).decode())
        found.check()
        return found.wrong, [line for line in found.report() if "in part: what" in line]

    assert said(theirs) == ([], [])
    theirs["items"][1]["event"]["data"]["ground"] = "duplicate"
    assert said(theirs)[0] == [f"theirs: {ENTITY} event 2: is told in two ways"]


async def test_what_is_shown_in_a_terminal_says_so(running: Service):
    for viewer, whole in (("public", False), ("entity", True)):
        key = [] if viewer == "public" else ["--key", running.keys[viewer]]
        done = await call(show, ENTITY, "--url", running.url, *key)
        assert done.exit_code == 0, done.output
        assert (MARK in done.stdout, "wrong (shown in part)" in done.stdout) == (whole, not whole)
