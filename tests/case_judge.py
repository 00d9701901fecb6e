"""Who may say what of a record, judged naively: the other half of the oracle of the stateful test.

``judge`` says with what an event must be refused, None where it must be taken; ``take`` changes the records.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from zoneinfo import ZoneInfo

from tests.case_model import (
    CLASSES,
    CLOCKS,
    DAY,
    ENDS,
    FIELDS,
    LEGAL,
    MOVERS,
    NEEDED,
    TICK,
    ZONES,
    Dispute,
    Told,
    end_of,
    party,
)
from tests.making import CATALOGUE, OTHER_SOURCE, SOURCE

THIRD, FOURTH = "urn:agency:cn-zj-samr", "urn:agency:us-fmcsa"
AGENCIES = (SOURCE, OTHER_SOURCE, THIRD, FOURTH)  # the first two hand records in
NOBODY = "urn:agency:nobody"
BY_APPLICANTS = {
    *(f"objection.{move}" for move in ("opened", "appealed", "withdrawn")),
    *(f"repair.{move}" for move in ("applied", "supplemented", "withdrawn")),
}
OPENINGS = (
    *("penalty.imposed", "carrier.inspected", "penalty.imposed", "carrier.inspected", "abnormal.listed"),
    *("inspection.completed", "licence.granted", "tax.examined"),
)
CHANGES = (
    {"title": "更正"},
    {"severity": "minor"},
    {"severity": "serious"},
    {"decided_on": None},
    {"decided_on": "2026-12-31"},
    {"decided_on": "1990-01-01"},
    {"decided_on": "2022-01-05", "severity": "minor"},
    {"public_until": "2026-11-30"},
    {"public_until": None},
    {"valid_until": "2027-01-31"},
)
INVALID, CONFLICT, FORBIDDEN, EXISTS = "EventInvalid", "CaseConflict", "Forbidden", "RecordExists"
CLOSED = {"repair": {"record.revoked": "closed", "record.repaired": "granted"}, "objection": {}}


@dataclass(frozen=True)
class Said:
    """An event as somebody says it: its type without ``credit.``, by whom, of which number, and its data."""

    kind: str
    by: str
    number: str
    data: dict

    @property
    def holder(self):
        return self.data.get("record_source", self.by)

    @property
    def move(self):
        """The objection or repair that it moves, and how; (None, None) for all other events."""
        of, _, move = self.kind.partition(".")
        return (of, self.data.get("decision", move)) if of in {"objection", "repair"} else (None, None)


@dataclass
class Organisation:
    """One organisation as the oracle knows it."""

    entity: str
    told: dict = field(default_factory=dict)

    @property
    def zone(self):
        return ZoneInfo(ZONES[self.entity.partition(":")[0]])

    def judge(self, said, at):
        """Give the kind of refusal that is due, and the code of its violation; None: it is to be taken."""
        if said.by.startswith("urn:entity:") and (
            said.by != party(self.entity) or said.kind not in BY_APPLICANTS
        ):
            return FORBIDDEN, None
        told = self.told.get((said.number, said.holder))
        if told is None:
            return self._first(said, at)
        of, move = said.move
        if not self._knows(said.by, told, at, opens=move in {"opened", "applied"}):
            return INVALID, "record-unknown"
        if of is not None:
            return self._moves(said, told, of, move, at)
        return self._changes(said, told)

    def _first(self, said, at):
        """Of a record that nobody has spoken of yet; an agency's amendment may come before its record."""
        if said.by == party(self.entity):
            return INVALID, ("required" if said.holder == said.by else "record-unknown")
        if said.holder != said.by:
            return INVALID, "record-unknown"
        elsewhere = any(
            number == said.number and other.counted(at) for (number, _), other in self.told.items()
        )
        if elsewhere and said.move[0] is not None:
            return INVALID, "record-source"
        if elsewhere and said.kind not in CLASSES:
            return FORBIDDEN, None
        return (INVALID, "record-unknown") if said.move[0] == "repair" else None

    def _knows(self, by, told, at, *, opens):
        """Whether somebody may be told that there is such a record.

        Of one whose legal life is over only who handed it in, and who has a case to go on with.
        """
        there = by == party(self.entity) or self.concerned(by, told) or not told.withdrawn
        if by == told.holder or not told.retired(at):
            return by == told.holder or there
        busy = any(by == case.by or by in case.had for case in told.cases.values())
        return there and busy and not opens

    def concerned(self, by, told):
        """Whether an agency has to do with a case that is open, or had one before it."""
        return any(by in case.had or (case.open and by == case.by) for case in told.cases.values())

    def _changes(self, said, told):
        if said.kind in {"record.shielded", "record.unshielded"}:
            return (CONFLICT, None) if told.shielded == (said.kind == "record.shielded") else None
        if said.kind == "record.repaired" and "repair" in said.data:
            return self._grants(told.cases.get(("repair", said.data["repair"])))
        if told.opening is not None and said.kind in CLASSES:
            return EXISTS, "record-exists"
        if told.opening is not None and said.kind in ENDS and ENDS[said.kind][0] != told.record_class:
            return INVALID, "wrong-class"
        return self._corrects(said, told) if told.opening and said.kind == "record.corrected" else None

    def _grants(self, case):
        if case is None:
            return INVALID, "case-unknown"
        return None if case.open else (CONFLICT, None)

    def _corrects(self, said, told):
        changes = said.data["changes"]
        known = FIELDS[told.opening] | {"title"}
        if not changes.keys() <= known:
            return INVALID, "not-of-this-record"
        if any(changes.get(name, "") is None for name in NEEDED.get(told.opening, ())):
            return INVALID, "required"
        return None

    def _moves(self, said, told, of, move, at):
        case = told.cases.get((of, said.data[of]))
        if move in {"opened", "applied"}:
            return self._opens(said, told, case, at)
        if case is None:
            known = said.by in {told.holder, party(self.entity)} or self.concerned(said.by, told)
            return INVALID, "case-unknown" if known else "record-unknown"
        handled = MOVERS.get((of, move), "handler") == "handler"
        if said.by not in ({case.handler} if handled else {case.by, party(self.entity)}):
            return FORBIDDEN, None
        return self._follows(said, told, case, at)

    def _opens(self, said, told, case, at):
        if case is not None:
            return CONFLICT, "case-exists"
        own = said.by == party(self.entity)
        if (
            sum(
                one.kind == said.move[0] and (one.by == party(self.entity)) == own
                for one in told.cases.values()
            )
            >= 20
        ):
            return INVALID, "record-full"
        if told.opening is None and (told.revoked or told.repaired):
            return INVALID, "record-unknown"
        if told.opening is not None and told.withdrawn:
            return INVALID, "record-withdrawn"
        return self._applies(said.by, told, at) if said.move[0] == "repair" else None

    def _follows(self, said, told, case, at):
        """What is the matter with a move of whoever may make it."""
        move = said.move[1]
        if move == "referred" and move in LEGAL.get((case.kind, case.state), {}):
            if said.data["to"] == NOBODY:
                return INVALID, "agency-unknown"
            return (CONFLICT, None) if said.data["to"] in case.had else None
        late = move == "appealed" and (case.appealed_at is not None or at >= self.appeals_end(told, case))
        twice = move == "extended" and case.extended
        legal = move in LEGAL.get((case.kind, case.state), {})
        return None if legal and not late and not twice else (CONFLICT, None)

    def appeals_end(self, told, case):
        """The first instant at which a refusal can be appealed against no more."""
        days, _ = CLOCKS[told.procedure(case)]["appeal"]
        return end_of(case.since.astimezone(self.zone).date() + days * DAY, self.zone)

    def _applies(self, by, told, at):
        if told.opening is None:
            return INVALID, "record-unknown"
        if by not in {told.holder, party(self.entity)}:
            return FORBIDDEN, None
        if any(case.kind == "repair" and case.open for case in told.cases.values()):
            return CONFLICT, None
        if told.record_class == "abnormal":
            return None
        _, _, repairable = told.span()
        if repairable is None:
            return INVALID, "not-repairable"
        return (INVALID, "too-early") if at < repairable else None

    def take(self, said, at):
        """Take an event that ``judge`` has nothing against."""
        key = (said.number, said.holder)
        if key not in self.told:
            self.told[key] = Told(said.number, said.holder, self.zone)
        told = self.told[key]
        of, move = said.move
        if of is not None:
            _move(told, said, of, move, at)
            return
        if said.kind in CLASSES:
            told.opening, told.given, told.opened_at = said.kind, said.data, at
        elif said.kind in ENDS:
            told.ended = said.kind
        elif said.kind == "record.corrected":
            told.changes |= said.data["changes"]
        elif said.kind in {"record.shielded", "record.unshielded"}:
            told.shielded = said.kind == "record.shielded"
            return
        if said.kind in {"record.revoked", "record.repaired"}:
            told.revoked = told.revoked or said.kind == "record.revoked"
            told.repaired = told.repaired or said.kind == "record.repaired"
            told.withdrawn_at = told.withdrawn_at or at
        if said.kind in {"record.corrected", "record.revoked", "record.repaired"}:
            _remedy(told, said, at)
        told.hear(at)


def _remedy(told, said, at):
    for case in told.cases.values():
        case.remedied = True
        if case.open and said.kind != "record.corrected":
            case.state, case.since = CLOSED[case.kind].get(said.kind, "closed"), at


def _move(told, said, of, move, at):
    number = said.data[of]
    case = told.cases.get((of, number))
    if move in {"opened", "applied"}:
        # A decision may have come before its objection, where the record was awaited as well.
        state = "closed" if number in told.early else move
        told.cases[of, number] = Dispute(
            of, number, said.by, told.holder, state, at, at, at, had={told.holder}
        )
    elif case is None:
        told.early.add(number)
    else:
        _, case.state = LEGAL[of, case.state][move]
        if move == "extended":
            case.extended = True
            return
        case.since = at
        if move == "appealed":
            case.appealed_at = at
        if move == "referred":
            case.handler, case.routed_at = said.data["to"], at
            case.had = case.had | {said.data["to"]}


def moments(organisation):
    """Every instant at which time alone may change what is seen, or what may be done."""
    found = set()
    for told in organisation.told.values():
        found |= set(told.boundaries()) | {due for *_, due in told.clocks()}
        found |= {
            organisation.appeals_end(told, case)
            for case in told.cases.values()
            if case.kind == "objection" and case.state == "refused"
        }
        found |= {
            end_of(case.opened_at.astimezone(told.zone).date() + 30 * DAY, told.zone)
            for case in told.cases.values()
            if case.marks
        }
    return sorted(found)


def day_near(start, days):
    return (start.date() + timedelta(days=days)).isoformat()


def facts(kind, start, chance):
    """What an agency says of a new record; decided some days before it is handed in, or soon to be."""
    given = {}
    if kind in {"penalty.imposed", "inspection.completed"}:
        given["decided_on"] = day_near(start, chance % 180 - 120)
    if kind == "penalty.imposed":
        given["severity"] = ("minor", "general", "serious")[chance % 3]
    if kind == "inspection.completed":
        given["outcome"] = "urgent-correction"
    if kind == "licence.granted":
        given["valid_until"] = day_near(start, chance % 500)
    if kind in {"penalty.imposed", "licence.granted"} and chance % 7 == 0:
        given["public_until"] = day_near(start, chance % 300)
    return given


def said_move(of, move, by, told, number):
    """A move of a case as an event; some types name the holder of the record, and some cannot."""
    decided = of == "objection" and move in {"upheld", "refused", "referred"}
    kind = f"{of}.{'decided' if decided else move}"
    data = {of: number}
    if decided:
        data["decision"] = move
    if move in {"refused", "denied", "asked", "extended"}:
        data["reason"] = "核实"
    if by != told.holder and "record_source" in CATALOGUE.types[f"credit.{kind}"].optional:
        data["record_source"] = told.holder
    return Said(kind, by, told.number, data)


def crossed(told, due):
    """What changes of a record at a boundary while nothing is said of it."""
    before = due - TICK
    if told.retired(due):
        if not told.retired(before):
            yield "record.retired", None
        return
    if told.public(before) != told.public(due):
        yield ("publicity.began" if told.public(due) else "publicity.ended"), None
    if told.counted(due):
        if told.standing(before) and not told.standing(due):
            yield "record.expired", None
        if told.points(before) != told.points(due):
            yield "score.stepped", told.points(due)
