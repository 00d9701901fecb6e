"""What was erased is proven by its leaf alone, and told apart; nothing else passes for it."""

import json

import pytest

from creditsvc.verifier.encoding import canonical
from creditsvc.verifier.evidence import Evidence
from creditsvc.verifier.log import parse_proof
from creditsvc.verifier.notes import VerifierKey
from tests.making import OTHER_ENTITY
from tests.telling import LOG, TOLD, Told, bundle

LICENCE = 3  # the place of one that was revoked since: both are erased
NAMES = [f"{json.loads(TOLD.leaves[place])['entity']} event {place + 1}" for place in (3, 4)]


def found(*documents):
    """What is said of documents, and what is wrong with them."""
    evidence = Evidence(VerifierKey.parse(str(LOG.key)))
    for number, document in enumerate(documents):
        evidence.take(f"d{number}", document if isinstance(document, str) else json.dumps(document))
    evidence.check()
    return list(evidence.report()), evidence.faults()


def left(**changed):
    """A page of proofs after the last two were erased, with a leaf that may be another."""
    page = TOLD.proofs()
    for place in (LICENCE, LICENCE + 1):
        page["items"][place]["leaf"] = json.loads(TOLD.leaves[place]) | changed
    return page


def history():
    shown = Told(*TOLD.events)
    shown.items = shown.items[:LICENCE]
    return shown.history()


def bare(place, **more):
    """A proof without a salt."""
    proof = parse_proof(TOLD.proof(place))
    told = {"leaf": json.loads(TOLD.leaves[place]), **more}
    return type(proof)(proof.index, proof.hashes, canonical(told), proof.checkpoint).text()


ERASED = "entries were erased: the log has their leaves, nobody their contents"


def test_what_was_erased_is_counted_and_what_stands_is_proven():
    for documents in (
        [left(), history()],
        [history(), left()],
        [bundle({"proofs": left(), "history": history()})],
    ):
        said, faults = found(*documents)
        assert faults == []
        assert f"2 {ERASED}" in said
        assert "3 of 3 events are proven to be in the log" in said
        assert not any(line.startswith("not shown") for line in said)


def test_a_proof_without_a_salt_is_one_of_what_was_erased():
    said, faults = found(bare(LICENCE), bare(LICENCE + 1), left())
    assert faults == []
    assert f"2 {ERASED}" in said


def test_evidence_from_before_still_holds_beside_what_is_left():
    said, faults = found(left(), TOLD.history(), TOLD.receipts() | {"promise": TOLD.receipts()["promise"]})
    assert [fault for fault in faults if "--receipt-key" not in fault] == []
    assert "5 of 5 events are proven to be in the log" in said


@pytest.mark.parametrize(
    "changed",
    [
        {"commitment": "A" * 43 + "="},
        {"entity": OTHER_ENTITY},
        {"sequence": 9},
        {"source": "urn:agency:other"},
        {"more": 1},
        {"v": 2},
        {"recorded_at": None},
        {"commitment": 5},
    ],
)
def test_another_leaf_is_wrong(changed):
    _, faults = found(left(**changed))
    assert faults
    assert all(fault.startswith("WRONG: d0: ") for fault in faults)


@pytest.mark.parametrize("more", [{"salt": None}, {"salt": 5}, {"salt": "AAAA"}, {"more": 1}])
def test_a_proof_says_its_salt_as_it_is_or_not_at_all(more):
    said, faults = found(bare(LICENCE, **more))
    assert len(faults) == 1
    assert not any(ERASED in line for line in said)


def test_the_names_are_those_of_the_entries():
    evidence = Evidence(VerifierKey.parse(str(LOG.key)))
    evidence.take("d", json.dumps(left()))
    evidence.check()
    assert sorted(evidence.erased) == NAMES
