"""Checkpoints and proofs of a log (C2SP tlog-checkpoint, tlog-proof), each held to all before it."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from creditsvc.verifier.encoding import BASE64, NUMBER, canonical, decoded, json_of, matched, number
from creditsvc.verifier.notes import Note, VerifierKey, parse_note, verify_note
from creditsvc.verifier.tree import (
    EMPTY_ROOT,
    HASH_BYTES,
    PROOF_HASHES_MAX,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from creditsvc.verifier.wrong import Missing, Wrong

PROOF_MAGIC = "c2sp.org/tlog-proof@v1"
_HASHES = f"((?:[0-9A-Za-z+/]{{43}}=\n){{0,{PROOF_HASHES_MAX}}})"


@dataclass(frozen=True, slots=True)
class Checkpoint:  # C2SP tlog-checkpoint
    origin: str
    size: int
    root: bytes
    note: Note


def parse_checkpoint(text: str) -> Checkpoint:
    """Read a checkpoint without checking its signatures."""
    note = parse_note(text)
    found = matched(rf"([^\n]+)\n{NUMBER}\n{BASE64}\n(?:[^\n]+\n)*", note.text)
    return Checkpoint(found[1], number(found[2]), decoded(found[3], HASH_BYTES), note)


def open_checkpoint(text: str, key: VerifierKey) -> Checkpoint:
    """Read a checkpoint that the log's key has signed; ``Wrong`` when it has not."""
    checkpoint = parse_checkpoint(text)
    if checkpoint.origin != key.name:
        raise Wrong("the checkpoint is that of another log")
    verify_note(checkpoint.note, key)
    return checkpoint


@dataclass(frozen=True, slots=True)
class Proof:  # C2SP tlog-proof; the checkpoint is a signed note
    index: int
    hashes: tuple[bytes, ...]
    extra: bytes
    checkpoint: str

    def text(self) -> str:
        extra = f"extra {b64encode(self.extra).decode()}\n" if self.extra else ""
        hashes = "".join(f"{b64encode(one).decode()}\n" for one in self.hashes)
        return f"{PROOF_MAGIC}\n{extra}index {self.index}\n{hashes}\n{self.checkpoint}"


def parse_proof(text: str) -> Proof:
    """Read a proof without checking anything that it says."""
    found = matched(rf"{PROOF_MAGIC}\n(?:extra {BASE64}\n)?index {NUMBER}\n{_HASHES}\n(.+)", text)
    return Proof(number(found[2]), _hashes(found[3]), decoded(found[1] or ""), found[4])


def parse_consistency(text: str) -> tuple[int, tuple[bytes, ...], str]:
    """Read older size, proof and newer checkpoint, as witnesses are told them (C2SP tlog-witness)."""
    found = matched(rf"old {NUMBER}\n{_HASHES}\n(.+)", text)
    return number(found[1]), _hashes(found[2]), found[3]


def _hashes(lines: str) -> tuple[bytes, ...]:
    return tuple(decoded(line, HASH_BYTES) for line in lines.splitlines())


class Log:
    """What a log has signed and proven: whatever it says is held to all that it said before."""

    def __init__(self, key: VerifierKey) -> None:
        self.key = key
        self.roots: dict[int, bytes] = {}  # of the checkpoints so far, by size
        self.positions: dict[bytes, int] = {}  # of what is proven to be in it, by leaf hash
        self._opened: dict[str, Checkpoint | str] = {}  # by text, what it is, or what is wrong with it

    def checkpoint(self, text: str) -> Checkpoint:
        """Check a checkpoint; the same text is read but once."""
        if text not in self._opened:
            try:
                self._opened[text] = self._open(text)
            except Wrong as wrong:
                self._opened[text] = str(wrong)
        if isinstance(found := self._opened[text], str):
            raise Wrong(found)
        return found

    def _open(self, text: str) -> Checkpoint:
        opened = open_checkpoint(text, self.key)
        if opened.size == 0 and opened.root != EMPTY_ROOT:
            raise Wrong("the root of size 0 is not that of the empty tree")
        if self.roots.setdefault(opened.size, opened.root) != opened.root:
            raise Wrong(f"a second root, signed by the log, for the size {opened.size}: it has forked")
        return opened

    def entry(self, hashed: bytes, index: int, proof: Sequence[bytes], checkpoint: str) -> Checkpoint:
        opened = self.checkpoint(checkpoint)
        verify_inclusion(hashed, index, opened.size, proof, opened.root)
        self.positions[hashed] = index
        return opened

    def proof(self, text: str) -> tuple[dict[str, Any], dict[Any, Any]]:
        """Check a tlog-proof that brings its leaf along; gives the leaf, and what comes with it.

        That is the salt, or what is withheld where the event is shown in part, or nothing once erased.
        """
        proof = parse_proof(text)
        match json_of(proof.extra or b"null"):
            case {"leaf": dict(leaf), **more} if more.keys() <= {"salt"} or more.keys() == {"withheld"}:
                hashed = leaf_hash(canonical(leaf))
                self.entry(hashed, proof.index, proof.hashes, proof.checkpoint)
                return leaf, more
        raise Wrong("the proof does not bring along what it is a proof of")

    def consistency(self, text: str) -> tuple[int, int]:
        """Check that the log goes on from an older checkpoint, which has been read; gives both sizes."""
        old, hashes, newest = parse_consistency(text)
        new = self.checkpoint(newest)
        if old and old not in self.roots:
            raise Missing(f"cannot be checked without the older checkpoint, that of size {old}: give it, too")
        if old:  # nothing precedes the empty tree, and it precedes everything
            verify_consistency(old, new.size, hashes, self.roots[old], new.root)
        return old, new.size
