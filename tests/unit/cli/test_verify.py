"""`creditsvc verify` and `creditsvc evidence` with documents and answers that nobody vouches for."""

import asyncio
import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from creditsvc.cli import evidence, verify
from creditsvc.ledger.signing import Signer
from creditsvc.verifier.evidence import Evidence
from tests.making import ENTITY
from tests.telling import KEYS, LOG, RECEIPTS, TOLD, ZEROES, Told, b64, bundle


@pytest.fixture
def check(tmp_path: Path):
    def run(*documents: Any, keys: tuple[str, ...] = KEYS) -> Result:
        paths = []
        for number, document in enumerate(documents):
            paths.append(tmp_path / f"d{number}")
            content = document if isinstance(document, str | bytes) else orjson.dumps(document)
            paths[-1].write_bytes(content.encode() if isinstance(content, str) else content)
        done = CliRunner().invoke(verify.command, [*keys, *map(str, paths)])
        done.told = done.stdout.replace(f"{tmp_path}/", "").splitlines()  # type: ignore[attr-defined]
        return done

    return run


def test_everything_sound_holds_in_any_order(check):
    documents = [*TOLD.documents().values()]
    for order in (documents, documents[::-1], [bundle(TOLD.documents())]):
        done = check(*order)
        assert (done.exit_code, done.stderr) == (0, "nothing wrong found\n"), done.output
        assert "not shown" not in done.stdout


def test_what_is_not_shown_is_said(check):
    shown = Told(*TOLD.events)
    shown.items = [shown.items[place] for place in (0, 1, 2)]  # the licence has been revoked
    done = check(shown.history(), TOLD.profile())
    assert done.exit_code == 0
    assert [line for line in done.told if "not shown" in line] == [
        f"d1: {ENTITY}: valid_from, version: not shown, for more than the events given tells of them",
        f"d1: {ENTITY}: not shown: that no other event stands in this view, for sequences have gaps",
        f"d1: {ENTITY}: not shown: that these events are in the log, for proofs are missing",
    ]
    done = check(TOLD.checkpoint(2), TOLD.checkpoint(4))
    assert done.told[-1] == "not shown: that the newest checkpoint continues those of 2"


def test_a_profile_that_tells_of_nothing_follows_from_nothing_that_is_shown(check):
    told = Told(*TOLD.events)
    nothing = {"standing": dict.fromkeys(told.profile()["standing"], 0), "listings": [], "objections": 0}
    profile = told.profile() | nothing
    profile["score"] = profile["score"] | {"factors": []}
    done = check(profile)
    said = f"d0: {ENTITY}: not shown: that nothing stands in this view, for none of its events is shown in it"
    assert (done.exit_code, done.told) == (0, [said])
    done = check(profile | {"objections": 1})
    assert done.exit_code == 1


@pytest.mark.parametrize(
    ("documents", "said"),
    [
        ([TOLD.profile()], f"d0: {ENTITY}: nothing of the history that the profile is folded from is given"),
        (
            [TOLD.history(), TOLD.profile() | {"objections": 1}],
            f"d1: {ENTITY}: objections: not what its 5 events",
        ),
        ([TOLD.history(), TOLD.profile() | {"version": 6, "more": 1}], f"d1: {ENTITY}: more: not what its"),
        ([TOLD.history(), TOLD.profile() | {"name": "x"}], f"d1: {ENTITY}: name: not what its"),
        (
            [TOLD.history(), TOLD.profile() | {"valid_until": None}],
            f"d1: {ENTITY}: valid_until: not what its",
        ),
        (
            [TOLD.history(), TOLD.profile() | {"score": {"model": "../x", "version": "1"}}],
            "d1: its model is not",
        ),
        ([TOLD.history(), TOLD.profile() | {"valid_from": "9999-12-31T23:59:59Z"}], "d1: "),
        ([TOLD.consistency(2)], "d0: cannot be checked without the older checkpoint, that of size 2"),
        ([TOLD.events[0]], f"d0: event {TOLD.events[0]['id']}: no receipt, proof or history given speaks"),
        ([TOLD.receipts() | {"promise": None}], "d0: receipts without a promise"),
        (
            [TOLD.receipts() | {"promise": TOLD.checkpoint(1)}],
            "d0: there is no signature by log.example/1/receipts",
        ),
        (
            [{"results": TOLD.receipts()["results"][:2], "promise": TOLD.receipts()["promise"]}],
            "d0: the promise is for",
        ),
        (["creditsvc receipt/v1\nx\n\n— x AAAAAAAA\n"], "d0: a promise alone"),
        (["{"], "d0: this is not JSON"),
        ([b"\xff"], "d0: this is not UTF-8"),
        (["[" * 100_000], "d0: this is not JSON"),
        ([{}], "d0: nothing that can be checked here"),
        ([{"items": [1]}], "d0: this is no history as a creditsvc gives it"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_is_named(check, documents, said):
    done = check(*documents)
    assert (done.exit_code, type(done.exception)) == (1, SystemExit)
    assert any(line.startswith((f"WRONG: {said}", f"MISSING: {said}")) for line in done.told), done.output


def test_two_leaves_for_one_entry_are_named(check):
    other = Told(*[{**event, "id": "another"} for event in TOLD.events])
    done = check(TOLD.proofs(), other.receipts())
    assert f"WRONG: d1: {ENTITY} event 3 (position 2): its content is not what the log holds" in done.told
    done = check(TOLD.checkpoint(3), other.checkpoint(3))
    assert "WRONG: d1: a second root, signed by the log, for the size 3: it has forked" in done.told


def test_keys(check):
    identity = {"verifier_key": LOG.verifier_key, "receipt_verifier_key": RECEIPTS.verifier_key}
    done = check(identity, TOLD.proofs(), TOLD.receipts(), keys=())
    assert done.exit_code == 0
    assert "on trust" in done.told[0]
    other = Signer("log.example/2", ZEROES).verifier_key
    assert "WRONG: d0: its key is not the key given" in check(identity, keys=("--key", other)).told
    (missing,) = check(TOLD.checkpoint(1), keys=()).told
    assert missing.startswith("MISSING: d0: cannot be checked without the log's key")
    assert check("x", keys=("--key", "none")).exit_code == 2
    assert CliRunner().invoke(verify.command, []).exit_code == 2
    assert CliRunner().invoke(verify.command, ["/nowhere"]).exit_code == 2


def test_nothing_steers_the_terminal(check):
    done = check({"items": [], "x": 1}, bundle({"\x1b[31m": {}, "a": "b\x1b"}))
    assert done.exit_code == 1
    assert "\x1b" not in done.output


def places(value: Any, path: tuple[Any, ...] = ()):
    yield path
    if isinstance(value, dict | list):
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, (*path, name))


SOUND = bundle(TOLD.documents())
PLACES = [path for path in places(SOUND) if len(path) > 1]
junk = st.sampled_from(
    [
        None,
        True,
        -1,
        0,
        2**63,
        1.5,
        "",
        "x",
        [],
        [1],
        {},
        {"x": 1},
        "\ud800",
        b64(bytes(32)),
        b64(bytes(16)),
        ENTITY,
    ]
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.sampled_from(PLACES), junk)
def test_nothing_that_is_altered_breaks_the_program(path, value):
    altered = json.loads(json.dumps(SOUND))
    inner = altered
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    found = Evidence(LOG.key, RECEIPTS.key)
    found._take_json("altered", altered)
    found.check()
    for where, profile in found.given.get("profile", []):
        verify._check_profile(found, where, profile)
    assert found.wrong or altered == SOUND or not {"event", "leaf_hash", "salt", "hashes", "index"} & {*path}
    assert list(found.report())


class Server:
    """Answers what it is told to, by the end of the path."""

    def __init__(self, **answers: Any) -> None:
        self.answers = {
            "creditsvc-log.json": {
                "verifier_key": LOG.verifier_key,
                "receipt_verifier_key": RECEIPTS.verifier_key,
            },
            ENTITY: TOLD.profile(),
            "history": TOLD.history(),
            "proofs": TOLD.proofs(),
            "checkpoint": TOLD.checkpoint(5),
            "consistency": TOLD.consistency(2),
        } | answers

    async def handle(self, request: web.Request) -> web.StreamResponse:
        answer = self.answers[request.path.rsplit("/", 1)[-1]]
        if isinstance(answer, web.StreamResponse):
            return answer
        return web.Response(text=answer) if isinstance(answer, str) else web.json_response(answer)

    async def save(self, *options: Any) -> Result:
        app = web.Application()
        app.router.add_get("/{path:.*}", self.handle)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            call = [ENTITY, "--url", url, "--patience", "0", *map(str, options)]
            return await asyncio.to_thread(CliRunner().invoke, evidence.command, call)
        finally:
            await runner.cleanup()


async def test_evidence_is_saved_and_holds(tmp_path, check):
    older, saved = tmp_path / "older", tmp_path / "saved"
    older.write_text(TOLD.checkpoint(2))
    done = await Server().save("--since", older, "--output", saved)
    assert (done.exit_code, done.stdout) == (0, ""), done.output
    done = check(saved.read_text())
    assert done.exit_code == 0, done.output
    assert "nothing of the log of size 2 was altered or removed up to size 5" in done.stdout


@pytest.mark.parametrize(
    "wrong",
    [
        {ENTITY: "{"},
        {ENTITY: [1]},
        {ENTITY: {"valid_from": 1}},
        {"history": {"items": [{"sequence": "1"}], "next": None}},
        {"history": {"items": [], "next": 1}},
        {"proofs": {"items": 1, "checkpoint": ""}},
        {"proofs": {"items": [{"sequence": 0}], "checkpoint": ""}},
        {"proofs": {"items": [{"sequence": 9}], "checkpoint": "x"}},
        {"proofs": {"items": [], "checkpoint": ""}},
        {"checkpoint": "x"},
        {"creditsvc-log.json": "x"},
        {"checkpoint": web.Response(status=302, headers={"Location": "/"})},
        {"checkpoint": web.Response(status=503, text="{}")},
        {"checkpoint": web.json_response({"detail": "no \x1b[31mway"}, status=404)},
        {"checkpoint": web.Response(body=b"\xff")},
    ],
    ids=lambda wrong: str({name: str(value)[:40] for name, value in wrong.items()}),
)
async def test_answers_that_are_none_are_told_and_nothing_is_saved(tmp_path, wrong):
    done = await Server(**wrong).save("--output", tmp_path / "saved")
    assert (done.exit_code, done.stdout, type(done.exception)) == (1, "", SystemExit)
    assert done.stderr.startswith("Error: ")
    assert "\x1b" not in done.stderr
    assert not (tmp_path / "saved").exists()


async def test_what_is_no_checkpoint_is_a_wrong_call(tmp_path):
    (tmp_path / "older").write_bytes(b"\xff")
    done = await Server().save("--since", tmp_path / "older", "--output", tmp_path / "saved")
    assert done.exit_code == 2


async def test_evidence_goes_on_from_evidence_that_was_saved_before(tmp_path, check):
    older, saved = tmp_path / "older.json", tmp_path / "saved"
    older.write_bytes(orjson.dumps(bundle({"checkpoint": TOLD.checkpoint(2)})))
    done = await Server().save("--since", older, "--output", saved)
    assert (done.exit_code, done.stdout) == (0, ""), done.output
    assert "of the log of size 2 was altered or removed up to size 5" in check(saved.read_text()).stdout


@pytest.mark.parametrize(
    "saved", [{}, {"bundle": "x", "documents": {"checkpoint": TOLD.checkpoint(2)}}, bundle({"checkpoint": 1})]
)
async def test_evidence_without_a_checkpoint_is_a_wrong_call(tmp_path, saved):
    (tmp_path / "older").write_bytes(orjson.dumps(saved))
    done = await Server().save("--since", tmp_path / "older", "--output", tmp_path / "saved")
    assert done.exit_code == 2


def test_only_some_profiles_are_folded_at_once(check):
    others = {str(place): {"score": {}, "entity": str(place)} for place in range(verify.PROFILES_MAX)}
    said = "too many profiles at once: give one of each organisation"
    for profiles, told in (
        ({"0": TOLD.profile(), "1": TOLD.profile()}, 1),
        (others | {"x": TOLD.profile()}, "x"),
    ):
        done = check(TOLD.history(), bundle(profiles))
        assert done.exit_code == 1
        assert done.told[-1] == f"MISSING: d1, {told}: {said}"
