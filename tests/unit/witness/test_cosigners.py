"""The log's side: whom it asks, what it takes, and that nobody holds it up."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from prometheus_client import REGISTRY

from creditsvc.ledger import cosigners
from creditsvc.ledger.cosigners import Cosigners, WitnessesRefused
from creditsvc.verifier.notes import VerifierKey, parse_note, verify_note
from creditsvc.witness import state
from creditsvc.witness.cosigning import Cosigner
from creditsvc.witness.serving import Desk, application
from tests.processes import PATIENCE_S
from tests.unit.witness.making import HandMadeLog, serving

COSIGNER = Cosigner("witness.example/false", Ed25519PrivateKey.generate())
KEY = str(COSIGNER.key)


@asynccontextmanager
async def witness(path, log):
    with state.opened(path, f"witness.example/{path.name}") as opened:
        desk = Desk(opened, [opened.log(VerifierKey.parse(log.verifier_key))])
        async with serving(application(desk)) as url:
            yield opened.cosigner.key, url


async def collected(asked: Cosigners, log: HandMadeLog, size: int) -> list[tuple[str, str]]:
    async def consistency(old: int) -> list[bytes]:
        return log.proof(old, size)

    return await asked.collect(log.note(size), size, consistency)


def counted(name: str, outcome: str) -> float:
    labels = {"witness": name, "outcome": outcome}
    return REGISTRY.get_sample_value("creditsvc_log_witness_requests_total", labels) or 0


async def test_each_checkpoint_gets_a_cosignature_of_each_witness(tmp_path):
    log = HandMadeLog().grow(20)
    async with witness(tmp_path / "a", log) as (one, url), witness(tmp_path / "b", log) as (other, where):
        asked = Cosigners(f"\n{one} {url}/\n\n  {other} {where}\n")
        for size in (1, 7, 7, 20):
            lines = dict(await collected(asked, log, size))
            assert sorted(lines) == sorted([one.name, other.name])
            note = parse_note(log.note(size) + "".join(lines.values()))
            assert verify_note(note, one) > 0
            assert verify_note(note, other) > 0
        # One that has just been started does not know how far the witnesses are: they tell.
        anew = Cosigners(f"{one} {url}")
        log.grow(10)
        assert len(await collected(anew, log, 30)) == 1
        # A log that was set back gets none.
        assert await collected(Cosigners(f"{one} {url}"), log, 20) == []
        assert counted(one.name, "ahead") == 1


async def test_nobody_is_asked_where_nobody_is_named():
    assert await collected(Cosigners(""), HandMadeLog().grow(), 1) == []


@asynccontextmanager
async def answering(answer):
    app = web.Application()
    app.router.add_post("/add-checkpoint", answer)
    async with serving(app) as url:
        yield Cosigners(f"{KEY} {url}")


def line_for(note: str) -> str:
    return COSIGNER.cosign(parse_note(note).text, 1).line()


@pytest.mark.parametrize(
    ("status", "text", "kind", "outcome"),
    [
        (200, "", "text/plain", "invalid"),
        (200, "nonsense\n", "text/plain", "invalid"),
        (200, line_for(HandMadeLog().grow(2).note()), "text/plain", "invalid"),
        (200, "x" * 100_000, "text/plain", "invalid"),
        (403, "no\n", "text/plain", "refused"),
        (302, "", "text/plain", "refused"),
        (409, "1\n", "text/plain", "refused"),
        (409, "-1\n", "text/x.tlog.size", "invalid"),
        (409, "9\n", "text/x.tlog.size", "ahead"),
        (409, "1\n", "text/x.tlog.size", "overtaken"),
    ],
)
async def test_answers_that_are_no_cosignature(status, text, kind, outcome):
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, text=text, content_type=kind)

    log = HandMadeLog().grow(3)
    before = counted(COSIGNER.key.name, outcome)
    async with answering(answer) as asked:
        assert await collected(asked, log, 3) == []
    assert counted(COSIGNER.key.name, outcome) == before + 1


async def test_other_lines_in_an_answer_are_not_taken():
    log = HandMadeLog().grow(3)
    other = Cosigner("witness.example/other", Ed25519PrivateKey.generate())

    async def answer(request: web.Request) -> web.Response:
        text = parse_note(log.note(3)).text
        return web.Response(text=other.cosign(text, 5).line() + line_for(log.note(3)))

    async with answering(answer) as asked:
        assert await collected(asked, log, 3) == [(COSIGNER.key.name, line_for(log.note(3)))]


async def test_one_that_is_slow_or_gone_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(cosigners, "TIMEOUT_S", 0.2)

    over = asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        await over.wait()
        return web.Response()

    log = HandMadeLog().grow(3)
    async with asyncio.timeout(PATIENCE_S):
        async with answering(answer) as asked:
            assert await collected(asked, log, 3) == []
            over.set()
        assert await collected(Cosigners(f"{KEY} http://127.0.0.1:9"), log, 3) == []


async def test_a_proof_that_cannot_be_made_is_nobody_s_trouble(tmp_path):
    log = HandMadeLog().grow(5)

    async def consistency(old: int) -> list[bytes]:
        raise KeyError(old)

    async with witness(tmp_path / "w", log) as (key, url):
        asked = Cosigners(f"{key} {url}")
        assert len(await collected(asked, log, 3)) == 1
        assert await asked.collect(log.note(5), 5, consistency) == []
        assert counted(key.name, "failed") == 1
        assert len(await collected(asked, log, 5)) == 1


@pytest.mark.parametrize(
    "setting",
    [
        KEY,
        f"http://127.0.0.1 {KEY}",
        f"{KEY} ftp://127.0.0.1",
        f"{KEY} http://",
        f"{KEY} http://[",
        f"{KEY} http://127.0.0.1?a=b",
        f"{KEY} http://127.0.0.1:99999",
        f"{KEY} http://127.0.0.1 more",
        f"{KEY} http://127.0.0.1\n{KEY} http://127.0.0.2",
        f"{KEY[:-4]}AAAA http://127.0.0.1",
        f"{HandMadeLog().verifier_key} http://127.0.0.1",
    ],
    ids=range(11),  # keys are new in each process, and those that share the tests must know them alike
)
def test_a_setting_that_cannot_be_used_is_refused(setting):
    with pytest.raises(WitnessesRefused, match=r"CREDITSVC_LOG_WITNESSES, line [12]"):
        Cosigners(setting)
