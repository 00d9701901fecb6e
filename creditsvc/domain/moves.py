"""The moves of a case: which states each may start from, where it leads, and whose it is. The whole machine.

An objection is opened by the organisation or by an agency for it, and decided by the agency that handed the
record in, or by the one that it was referred to: upheld, refused with reasons, or referred on. A refusal may
be appealed against once. Repair is applied for, accepted or refused or asked more of, then granted (by the
event that repairs the record) or denied. A record that is withdrawn closes the cases that are open on it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from creditsvc.domain.catalogue_file import Move
from creditsvc.domain.catalogue_procedures import CaseKind

Mover = Literal["applicant", "handler"]
Decision = Literal["upheld", "refused", "referred"]

OPENING_STATE: Mapping[CaseKind, str] = {"objection": "opened", "repair": "applied"}
# While an objection is in one of these states the record is marked as objected to.
UNDECIDED = frozenset({"opened", "accepted", "appealed"})
OPEN: Mapping[CaseKind, frozenset[str]] = {
    "objection": UNDECIDED,
    "repair": frozenset({"applied", "asked", "accepted"}),
}
CLOSED = "closed"  # by the end of its record
GRANTED = "granted"


@dataclass(frozen=True, slots=True)
class Transition:
    """A move from one of these states to another (None: the decision says), and whose it is."""

    mover: Mover
    before: frozenset[str]
    after: str | None


MOVES: Mapping[CaseKind, Mapping[Move, Transition]] = {
    "objection": {
        "open": Transition("applicant", frozenset(), "opened"),
        "accept": Transition("handler", frozenset({"opened"}), "accepted"),
        # A record that was revoked for an objection closed it: that it was upheld may still be said.
        "decide": Transition("handler", UNDECIDED | {CLOSED}, None),
        "appeal": Transition("applicant", frozenset({"refused"}), "appealed"),
        "withdraw": Transition("applicant", UNDECIDED, "withdrawn"),
    },
    "repair": {
        "open": Transition("applicant", frozenset(), "applied"),
        "accept": Transition("handler", frozenset({"applied"}), "accepted"),
        "ask": Transition("handler", frozenset({"applied"}), "asked"),
        "supplement": Transition("applicant", frozenset({"asked"}), "applied"),
        "refuse": Transition("handler", frozenset({"applied", "asked"}), "refused"),
        "extend": Transition("handler", frozenset({"accepted"}), "accepted"),
        "deny": Transition("handler", frozenset({"accepted"}), "denied"),
        "withdraw": Transition("applicant", OPEN["repair"], "withdrawn"),
    },
}
