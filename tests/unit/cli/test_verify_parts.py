"""What an organisation stated and is shown in part: held to its leaf, refused of anybody else, counted."""

import copy
import json
import re

import pytest

from creditsvc.domain.catalogue import load
from creditsvc.domain.moves import MOVES
from creditsvc.domain.parties import party
from creditsvc.domain.views import TABLE, WORDS, part
from creditsvc.verifier.encoding import canonical
from creditsvc.verifier.evidence import Evidence
from creditsvc.verifier.leaves import commitment
from creditsvc.verifier.log import Proof, parse_proof
from creditsvc.verifier.notes import VerifierKey
from creditsvc.verifier.parts import LEFT, PARTY, STATEMENTS
from creditsvc.verifier.parts import WORDS as KNOWN_WORDS
from tests.making import ENTITY, OTHER_ENTITY, SOURCE, raw
from tests.telling import RECEIPTS, Told, b64, bundle
from tests.unit.cli.test_verify import check as check  # noqa: PLC0414  a fixture
from tests.unit.cli.test_verify_erased import LOG

SAID = {"reason": "x", "note": "y", "evidence": [{"reference": "z"}]}
MADE = {"objection": "O1", "ground": "wrong", "record_source": SOURCE}
TOLD = Told(
    raw("penalty.imposed", "P1", severity="serious", decided_on="2026-05-20"),
    raw("objection.opened", "P1", source=party(ENTITY), **MADE, **SAID),
    raw("objection.decided", "P1", objection="O1", decision="refused", reason="x"),
    raw("objection.appealed", "P1", source=party(ENTITY), objection="O1", record_source=SOURCE, reason="x"),
)
PLACES = (1, 3)
IN_PART = "statements of the organisation are shown in part: what is shown of them is the service's word"
SEEN = TABLE["public"]["public"]


def in_part(item):
    shown = part(item["event"], SEEN)
    if shown is None:
        return item
    committed = commitment(bytes([item["sequence"]] * 16), canonical(item["event"]))
    facts = {name: item[name] for name in ("sequence", "recorded_at", "leaf_hash")}
    return {**facts, "commitment": b64(committed), "withheld": [*shown.withheld], "event": shown.event}


def history(**changed):
    """The history as others see it; ``changed``: members of its second item, or those of the event in it."""
    page = copy.deepcopy(TOLD.history() | {"items": [in_part(item) for item in TOLD.items]})
    item = page["items"][1]
    for name, value in changed.items():
        (item if name in item or name == "salt" else item["event"])[name] = value
    return page


def with_data(**data):
    return history(data=history()["items"][1]["event"]["data"] | data)


def proof(place, **more):
    """A proof that withholds something."""
    given = parse_proof(TOLD.proof(place))
    told = canonical({"leaf": json.loads(TOLD.leaves[place]), **more})
    return Proof(given.index, given.hashes, told, given.checkpoint).text()


def found(*documents):
    """What is said of documents, and what is wrong with them."""
    evidence = Evidence(VerifierKey.parse(str(LOG.key)), VerifierKey.parse(RECEIPTS.verifier_key))
    for number, document in enumerate(documents):
        evidence.take(f"d{number}", document if isinstance(document, str) else json.dumps(document))
    evidence.check()
    return list(evidence.report()), evidence.faults()


def test_the_verifier_knows_what_organisations_may_state():
    kinds = [
        one
        for one in load().types.values()
        if one.procedure and one.move and MOVES[one.procedure][one.move].mover == "applicant"
    ]
    names = {name for one in kinds for name in one.required | one.optional}
    assert (WORDS, party(ENTITY)) == (KNOWN_WORDS, PARTY + ENTITY)
    assert {*LEFT} == names - {*WORDS}
    assert {one for one in load().types if re.fullmatch(STATEMENTS, one)} == {one.name for one in kinds}


def test_parts_hold_and_are_counted_in_any_order(check):
    documents = [TOLD.profile(), history(), TOLD.proofs()]
    for order in (documents, documents[::-1], [bundle({str(n): one for n, one in enumerate(documents)})]):
        done = check(*order)
        assert done.exit_code == 0, done.output
        assert f"2 {IN_PART}" in done.told
        assert "4 of 4 events are proven to be in the log" in done.told
        assert "what its 4 events come to" in done.stdout
        assert "not shown" not in done.stdout


def test_without_a_proof_a_part_is_what_its_leaf_hash_stands_for():
    said, faults = found(history())
    assert faults == []
    assert "d0: event is shown in part: its commitment is what its leaf hash stands for, 2 times" in said
    assert f"2 {IN_PART}" in said


def test_a_proof_says_what_is_withheld_and_is_none_of_what_was_erased():
    said, faults = found(proof(1, withheld=["/data/reason", "/data/note", "/data/evidence"]), history())
    assert faults == []
    assert f"2 {IN_PART}" in said
    assert not any("erased" in line for line in said)


@pytest.mark.parametrize(
    ("place", "more"),
    [
        (0, {"withheld": ["/data/reason"]}),  # an agency's
        (1, {"withheld": []}),
        (1, {"withheld": None}),
        (1, {"withheld": "/data/reason"}),
        (1, {"withheld": {"/data/reason": 1}}),
        (1, {"withheld": 5}),
        (1, {"withheld": ["/data/record"]}),
        (1, {"withheld": ["/data/note", "/data/reason"]}),
        (1, {"withheld": ["/data/reason"], "salt": TOLD.items[1]["salt"]}),
    ],
)
def test_another_proof_without_a_salt_is_wrong(place, more):
    said, faults = found(proof(place, **more))
    assert [fault.startswith("WRONG: d0: ") for fault in faults] == [True]
    assert not any(IN_PART in line or "erased" in line for line in said)


WRONG = {
    "another commitment": history(commitment=b64(bytes(32))),
    "another leaf hash": history(leaf_hash=b64(bytes(32))),
    "another sequence": history(sequence=9),
    "another time of recording": history(recorded_at="2026-06-01T00:00:00.000009Z"),
    "another source": history(source=party(OTHER_ENTITY)),
    "an agency's source": history(source=SOURCE),
    "another organisation": history(subject=OTHER_ENTITY, source=party(OTHER_ENTITY)),
    "a source in capitals": history(source=party(ENTITY).upper()),
    "a revocation": history(type="credit.record.revoked"),
    "a decision": history(type="credit.objection.decided"),
    "a member that no statement has": with_data(entity_name="x"),
    "a word that is shown": with_data(reason="forged"),
    "nothing withheld": history(withheld=[]),
    "something else withheld": history(withheld=["/data/reason", "/data/ground"]),
    "twice withheld": history(withheld=["/data/reason", "/data/reason"]),
    "withheld in another order": history(withheld=["/data/note", "/data/reason"]),
    "withheld is a text": history(withheld="/data/reason"),
    "withheld is a number": history(withheld=3),
    "withheld is null": history(withheld=None),
    "a commitment that is none": history(commitment="x"),
    "a commitment that is a number": history(commitment=5),
    "a salt, too": history(salt=TOLD.items[1]["salt"]),
    "a salt that is null": history(salt=None),
    "data that is a list": history(data=["record"]),
    "data that is null": history(data=None),
    "a type that is none": history(type=None),
    "a source that is none": history(source=["urn:entity:"]),
    "an identity that is none": history(id=["x"]),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_part_that_is_none_is_refused(what):
    for documents in ([WRONG[what]], [WRONG[what], TOLD.proofs()], [TOLD.proofs(), WRONG[what]]):
        _, faults = found(*documents)
        assert faults, what
        assert all(fault.startswith("WRONG: d") for fault in faults)


def test_what_an_agency_said_is_not_shown_in_part():
    page = TOLD.history()
    item = copy.deepcopy(TOLD.items[2])
    del item["salt"], item["event"]["data"]["reason"]
    committed = commitment(bytes([3] * 16), canonical(TOLD.events[2]))
    page["items"] = [item | {"commitment": b64(committed), "withheld": ["/data/reason"]}]
    said = f"{ENTITY} event 3: no salt is given, and only an organisation's own statements may be without"
    assert found(page)[1] == [f"WRONG: d0: {said}"]
    del page["items"][0]["withheld"]
    assert len(found(page)[1]) == 1


FORGED = {
    "the type": history(type="credit.objection.withdrawn"),
    "the ground": with_data(ground="duplicate"),
    "the record": with_data(record="P2"),
    "the time": history(time="2020-01-01T00:00:00Z"),
    "the identity": history(id="other"),
    "how much is withheld": history(withheld=["/data/reason"]),
}


@pytest.mark.parametrize("what", FORGED)
def test_what_no_commitment_can_tell_is_told_beside_the_whole(what):
    """The limit: alone such a part passes, as the service's word. Whoever has the whole sees it is not."""
    said, faults = found(FORGED[what], TOLD.proofs())
    assert faults == []
    assert f"2 {IN_PART}" in said
    wrong = f"{ENTITY} event 2: is told in two ways"
    assert found(TOLD.history(), FORGED[what])[1] == [f"WRONG: d1: {wrong}"]
    assert [fault for fault in found(FORGED[what], TOLD.history())[1] if wrong in fault]
    if what != "the identity":  # it is then of no event that is given
        own = {**TOLD.receipts()}
        assert f"WRONG: d2: {wrong}" in found(FORGED[what], own, TOLD.events[1])[1]


def test_the_whole_makes_up_for_the_part():
    for documents in ([history(), TOLD.history()], [TOLD.history(), history()]):
        said, faults = found(*documents)
        assert faults == []
        assert not any(IN_PART in line for line in said)
    receipts = TOLD.receipts()
    said, faults = found(history(), receipts, TOLD.events[1])
    assert faults == []
    assert f"1 {IN_PART}" in said
    assert f"d2: event is the content of {ENTITY} event 2" in said


def test_an_event_as_sent_needs_its_salt_to_be_held_to_a_part():
    said, faults = found(history(), TOLD.events[1])
    told = f"event {TOLD.events[1]['id']}: is shown in part, without its salt: give its receipt"
    assert faults == [f"MISSING: d1: {told}"]
    assert f"2 {IN_PART}" in said


def test_receipts_are_held_to_parts():
    assert found(history(), TOLD.receipts())[1] == []
    receipts = TOLD.receipts()
    receipts["results"][1]["recorded_at"] = "2026-06-01T00:00:00.000009Z"
    assert found(history(), receipts)[1] != []
