"""The worked example in docs/log.md: every byte and hash of it follows from event, salts and keys."""

import json
import re
from base64 import b64decode, b64encode
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from creditsvc.domain import canonical as service
from creditsvc.domain import instants, views
from creditsvc.ledger.promises import Promises
from creditsvc.ledger.signing import Signer
from creditsvc.verifier.encoding import canonical
from creditsvc.verifier.evidence import Evidence
from creditsvc.verifier.leaves import commitment
from creditsvc.verifier.log import Log, open_checkpoint, parse_proof
from creditsvc.verifier.notes import VerifierKey, parse_note, verify_note
from creditsvc.verifier.tree import leaf_hash, root_of

DOCUMENT = (Path(__file__).parents[2] / "docs/log.md").read_text(encoding="utf-8")
ZEROES = Ed25519PrivateKey.from_private_bytes(bytes(32))


def blocks(kind):
    return re.findall(rf"^```{kind}\n(.*?)^```$", DOCUMENT, re.DOTALL | re.MULTILINE)


EVENT = json.loads(blocks("json")[0])
CONTENTS = [text.rstrip("\n").encode() for text in blocks("content")]
LEAVES = [text.rstrip("\n").encode() for text in blocks("leaf")]
SALTS = [bytes.fromhex(text) for text in re.findall(r"`([0-9a-f]{32})`", DOCUMENT)]
HASHES = [leaf_hash(leaf) for leaf in LEAVES]
LOG, RECEIPTS = (VerifierKey.parse(line) for line in blocks("keys")[0].splitlines())


def b64(data):
    return b64encode(data).decode()


def cell(name):
    return re.findall(rf"^\| {name} \| `([^`]+)` \|$", DOCUMENT, re.MULTILINE)


def test_contents_and_commitments():
    assert canonical(EVENT) == service.canonical(EVENT) == CONTENTS[0]
    assert f"this content, {len(CONTENTS[0])} bytes" in DOCUMENT
    assert all(canonical(json.loads(content)) == content for content in CONTENTS)
    committed = [commitment(salt, content) for salt, content in zip(SALTS, CONTENTS, strict=True)]
    assert cell("commitment") == [b64(committed[0])]
    assert [json.loads(leaf)["commitment"] for leaf in LEAVES] == [b64(one) for one in committed]


def test_leaves_and_root():
    event, notice = (json.loads(leaf) for leaf in LEAVES)
    entity, recorded_at = event["entity"], instants.parse(event["recorded_at"])
    committed = service.commit(SALTS[0], CONTENTS[0])
    assert service.leaf(entity, event["sequence"], recorded_at, EVENT["source"], committed) == LEAVES[0]
    assert f"this leaf, {len(LEAVES[0])} bytes" in DOCUMENT
    times = instants.parse(notice["due"]), instants.parse(notice["recorded_at"])
    committed = service.commit(SALTS[1], CONTENTS[1])
    assert service.notice_leaf(entity, notice["notice"], *times, committed) == LEAVES[1]
    assert cell("leaf hash") == [b64(one) for one in HASHES]
    assert cell("root") == [b64(root_of(HASHES))]
    for leaf in LEAVES:
        told = re.findall(r"^\| `(\w+)` \| ", DOCUMENT, re.MULTILINE)
        assert json.loads(leaf).keys() <= {*told}


def test_what_is_signed():
    signers = [Signer("log.example/v1/log", ZEROES), Signer("log.example/v1/log/receipts", ZEROES)]
    assert [one.key for one in signers] == [LOG, RECEIPTS]
    newest, older = blocks("checkpoint")
    assert [
        (open_checkpoint(text, LOG).size, open_checkpoint(text, LOG).root) for text in (newest, older)
    ] == [
        (2, root_of(HASHES)),
        (1, HASHES[0]),
    ]
    promise = blocks("promise")[0]
    verify_note(parse_note(promise), RECEIPTS)
    assert promise == Promises(signers[1], LOG.name, 60)._over([HASHES[0]])


def test_the_proofs_hold():
    newest, older = blocks("checkpoint")
    proof, continued = blocks("proof")[0], blocks("consistency")[0]
    assert parse_proof(proof).extra == canonical({"leaf": json.loads(LEAVES[0]), "salt": b64(SALTS[0])})
    log = Log(LOG)
    assert log.proof(proof) == (json.loads(LEAVES[0]), {"salt": b64(SALTS[0])})
    log.checkpoint(older)
    assert log.consistency(continued) == (1, 2)
    receipt = {
        name: json.loads(LEAVES[0])[name] for name in ("entity", "sequence", "recorded_at", "source")
    } | {
        "id": EVENT["id"],
        "status": "accepted",
        "salt": b64(SALTS[0]),
        "leaf_hash": b64(HASHES[0]),
        "promise": blocks("promise")[0],
    }
    evidence = Evidence(LOG, RECEIPTS)
    for text in (newest, older, proof, continued, json.dumps(receipt), json.dumps(EVENT)):
        evidence.take("example", text)
    evidence.check()
    assert evidence.wrong == []
    assert len(evidence.shown) == 7


def test_what_is_shown_in_part():
    whole, part = json.loads(blocks("stated")[0]), json.loads(blocks("part")[0])
    salt = re.findall(r"salt `([A-Za-z0-9+/]{22}==)`", DOCUMENT)[0]
    assert canonical(whole) == blocks("stated")[0].rstrip("\n").encode()
    content = canonical(whole)
    shown = views.part(whole, views.TABLE["public"]["public"])
    assert {"event": part["event"], "withheld": tuple(part["withheld"])} == {
        "event": shown.event,
        "withheld": shown.withheld,
    }
    assert part["commitment"] == b64(service.commit(b64decode(salt), content))
    recorded_at = instants.parse(part["recorded_at"])
    committed = b64decode(part["commitment"])
    leaf = service.leaf(whole["subject"], part["sequence"], recorded_at, whole["source"], committed)
    assert part["leaf_hash"] == b64(leaf_hash(leaf))
    in_full = {name: part[name] for name in ("sequence", "recorded_at", "leaf_hash")}
    evidence = Evidence(LOG, RECEIPTS)
    for item in (part, {**in_full, "salt": salt, "event": whole}):
        evidence.take("example", json.dumps({"items": [item]}))
    evidence.check()
    assert (evidence.wrong, len(evidence.shown)) == ([], 2)
