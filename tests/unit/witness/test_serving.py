"""The witness that is asked: every answer of tlog-witness, over real HTTP; and nothing lost in a race."""

import asyncio
import json
import os
import stat
from base64 import b64encode

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from creditsvc.ledger.signing import Signer
from creditsvc.verifier.log import Checkpoint, parse_checkpoint
from creditsvc.verifier.notes import VerifierKey, parse_note, verify_note
from creditsvc.web.access_log import AccessLog
from creditsvc.witness import listening, state
from creditsvc.witness import serving as serving_module
from creditsvc.witness.checking import BODY_MAX_BYTES, Refused, What, read_submission
from creditsvc.witness.serving import Desk, application
from tests.unit.witness.making import ORIGIN, HandMadeLog, serving


class Asked:
    """A witness that knows one log, and who asks it."""

    def __init__(self, url, session, opened, log):
        self.url, self.session, self.opened, self.log = url, session, opened, log
        self.kept = opened.log(VerifierKey.parse(log.verifier_key))

    async def add(self, body: bytes) -> tuple[int, str, str]:
        async with self.session.post(self.url + "/add-checkpoint", data=body) as answer:
            return answer.status, await answer.text(), answer.content_type

    async def status(self, *given, **named) -> int:
        return (await self.add(self.log.submission(*given, **named)))[0]

    def last(self) -> Checkpoint:
        last = self.kept.last()
        assert last is not None
        return last


@pytest.fixture
async def asked(tmp_path):
    log = HandMadeLog().grow(10)
    with state.opened(tmp_path / "witness", "witness.example/w") as opened:
        desk = Desk(opened, [opened.log(VerifierKey.parse(log.verifier_key))])
        async with serving(application(desk)) as url, aiohttp.ClientSession() as session:
            yield Asked(url, session, opened, log)


def holds(line: str, note: str, key: VerifierKey) -> bool:
    return verify_note(parse_note(note + line), key) > 0


async def test_what_continues_is_cosigned_and_can_be_fetched(asked):
    key = asked.opened.cosigner.key
    for old, size in ((0, 1), (1, 3), (3, 3), (3, 8), (8, 10)):
        status, line, kind = await asked.add(asked.log.submission(old, size))
        assert (status, kind) == (200, "text/plain")
        assert holds(line, asked.log.note(size), key)
        assert asked.last().size == size
    path = state.origin_hash(ORIGIN)
    async with asked.session.get(f"{asked.url}/{path}/checkpoint") as answer:
        shown = parse_note(await answer.text())
        assert answer.status == 200
    assert verify_note(shown, key) > 0
    assert verify_note(shown, VerifierKey.parse(asked.log.verifier_key)) == 0


async def test_no_checkpoint_before_the_first_nor_of_other_logs(asked):
    for path in (state.origin_hash(ORIGIN), "0" * 64, "nothing"):
        async with asked.session.get(f"{asked.url}/{path}/checkpoint") as answer:
            assert answer.status == 404


async def test_another_old_size_is_answered_with_the_last(asked):
    assert await asked.status(0, 4) == 200
    for old, size in ((0, 10), (3, 10), (0, 4)):
        assert await asked.add(asked.log.submission(old, size)) == (409, "4\n", "text/x.tlog.size")
    assert asked.last().size == 4


async def test_an_old_size_above_the_checkpoint_is_malformed(asked):
    assert await asked.status(0, 4) == 200
    assert await asked.status(4, 3, proof=[]) == 400
    assert asked.last().size == 4


async def test_unknown_logs_and_false_signatures(asked):
    other = HandMadeLog("other.example/log").grow(3)
    assert (await asked.add(other.submission(0, 3)))[0] == 404
    impostor = Signer(ORIGIN, Ed25519PrivateKey.generate())
    text = parse_note(asked.log.note(3)).text
    assert await asked.status(0, 3, note=impostor.sign(text)) == 403
    true = asked.log.note(3)
    changed = true.replace("\n3\n", "\n4\n")
    assert await asked.status(0, 3, note=changed) == 403
    # A line by an unknown key does no harm; a false one by the log's own key does, beside a true one.
    strange = impostor.sign(text).rpartition("\n\n")[2]
    false = asked.log.note(4).rpartition("\n\n")[2]
    assert await asked.status(0, 3, note=true + false) == 403
    assert asked.kept.last() is None
    assert await asked.status(0, 3, note=true + strange) == 200


async def test_proofs_that_do_not_hold(asked):
    assert await asked.status(0, 3, proof=[bytes(32)]) == 422
    assert await asked.status(0, 3) == 200
    right = asked.log.proof(3, 10)
    assert await asked.status(3, 10, proof=[]) == 422
    assert await asked.status(3, 10, proof=right[:-1]) == 422
    assert await asked.status(3, 10, proof=[*right, bytes(32)]) == 422
    assert await asked.status(3, 10, proof=[bytes(32), *right[1:]]) == 422
    assert await asked.status(3, 3, proof=[bytes(32)]) == 422
    assert asked.last().size == 3
    assert asked.kept.alarm() is None, "anybody can hand in a false proof"
    assert await asked.status(3, 10) == 200


async def test_the_empty_tree_has_one_root(asked):
    assert await asked.status(0, 0, note=asked.log.note(0, bytes(32))) == 422
    assert await asked.status(0, 0) == 200
    assert await asked.status(0, 5) == 200


@pytest.mark.parametrize("old", [4, 0])
async def test_two_roots_for_a_size_are_kept_as_evidence_and_end_it(asked, old):
    assert await asked.status(0, 4) == 200
    fork = asked.log.note(4, bytes(32))
    assert await asked.status(old, 4, proof=[], note=fork) == (422 if old == 4 else 409)
    (evidence,) = (asked.kept.directory / "evidence").iterdir()
    text = evidence.read_text()
    assert fork in text
    assert parse_checkpoint(asked.log.note(4)).note.text in text
    assert await asked.status(4, 10) == 503
    assert asked.last().size == 4
    (asked.kept.directory / "alarm").unlink()
    assert await asked.status(4, 10) == 200


HASH = b64encode(bytes(32)).decode()
NOTE = "a\n1\n" + HASH + "\n\n— a " + b64encode(bytes(68)).decode() + "\n"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"old 0\n\n",
        b"old 00\n\n" + NOTE.encode(),
        b"old -1\n\n" + NOTE.encode(),
        b"old 1e3\n\n" + NOTE.encode(),
        b"old  1\n\n" + NOTE.encode(),
        "old ١\n\n".encode() + NOTE.encode(),
        b"old 9999999999999999999\n\n" + NOTE.encode(),
        b"old 0\r\n\r\n" + NOTE.encode(),
        b"old 0\n" + NOTE.encode(),
        b"old 1\nAAAA\n\n" + NOTE.encode(),
        f"old 1\n{HASH[:-2]}B=\n\n{NOTE}".encode(),
        (f"old 1\n{HASH}\n" + f"{HASH}\n" * 63 + "\n" + NOTE).encode(),
        f"old 1\n{HASH}\n \n{NOTE}".encode(),
        f"old 0\n\n{NOTE[:-1]}".encode(),
        f"old 0\n\n{NOTE}".replace("\n1\n", "\n01\n").encode(),
        f"old 0\n\n{NOTE}".replace(HASH, "AAAA").encode(),
        f"old 0\n\n{NOTE}\0".encode(),
        f"old 0\n\n{NOTE}— a\n".encode(),
        ("old 0\n\n" + NOTE + "— a AAAAAAAA\n" * 200).encode(),
    ],
)
async def test_what_is_not_written_as_it_must_be_is_refused(asked, body):
    assert (await asked.add(body))[0] == 400


async def test_a_replay_is_answered_and_not_written(asked, monkeypatch):
    """A checkpoint is public, and anybody can hand it in again: as often as the wire carries."""
    body = asked.log.submission(3, 3)
    assert await asked.status(0, 3) == 200
    path = asked.kept.directory / "checkpoint"
    before = path.stat().st_mtime_ns
    lines = {(await asked.add(body))[1] for _ in range(20)}
    assert len(lines) == 1
    assert holds(lines.pop(), asked.log.note(3), asked.opened.cosigner.key)
    assert path.stat().st_mtime_ns == before
    monkeypatch.setattr(serving_module, "REPLAY_S", 0.0)
    assert (await asked.add(body))[0] == 200
    assert path.stat().st_mtime_ns > before, "a cosignature says when the log was seen"


async def test_the_access_log_names_routes(asked, caplog, monkeypatch):
    lines: list[str] = []
    monkeypatch.setattr("creditsvc.logs.write", lines.append)
    app = listening.named(Desk(asked.opened, [asked.kept]))
    with caplog.at_level("INFO", "creditsvc.access"):
        async with serving(app, AccessLog) as url:
            body = asked.log.submission(0, 3)
            async with asked.session.post(f"{url}/add-checkpoint", data=body) as answer:
                assert answer.status == 200
            for path in (f"{state.origin_hash(ORIGIN)}/checkpoint", "nothing"):
                async with asked.session.get(f"{url}/{path}"):
                    pass
    await asyncio.sleep(0)  # lines are written together, after the answers of a moment
    routes = [json.loads(line)["route"] for line in "".join(lines).splitlines()]
    assert routes == ["/add-checkpoint", "/{origin}/checkpoint", "unmatched"]


async def test_bodies_have_an_end(asked):
    assert (await asked.add(b"old 0\n" * BODY_MAX_BYTES))[0] == 413


async def test_of_many_at_once_none_goes_back(asked):
    assert await asked.status(0, 1) == 200
    bodies = [asked.log.submission(1, size) for size in range(2, 11)] * 3
    answers = await asyncio.gather(*map(asked.add, bodies))
    taken = [text for status, text, _ in answers if status == 200]
    size = asked.last().size
    assert taken
    assert all(holds(line, asked.log.note(size), asked.opened.cosigner.key) for line in taken)
    assert {status for status, _, _ in answers} == {200, 409}
    assert {text for status, text, _ in answers if status == 409} == {f"{size}\n"}


async def test_in_the_desk_itself_threads_do_not_overtake_each_other(asked):
    desk = Desk(asked.opened, [asked.kept])
    desk.add(read_submission(asked.log.submission(0, 1)))

    refusals: list[Refused] = []

    def climb() -> int:
        taken = 0
        for size in range(2, 11):
            last = asked.last().size
            if last < size:
                try:
                    desk.add(read_submission(asked.log.submission(last, size)))
                    taken += 1
                except Refused as refused:
                    refusals.append(refused)
        return taken

    climbs = await asyncio.gather(*(asyncio.to_thread(climb) for _ in range(4)))
    assert sum(climbs) <= 9
    assert {refused.what for refused in refusals} <= {What.ELSEWHERE}
    assert asked.last().size == 10


def test_the_state_is_one_process_s_and_private(tmp_path):
    with state.opened(tmp_path / "w") as opened:
        assert stat.S_IMODE((tmp_path / "w").stat().st_mode) == 0o700
        assert stat.S_IMODE((tmp_path / "w" / "witness.key").stat().st_mode) == 0o600
        with pytest.raises(state.StateRefused, match="in use"), state.opened(tmp_path / "w"):
            pass
        assert state.cosigner_of(tmp_path / "w").key == opened.cosigner.key
    with state.opened(tmp_path / "w") as again:
        assert again.cosigner.key == opened.cosigner.key
    with pytest.raises(state.StateRefused, match="--name"), state.opened(tmp_path / "w", "other"):
        pass
    (tmp_path / "w" / "witness.key").unlink()
    with pytest.raises(state.StateRefused, match="put it back"), state.opened(tmp_path / "w"):
        pass


def test_what_is_kept_never_goes_back(tmp_path):
    log = HandMadeLog().grow(5)
    with state.opened(tmp_path / "w") as opened:
        kept = opened.log(VerifierKey.parse(log.verifier_key))
        kept.keep(parse_checkpoint(log.note(4)), opened.cosigner, 1)
        for note in (log.note(3), log.note(4, bytes(32))):
            with pytest.raises(state.StateRefused, match="never goes back"):
                kept.keep(parse_checkpoint(note), opened.cosigner, 1)
        with pytest.raises(state.StateRefused, match="another key"):
            opened.log(VerifierKey.parse(HandMadeLog().verifier_key))
        path = kept.directory / "checkpoint"
        path.write_text(path.read_text().replace("\n4\n", "\n2\n"))
        with pytest.raises(state.StateRefused, match="not what this witness wrote"):
            kept.last()
        os.truncate(path, 0)
        with pytest.raises(state.StateRefused):
            kept.last()
