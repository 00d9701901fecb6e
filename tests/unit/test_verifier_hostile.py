"""Evidence made up to pass for what it is not, or to wear out whoever checks it."""

import json
import resource
import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from creditsvc.cli.verify import _subject
from creditsvc.ledger.signing import Signer
from creditsvc.ledger.tiles import Edge, inclusion
from creditsvc.verifier import log
from creditsvc.verifier.documents import BUNDLE
from creditsvc.verifier.encoding import canonical
from creditsvc.verifier.evidence import Evidence
from creditsvc.verifier.leaves import commitment, event_leaf
from creditsvc.verifier.log import Log, Proof
from creditsvc.verifier.notes import COSIGNATURE, VerifierKey, key_id_of
from creditsvc.verifier.tree import leaf_hash, root_of
from creditsvc.verifier.wrong import Wrong

SEED, OTHER_SEED = (Ed25519PrivateKey.from_private_bytes(bytes([one] * 32)) for one in (0, 1))
LOG, RECEIPTS = Signer("log.example", SEED), Signer("log.example/receipts", SEED)
A, B = "siren:552081317", "siren:351680558"
SUBJECTS = (A, B, A)


def b64(data: bytes) -> str:
    return b64encode(data).decode()


def event(place: int) -> dict[str, Any]:
    return {
        "id": f"e{place}",
        "source": "urn:a",
        "subject": SUBJECTS[place],
        "specversion": "1.0",
        "data": {},
    }


def salt(place: int) -> bytes:
    return bytes([place] * 16)


def facts(place: int) -> dict[str, Any]:
    sequence = SUBJECTS[: place + 1].count(SUBJECTS[place])
    return {
        "entity": SUBJECTS[place],
        "sequence": sequence,
        "recorded_at": f"2026-01-01T00:00:0{place}.000000Z",
    }


def leaf(place: int) -> bytes:
    committed = commitment(salt(place), canonical(event(place)))
    return event_leaf(**facts(place), source="urn:a", commitment=committed)


HASHES = [leaf_hash(leaf(place)) for place in range(3)]
TILES = Edge().extend(HASHES)
NOTE = LOG.sign(f"log.example\n3\n{b64(root_of(HASHES))}\n")


def proof(place: int) -> str:
    extra = canonical({"leaf": json.loads(leaf(place)), "salt": b64(salt(place))})
    return Proof(place, tuple(inclusion(place, 3, TILES)), extra, NOTE).text()


def promise(place: int, signer: Signer = RECEIPTS, origin: str = "log.example") -> str:
    return signer.sign(f"creditsvc receipt/v1\n{origin}\n60\n1\n{b64(HASHES[place])}\n")


def receipt(place: int, **other: Any) -> dict[str, Any]:
    told = {"id": f"e{place}", "source": "urn:a", "status": "accepted", "promise": promise(place)}
    return {**told, **facts(place), "leaf_hash": b64(HASHES[place]), "salt": b64(salt(place)), **other}


def item(place: int, **other: Any) -> dict[str, Any]:
    told = {name: one for name, one in facts(place).items() if name != "entity"}
    return {**told, "leaf_hash": b64(HASHES[place]), "salt": b64(salt(place)), "event": event(place), **other}


def page(place: int, **other: Any) -> dict[str, Any]:
    hashes = [b64(one) for one in inclusion(place, 3, TILES)]
    shown = {"index": place, "leaf_hash": b64(HASHES[place]), "hashes": hashes}
    named = {**facts(place), **other}
    items = [{**shown, "sequence": named["sequence"]}]
    return {"entity": named["entity"], "checkpoint": NOTE, "items": items, "next": None}


def identity(log: Signer = LOG, receipts: Signer = RECEIPTS, **other: Any) -> dict[str, Any]:
    return {"verifier_key": log.verifier_key, "receipt_verifier_key": receipts.verifier_key, **other}


def checked(*documents: Any, keys: tuple[VerifierKey | None, ...] = (LOG.key, RECEIPTS.key), **more: Any):
    found = Evidence(*keys, **more)
    for place, document in enumerate(documents):
        found.take(f"d{place}", document if isinstance(document, str) else json.dumps(document))
    found.check()
    return [*found.report()], found.faults()


def test_what_is_sound_holds():
    documents = (NOTE, page(0), proof(0), receipt(0), {"entity": A, "items": [item(0), item(2)]}, event(0))
    told, faults = checked(identity(), *documents, page(2))
    assert faults == []
    assert not any(line.startswith("not shown") for line in told)
    assert any("receipt is kept" in line for line in told)


def test_keys_that_were_not_given_are_said_to_be_taken_on_trust():
    for keys, trusted in (
        ((None, None), "elsewhere: the log's key and the key for receipts"),
        ((LOG.key, None), "elsewhere: the key for receipts"),
        ((None, RECEIPTS.key), "elsewhere: the log's key"),
    ):
        told, faults = checked(identity(), receipt(0), keys=keys)
        assert faults == []
        assert "taken on trust" in told[0]
        assert told[0].endswith(trusted)


@pytest.mark.parametrize(
    "found",
    [
        identity(receipts=Signer("evil.example/receipts", OTHER_SEED)),
        identity(receipts=Signer("log.example", OTHER_SEED)),
        identity(receipts=Signer("log.example/receipts/receipts", OTHER_SEED)),
        identity(origin="evil.example"),
    ],
)
def test_keys_of_another_name_are_refused(found):
    assert checked(found, keys=(LOG.key, None))[1] == [
        "WRONG: d0: its keys are not those of one log and of its receipts"
    ]


def test_a_witness_key_is_not_one_for_receipts():
    public = RECEIPTS.key.public_key
    key = VerifierKey(RECEIPTS.name, key_id_of(RECEIPTS.name, COSIGNATURE, public), COSIGNATURE, public)
    assert checked(identity() | {"receipt_verifier_key": str(key)}, keys=(LOG.key, None))[1]


def test_a_promise_of_another_log_is_refused():
    evil = Signer("evil.example/receipts", OTHER_SEED)
    theirs = receipt(0, promise=promise(0, evil, "evil.example"))
    said = "WRONG: d0: the promise is not for receipts of this log"
    assert said in checked(theirs, keys=(LOG.key, evil.key))[1]
    assert said in checked(receipt(0, promise=promise(0, origin="evil.example")))[1]


@pytest.mark.parametrize("other", [proof(0), receipt(0)], ids=["proof", "receipt"])
def test_an_event_about_another_is_not_the_content(other):
    about_another = {**event(0), "subject": B}
    told, faults = checked(other, about_another)
    assert f"its subject as sent was {B}" in faults[0]
    assert not any("is the content" in line for line in told)
    told, faults = checked(other, about_another, subject=_subject)
    assert faults[0].startswith("WRONG: d1: ")
    assert not any("is the content" in line for line in told)


def test_a_subject_in_another_spelling_is_the_same_where_spellings_are_known():
    spelled = {**event(0), "subject": "SIREN: 552 081 317"}
    for other in (proof(0), receipt(0)):
        told, faults = checked(other, spelled, subject=_subject)
        assert (faults, f"d1: event is the content of {A} event 1" in told) == ([], True)
        assert checked(other, spelled)[1][0].startswith("MISSING: d1: ")
    assert checked(proof(0), {**event(0), "subject": "none"}, subject=_subject)[1]


@pytest.mark.parametrize(
    "forged",
    [{"recorded_at": "2020-01-01T00:00:00.000000Z"}, {"source": "urn:b"}, {"sequence": 9}, {"entity": B}],
)
@pytest.mark.parametrize(
    "known", [proof(0), {"items": [item(0)]}, event(0)], ids=["proof", "history", "event"]
)
def test_what_a_receipt_says_is_held_to_the_leaf(known, forged):
    if known == event(0) and "source" in forged:  # it then speaks of no event that is given
        return
    told, faults = checked(page(0), known, receipt(0, **forged))
    assert faults
    assert not any("is kept" in line for line in told)


def test_a_receipt_for_another_event_of_that_leaf_is_refused():
    assert checked({"items": [item(0)]}, receipt(0, id="e9"))[1]


def test_what_no_leaf_binds_is_not_said_to_be_kept():
    told, faults = checked(page(0, sequence=9), receipt(0, sequence=9))
    assert faults == []
    assert not any("is kept" in line for line in told)
    assert any("what it says of it is not checked" in line for line in told)
    assert told[-1] == "not shown: that 1 leaves in the log are those of the events that they are called"


@pytest.mark.parametrize("other", [{"sequence": 9}, {"entity": B}])
@pytest.mark.parametrize("known", [page(0), proof(0), {"items": [item(0)]}], ids=["page", "proof", "history"])
def test_one_leaf_has_one_name(known, other):
    assert checked(page(0, **other), known)[1]
    assert checked(known, page(0, **other))[1]


def test_a_history_is_of_one_organisation():
    said = f"WRONG: d0: {A} event 1: stands in the history of another, {B}"
    assert checked({"entity": B, "items": [item(0)]})[1] == [said]
    assert checked({"entity": A, "items": [item(0)]})[1] == []
    assert checked({"items": [item(0, notice=1, due="x")]})[1], "a notice is not an event"


def test_what_is_said_twice_or_is_no_number_is_refused():
    sound = json.dumps({"entity": A, "items": [item(0)]})
    for text in (
        sound.replace('"data": {', '"data": {"x": 1}, "data": {'),
        sound.replace('"sequence": 1', '"sequence": 1, "x": NaN'),
        sound.replace('"sequence": 1', '"sequence": 1, "x": -Infinity'),
    ):
        for bundled in (text, json.dumps({"bundle": BUNDLE, "documents": {"x": text}})):
            told, faults = checked(bundled)
            assert (told, len(faults)) == ([], 1)
    extra = canonical({"leaf": json.loads(leaf(0)), "salt": b64(salt(0))})
    for spoiled in (extra[:-1] + b',"salt":""}', extra[:-1] + b',"x":NaN}'):
        with pytest.raises(Wrong, match=r"two members of one name|number"):
            Log(LOG.key).proof(Proof(0, tuple(inclusion(0, 3, TILES)), spoiled, NOTE).text())


def test_a_checkpoint_is_opened_once(monkeypatch):
    counted, real = [], log.verify_note
    monkeypatch.setattr(log, "verify_note", lambda *given: counted.append(given) or real(*given))
    found = page(0)
    assert checked({**found, "items": found["items"] * 100}, proof(0))[1] == []
    assert len(counted) == 1
    checked({**found, "items": found["items"] * 100, "checkpoint": NOTE.replace("\n3\n", "\n4\n")})
    assert len(counted) == 2


def bundle(documents: dict[str, Any]) -> dict[str, Any]:
    return {"bundle": BUNDLE, "documents": documents}


def deep() -> Any:
    found: Any = bundle({})
    for _ in range(250):
        found = bundle({"x" * 1_000: found})
    return found


def junk_signatures() -> str:
    return NOTE + "".join(f"— w{place} {'A' * 15_600}\n" for place in range(60))


ALIKE = {"id": "e", "source": "s", "specversion": "1", "subject": A}
EVENT = {**event(0), "id": "x"}
BOMBS: dict[str, Any] = {
    "long name": bundle({"N" * 500_000: bundle({str(place): {} for place in range(40_000)})}),
    "deep": deep(),
    "padded note": {**page(0), "checkpoint": junk_signatures(), "items": page(0)["items"] * 300},
    "long entity": {**page(0), "entity": "x" * 500_000, "items": page(0)["items"] * 2_000},
    "many items": {"items": [1] * 300_000},
    "many documents": bundle({str(place): "{" for place in range(60_000)}),
    "events and leaves": bundle({"events": [EVENT] * 3_000} | {str(place): proof(0) for place in range(700)}),
    "one of many": bundle({"a": [event(0)] * 2_000, "b": {"results": [receipt(0)] * 1_800, "promise": ""}}),
    "many events": [ALIKE] * 14_000,
    "long id": [{**ALIKE, "id": f"{place}{'x' * 1_000}"} for place in range(900)],
    "long number": bundle({str(place): {"items": [{"sequence": 10**4_000}]} for place in range(200)}),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_little_is_spent_on_a_hostile_file(bomb, tmp_path: Path):
    content = json.dumps(BOMBS[bomb])
    (tmp_path / "bomb.json").write_text(content)
    command = [sys.executable, "-m", "creditsvc.verifier", "--key", str(LOG.key), str(tmp_path / "bomb.json")]
    began = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = subprocess.run(command, check=False, capture_output=True)
    spent = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - began
    assert (done.returncode, done.stderr) == (1, b"")
    assert len(done.stdout) < 10_000_000
    assert spent < 3, "seconds"
