"""The stand-alone verifier: the verdicts of others' test data, and the bytes of the standards."""

import ast
import json
import math
import re
import subprocess
import sys
from base64 import b64decode, b64encode
from datetime import UTC, timedelta
from pathlib import Path

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from creditsvc.domain import canonical as service
from creditsvc.domain import instants
from creditsvc.ledger.signing import Signer
from creditsvc.ledger.tiles import Edge, consistency, inclusion
from creditsvc.verifier import standalone
from creditsvc.verifier.__main__ import main
from creditsvc.verifier.encoding import canonical
from creditsvc.verifier.leaves import commitment, event_leaf, notice_leaf
from creditsvc.verifier.log import Proof
from creditsvc.verifier.tree import EMPTY_ROOT, leaf_hash, root_of, verify_consistency, verify_inclusion
from creditsvc.verifier.wrong import Wrong

ROOT = Path(__file__).parents[2]
VECTORS = json.loads((ROOT / "tests/data/rfc6962_proof_vectors.json").read_bytes())
SALT = bytes(range(16))
SEED = Ed25519PrivateKey.from_private_bytes(bytes(32))
LOG = Signer("log.example/1", SEED)


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
keys = st.text() | st.sampled_from(["\ue000", "\uffff", "\U00010000", "\U0001f600", "é", "z"])
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(keys, inner))


def hashes(texts):
    return [b64decode(text) for text in texts or ()]


def verdict(check, *given_):
    try:
        check(*given_)
    except Wrong:
        return "refused"
    return "accepted"


def expected(case):
    return "refused" if case["wantErr"] else "accepted"


def test_there_are_196_cases():
    assert len(VECTORS["inclusion"]) + len(VECTORS["consistency"]) == 196


@pytest.mark.parametrize("case", VECTORS["inclusion"], ids=lambda case: case["case"])
def test_proofs_of_inclusion_get_the_verdict_that_is_expected(case):
    leaf, root = b64decode(case["leafHash"]), b64decode(case["root"])
    found = verdict(verify_inclusion, leaf, case["leafIdx"], case["treeSize"], hashes(case["proof"]), root)
    assert found == expected(case), case["desc"]


@pytest.mark.parametrize("case", VECTORS["consistency"], ids=lambda case: case["case"])
def test_proofs_of_consistency_get_the_verdict_that_is_expected(case):
    roots = b64decode(case["root1"]), b64decode(case["root2"])
    found = verdict(verify_consistency, case["size1"], case["size2"], hashes(case["proof"]), *roots)
    assert found == expected(case), case["desc"]


def test_an_empty_tree_continues_itself_and_proves_nothing():
    verify_consistency(0, 0, [], EMPTY_ROOT, EMPTY_ROOT)
    with pytest.raises(Wrong):
        verify_consistency(0, 1, [], EMPTY_ROOT, leaf_hash(b""))


def tree(size):
    leaves = [leaf_hash(str(place).encode()) for place in range(size)]
    return leaves, Edge().extend(leaves)


@settings(deadline=None)
@given(st.integers(1, 1_200), st.data())
def test_proofs_of_the_service_are_accepted_and_others_are_not(size, data):
    leaves, tiles = tree(size)
    root = root_of(leaves)
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion(index, size, tiles)
    verify_inclusion(leaves[index], index, size, proof, root)
    old = data.draw(st.integers(1, size))
    path = consistency(old, size, tiles)
    verify_consistency(old, size, path, root_of(leaves[:old]), root)
    other = data.draw(st.integers(0, size - 1).filter(lambda place: place != index)) if size > 1 else None
    if other is not None:
        assert verdict(verify_inclusion, leaves[index], other, size, proof, root) == "refused"
        assert verdict(verify_inclusion, leaves[other], index, size, proof, root) == "refused"
    for spoiled in ([*proof, root], proof[:-1], [bytes(32), *proof[1:]]):
        if spoiled != proof:
            assert verdict(verify_inclusion, leaves[index], index, size, spoiled, root) == "refused"
    assert verdict(verify_consistency, old, size, [*path, root], root_of(leaves[:old]), root) == "refused"
    if old < size:
        assert verdict(verify_consistency, old, size, path, root, root) == "refused"


@given(values)
def test_canonical_json_has_the_bytes_of_the_reference_and_of_the_service(value):
    assert canonical(value) == rfc8785.dumps(value) == service.canonical(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_written_as_the_reference_does(value):
    assert canonical(value) == rfc8785.dumps(value)
    assert math.isclose(float(canonical(value)), value, rel_tol=0)


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [2**53, -(2**53), math.nan, math.inf, "\ud800", {"\udfff": 1}, {1: 2}, b"", {1}, (1,), nested(100_000)],
    ids=lambda value: type(value).__name__,
)
def test_what_has_no_canonical_json_is_refused(value):
    with pytest.raises(Wrong):
        canonical(value)


@given(
    st.text(),
    st.integers(1, 2**53 - 1),
    st.datetimes(timezones=st.just(UTC)),
    st.text(),
    st.binary(min_size=16, max_size=16),
    st.binary(),
)
def test_leaves_are_those_of_the_service(entity, sequence, recorded_at, source, salt, content):
    committed = commitment(salt, content)
    assert committed == service.commit(salt, content)
    told, due = (
        instants.text(recorded_at),
        recorded_at - timedelta(days=1) if recorded_at.year > 1 else recorded_at,
    )
    assert event_leaf(entity, sequence, told, source, committed) == service.leaf(
        entity, sequence, recorded_at, source, committed
    )
    assert notice_leaf(entity, sequence, instants.text(due), told, committed) == service.notice_leaf(
        entity, sequence, due, recorded_at, committed
    )


def test_a_salt_has_sixteen_bytes():
    with pytest.raises(Wrong):
        commitment(b"short", b"")


def signed_checkpoint(size=0, root=EMPTY_ROOT, signer=LOG, origin=None):
    return signer.sign(f"{origin or signer.name}\n{size}\n{b64encode(root).decode()}\n")


def a_log(count):
    """Give the leaves of some events, the proofs of their places, and the checkpoints of every size."""
    extras, leaves = [], []
    for place in range(count):
        content = canonical({"data": {"record": f"R{place}"}})
        leaf = event_leaf(
            "siren:552081317", place + 1, f"2026-03-0{place + 1}", "urn:a", commitment(SALT, content)
        )
        extras.append(canonical({"leaf": json.loads(leaf), "salt": b64encode(SALT).decode()}))
        leaves.append(leaf_hash(leaf))
    tiles = Edge().extend(leaves)
    notes = [signed_checkpoint(size, root_of(leaves[:size])) for size in range(count + 1)]
    proofs = [
        Proof(place, tuple(inclusion(place, count, tiles)), extras[place], notes[count]).text()
        for place in range(count)
    ]
    return notes, proofs, tiles


def continued(old, new, tiles, note):
    lines = "".join(f"{b64encode(one).decode()}\n" for one in consistency(old, new, tiles))
    return f"old {old}\n{lines}\n{note}"


def test_the_program_needs_nothing_of_the_service(tmp_path):
    notes, proofs, tiles = a_log(5)
    files = {
        "verifier.py": standalone.text(),
        "old": notes[3],
        "consistency": continued(3, 5, tiles, notes[5]),
        "proof": proofs[2],
        "bad": proofs[2].replace("index 2", "index 3"),
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    command = [sys.executable, "-I", "verifier.py", "--key", str(LOG.key)]
    done = subprocess.run(
        [*command, "old", "consistency", "proof"], cwd=tmp_path, check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    told = done.stdout.splitlines()
    assert told[0].startswith("old: size 3, root ")
    assert told[0].endswith(", signed by log.example/1")
    assert told[1].startswith("proof: ")
    assert "stands at position 2" in told[1]
    assert told[2] == "consistency: nothing of the log of size 3 was altered or removed up to size 5"
    done = subprocess.run(
        [*command, "bad", "nowhere"], cwd=tmp_path, check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert "WRONG: bad: the inclusion proof does not lead to the root\n" in done.stdout
    assert "WRONG: nowhere: " in done.stdout
    called = subprocess.run(
        [sys.executable, "verifier.py", "--help"], cwd=tmp_path, check=False, capture_output=True, text=True
    )
    assert (called.returncode, "--key" in called.stdout) == (0, True)


def test_the_program_is_its_parts_one_behind_the_other():
    """No part is forgotten, none gives a name that another has, and none asks for the others any more."""
    folder = Path(standalone.__file__).parent
    assert {f"{part}.py" for part in standalone.PARTS} == {one.name for one in folder.glob("*.py")} - {
        "standalone.py"
    }
    parsed = ast.parse(standalone.text())
    imported = {name.name for node in parsed.body if isinstance(node, ast.Import) for name in node.names}
    imported |= {str(node.module) for node in parsed.body if isinstance(node, ast.ImportFrom)}
    assert {one.partition(".")[0] for one in imported} <= {*sys.stdlib_module_names, "cryptography"}
    defined = [node.name for node in parsed.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    assigned = [node.targets[0] for node in parsed.body if isinstance(node, ast.Assign)]
    defined += [name.id for one in assigned for name in ast.walk(one) if isinstance(name, ast.Name)]
    assert len(defined) == len(set(defined)) > 50


def test_what_is_wrong_with_a_file_is_told(tmp_path, capsys):
    notes, proofs, tiles = a_log(5)
    forked = signed_checkpoint(3, bytes(32))
    cases = {
        "a second root": [notes[3], forked],
        "cannot be checked without the older checkpoint": [continued(3, 5, tiles, notes[5])],
        "not lead to the two roots": [
            notes[3],
            re.sub("(?<=old 3\n).*", f"{'A' * 43}=", continued(3, 5, tiles, notes[5])),
        ],
        "does not lead to the root": [proofs[1].replace("index 1", "index 0")],
        "does not bring along": [Proof(0, (), b"", notes[1]).text()],
        "is not that of the empty tree": [signed_checkpoint(0, bytes(32))],
        "no signature": [
            signed_checkpoint(
                1, bytes(32), Signer(LOG.name, Ed25519PrivateKey.from_private_bytes(b"\x01" * 32))
            )
        ],
        "too long": ["\x1b[31m" * 10],
        "codec": [b"\xff\xfe"],
    }
    for place, (what, texts) in enumerate(cases.items()):
        paths = [tmp_path / f"{place}-{number_}" for number_ in range(len(texts))]
        for path, text in zip(paths, texts, strict=True):
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        assert main(["--key", str(LOG.key), *map(str, paths)]) == 1
        told = capsys.readouterr().out
        faults = (f"WRONG: {paths[-1]}: ", f"MISSING: {paths[-1]}: ")
        assert any(line.startswith(faults) and what in line for line in told.splitlines())
        assert "\x1b" not in told
    with pytest.raises(SystemExit, match="2"):
        main(["--key", "none", "file"])
