"""What a witness makes of an organisation's statements that it is shown in part."""

import asyncio
import sys
from base64 import b64decode, b64encode

import pytest

from creditsvc.verifier.encoding import canonical
from creditsvc.verifier.leaves import commitment, event_leaf
from creditsvc.verifier.tree import leaf_hash
from creditsvc.verifier.wrong import Wrong
from creditsvc.witness import entries
from tests.unit.witness.making import ENTITIES, HandMadeLog, served

ENTITY = ENTITIES[0]
STATED = {
    "id": "s",
    "source": f"urn:entity:{ENTITY}",
    "subject": ENTITY,
    "type": "credit.objection.opened",
    "data": {"record": "P1", "objection": "O1", "ground": "wrong", "reason": "x"},
}


def part(position=0, sequence=1, recorded_at="2026-01-01T00:00:00.000000Z", **changed):
    """An item of the feed; ``changed``: members of it, those of the event in it."""
    committed = commitment(bytes(16), canonical(STATED))
    hashed = leaf_hash(event_leaf(ENTITY, sequence, recorded_at, STATED["source"], committed))
    left = {name: value for name, value in STATED["data"].items() if name != "reason"}
    item = {
        "position": position,
        "entity": ENTITY,
        "sequence": sequence,
        "recorded_at": recorded_at,
        "leaf_hash": b64encode(hashed).decode(),
        "commitment": b64encode(committed).decode(),
        "withheld": ["/data/reason"],
        "event": {**STATED, "data": left},
    }
    for name, value in changed.items():
        (item if name in item or name in {"salt", "leaf"} else item["event"])[name] = value
    return item


def test_its_leaf_is_made_from_its_commitment():
    item = part()
    found = entries.read(item)
    assert (found.hashed, found.parted) == (b64decode(item["leaf_hash"]), True)
    for changed in (
        {"sequence": 2},
        {"recorded_at": "2026-01-01T00:00:01.000000Z"},
        {"commitment": b64encode(bytes(32)).decode()},
    ):
        assert entries.read({**item, **changed}).hashed != found.hashed


@pytest.mark.parametrize(
    "changed",
    [
        {"source": "urn:agency:x"},
        {"source": f"urn:entity:{ENTITIES[1]}"},
        {"source": None},
        {"source": f"urn:entity:{ENTITIES[1]}", "subject": ENTITIES[1]},
        {"type": "credit.record.revoked"},
        {"type": None},
        {"data": {"record": "P1", "reason": "forged"}},
        {"data": None},
        {"data": []},
        {"withheld": []},
        {"withheld": ["/data/record"]},
        {"withheld": None},
        {"withheld": 1},
        {"commitment": "x"},
        {"commitment": None},
        {"salt": "AAAAAAAAAAAAAAAAAAAAAA=="},
        {"leaf": {}},
        {"event": None},
        {"event": {}},
    ],
    ids=str,
)
def test_what_is_no_such_part_is_wrong(changed):
    with pytest.raises(Wrong):
        entries.read(part(**changed))


def test_a_notice_is_never_in_part():
    item = part()
    del item["sequence"]
    with pytest.raises(Wrong):
        entries.read(item | {"notice": 1, "due": item["recorded_at"]})


async def test_a_log_with_parts_is_cosigned_and_they_are_counted(tmp_path):
    log = HandMadeLog()
    log.items = [part()]
    log.grow(3)
    async with served(log) as url:

        async def look(*more):
            arguments = ["watch", url, "--log-key", log.verifier_key, "--state", str(tmp_path), "--once"]
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "creditsvc", "witness", *arguments, "--key", log.key, *more),
                stderr=asyncio.subprocess.PIPE,
            )
            _, said = await process.communicate()
            return process.returncode, said.decode()

        status, told = await look()
        assert status == 0, told
        said = "1 statement of organisations shown in part: what is shown of them is the service's word"
        assert f"{log.signer.name}: {said}\n" in told
        assert "shown in part" not in (await look())[1]  # it has been read
        log.items[0]["commitment"] = b64encode(bytes(32)).decode()
        status, told = await look("--full")
        assert status == 1
        assert f"ALARM position 0, {ENTITY}, event 1: " in told
