"""Cases as tests play them: one record whose events are admitted and folded one after the other."""

from datetime import UTC, datetime, timedelta

from creditsvc.domain import instants
from creditsvc.domain.admission import Asked, admit
from creditsvc.domain.cases import procedure_of, running
from creditsvc.domain.parties import party
from creditsvc.domain.records import Entry, fold
from tests.making import CATALOGUE, ENTITY, OTHER_SOURCE, RULES, SOURCE, event

PARTY = party(ENTITY)
THIRD_SOURCE = "urn:agency:cn-zj-samr"
START = datetime(2026, 5, 4, 2, tzinfo=UTC)  # ten o'clock on a Monday in Fuzhou
OPENING = {
    "penalty.imposed": {"severity": "general", "category": "罚款", "decided_on": "2026-04-30"},
    "abnormal.listed": {},
    "carrier.inspected": {},
}


class Life:
    """One record from its opening on."""

    def __init__(self, opening="penalty.imposed", at=START, subject=ENTITY, rules=RULES, **given):
        self.at = at
        self.subject = subject
        self.rules = rules
        self.entries = []
        self.agencies = frozenset({SOURCE, OTHER_SOURCE, THIRD_SOURCE})
        self.say(opening, **(OPENING[opening] | given))

    def say(self, kind, by=SOURCE, after=timedelta(minutes=1), **given):
        """Enter one event; raises what refuses it, and then nothing has changed."""
        at = self.at + after
        if by != SOURCE and "record_source" in CATALOGUE.types[f"credit.{kind}"].optional:
            given = {"record_source": SOURCE} | given
        said = event(kind, "R1", source=by, subject=self.subject, time=START.isoformat(), **given)
        own = said.key == ("R1", SOURCE)
        taken = bool(self.entries) and not self.record.withdrawn and not own
        admit(
            Asked(said, at, self.record if own and self.entries else None, taken, self.agencies, self.rules)
        )
        number = len(self.entries) + 1
        self.entries.append(
            Entry(number, at, said.source, said.id, said.type, said.time, said.record, said.data)
        )
        self.at = at
        return self

    @property
    def record(self):
        return fold(self.entries, CATALOGUE)

    @property
    def case(self):
        return self.record.cases[-1]


ZONE = instants.zone_of(ENTITY)
DUE = timedelta(days=120)  # after which a general penalty may be repaired
OBJ, REP = {"objection": "O1"}, {"repair": "X1"}

# What brings a case from nothing to each state.
PATHS = {
    "opened": [("objection.opened", PARTY, OBJ)],
    "accepted": [("objection.opened", PARTY, OBJ), ("objection.accepted", SOURCE, OBJ)],
    "upheld": [("objection.opened", PARTY, OBJ), ("objection.decided", SOURCE, OBJ | {"decision": "upheld"})],
    "refused": [
        ("objection.opened", PARTY, OBJ),
        ("objection.decided", SOURCE, OBJ | {"decision": "refused", "reason": "核实无误"}),
    ],
    "appealed": [
        ("objection.opened", PARTY, OBJ),
        ("objection.decided", SOURCE, OBJ | {"decision": "refused", "reason": "核实无误"}),
        ("objection.appealed", PARTY, OBJ),
    ],
    "refused again": [
        ("objection.opened", PARTY, OBJ),
        ("objection.decided", SOURCE, OBJ | {"decision": "refused", "reason": "核实无误"}),
        ("objection.appealed", PARTY, OBJ),
        ("objection.decided", SOURCE, OBJ | {"decision": "refused", "reason": "仍无误"}),
    ],
    "withdrawn": [("objection.opened", PARTY, OBJ), ("objection.withdrawn", PARTY, OBJ)],
    "closed": [("objection.opened", PARTY, OBJ), ("record.revoked", SOURCE, {})],
    "repair applied": [("repair.applied", PARTY, REP)],
    "repair asked": [("repair.applied", PARTY, REP), ("repair.asked", SOURCE, REP)],
    "repair accepted": [("repair.applied", PARTY, REP), ("repair.accepted", SOURCE, REP)],
    "repair refused": [("repair.applied", PARTY, REP), ("repair.refused", SOURCE, REP)],
    "repair denied": [
        ("repair.applied", PARTY, REP),
        ("repair.accepted", SOURCE, REP),
        ("repair.denied", SOURCE, REP),
    ],
    "repair granted": [
        ("repair.applied", PARTY, REP),
        ("repair.accepted", SOURCE, REP),
        ("record.repaired", SOURCE, {}),
    ],
    "repair withdrawn": [("repair.applied", PARTY, REP), ("repair.withdrawn", PARTY, REP)],
    "repair closed": [("repair.applied", PARTY, REP), ("record.revoked", SOURCE, {})],
}


def brought_to(state):
    life = Life()
    life.at += DUE
    for kind, by, given in PATHS[state]:
        life.say(kind, by=by, **given)
    return life


def step(life):
    found = running(life.case, procedure_of(life.case, life.record, CATALOGUE, ZONE))
    return found and found.step
