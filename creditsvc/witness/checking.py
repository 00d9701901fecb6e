"""Whether a checkpoint continues the one cosigned last: pure, for whoever fetches and whoever is asked.

Follows C2SP tlog-witness (add-checkpoint), and RFC 6962 section 2.1.2 for the proof.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from creditsvc.verifier.encoding import SIZE_MAX
from creditsvc.verifier.log import Checkpoint, parse_checkpoint
from creditsvc.verifier.notes import VerifierKey, verify_note
from creditsvc.verifier.tree import EMPTY_ROOT, verify_consistency
from creditsvc.verifier.wrong import Wrong

_HASH = rb"[0-9A-Za-z+/]{43}=\n"
_LAYOUT = re.compile(
    rb"old (?P<old>0|[1-9][0-9]{0,18})\n(?P<proof>(?:%b){0,63})\n(?P<note>.+)" % _HASH, re.DOTALL
)
BODY_MAX_BYTES = 128 * 1024  # 63 hashes and a checkpoint with many signatures


class What(Enum):
    """What is wrong with a checkpoint; the value is the status that tlog-witness answers with."""

    MALFORMED = 400
    UNSIGNED = 403
    UNKNOWN = 404
    ELSEWHERE = 409
    INCONSISTENT = 422
    ALARMED = 503  # not in tlog-witness: an operator has to look at what this log did


class Refused(Exception):  # noqa: N818  it says what happened
    """The checkpoint is not cosigned.

    ``size`` is that of the last one cosigned, where that is the reason. ``is_fork``: this one and the last
    cannot both be the log's, and both are signed by it.
    """

    def __init__(self, what: What, why: str, *, size: int = 0, is_fork: bool = False) -> None:
        super().__init__(why)
        self.what = what
        self.size = size
        self.is_fork = is_fork


@dataclass(frozen=True, slots=True)
class Submission:
    """A checkpoint that a log wants cosigned, and the proof that it continues an older size."""

    old: int
    proof: tuple[bytes, ...]
    checkpoint: Checkpoint


def read_submission(body: bytes) -> Submission:
    """Read the body of add-checkpoint without checking what it says; raises ``Refused`` (malformed)."""
    found = _LAYOUT.fullmatch(body)
    if found is None or int(found["old"]) > SIZE_MAX:
        raise Refused(What.MALFORMED, "an old size, at most 63 hashes, an empty line, a checkpoint")
    proof = tuple(b64decode(line) for line in found["proof"].split())
    if any(b64encode(one) not in found["proof"] for one in proof):
        raise Refused(What.MALFORMED, "a hash of the proof is not written as it must be")
    try:
        return Submission(int(found["old"]), proof, parse_checkpoint(found["note"].decode()))
    except UnicodeDecodeError as error:
        raise Refused(What.MALFORMED, "this is not UTF-8") from error
    except Wrong as wrong:
        raise Refused(What.MALFORMED, str(wrong)) from wrong


def require_signed(checkpoint: Checkpoint, origin: str, key: VerifierKey) -> None:
    """Check that a checkpoint is a log's and signed with its key; raises ``Refused``."""
    if checkpoint.origin != origin:
        raise Refused(What.UNKNOWN, "the checkpoint is that of another log")
    try:
        verify_note(checkpoint.note, key)
    except Wrong as wrong:
        raise Refused(What.UNSIGNED, str(wrong)) from wrong


def check(last: Checkpoint | None, new: Checkpoint, old: int, proof: Sequence[bytes]) -> None:
    """Check that ``new`` continues ``last``, the checkpoint cosigned before; raises ``Refused``.

    Both are signed by the log: that was checked. ``old`` is the size that the proof starts from.
    """
    held = 0 if last is None else last.size
    is_fork = last is not None and new.size == last.size and new.root != last.root
    if old > new.size:
        raise Refused(What.MALFORMED, f"the old size, {old}, is above the checkpoint's", is_fork=is_fork)
    if old != held:
        why = f"the last size was {held}, and not {old}"
        raise Refused(What.ELSEWHERE, why, size=held, is_fork=is_fork)
    if is_fork:
        raise Refused(What.INCONSISTENT, f"another root for the same size, {new.size}", is_fork=True)
    if new.size == 0 and new.root != EMPTY_ROOT:
        raise Refused(What.INCONSISTENT, "the tree of size 0 has another root than the empty tree's")
    if old in (0, new.size):
        if proof:
            raise Refused(What.INCONSISTENT, f"from size {old} to {new.size} there is nothing to prove")
        return
    if last is not None:
        try:
            verify_consistency(old, new.size, proof, last.root, new.root)
        except Wrong as wrong:
            raise Refused(What.INCONSISTENT, str(wrong)) from wrong
