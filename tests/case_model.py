"""What becomes of records and their cases, said a second time and naively: the oracle of the stateful test.

Everything is written out from the rules as people read them (docs, the catalogue's notes), and nothing of the
service's own tables, folds and calendars is used. One organisation is a dict of records, each with its cases.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from tests.case_days import DAY, after_months, end_of, midnight

TICK = timedelta(microseconds=1)
SAID_AT = datetime(2026, 5, 4, tzinfo=UTC)  # what the events say they took effect at, to within the hour
ZONES = {"uscc": "Asia/Shanghai", "usdot": "America/New_York", "siren": "Europe/Paris"}
CLASSES = {
    "penalty.imposed": "penalty",
    "carrier.inspected": "inspection",
    "inspection.completed": "inspection",
    "abnormal.listed": "abnormal",
    "licence.granted": "licence",
    "tax.examined": "tax",
}
# What a correction may change of each that these tests correct, beside its title.
FIELDS = {
    "penalty.imposed": {"severity", "decided_on", "public_until", "valid_until"},
    "licence.granted": {"decided_on", "public_until", "valid_until"},
    "carrier.inspected": {"decided_on"},
    "inspection.completed": {"decided_on"},
    "abnormal.listed": {"decided_on"},
    "tax.examined": {"decided_on"},
}
NEEDED = {"penalty.imposed": {"severity", "decided_on"}}
ENDS = {"abnormal.removed": ("abnormal", "removed"), "licence.ended": ("licence", "ended")}

# Every legal move, by the state that it starts from: whose it is, and the state that it leads to.
LEGAL = {
    ("objection", "opened"): {
        "accepted": ("handler", "accepted"),
        "upheld": ("handler", "upheld"),
        "refused": ("handler", "refused"),
        "referred": ("handler", "opened"),
        "withdrawn": ("applicant", "withdrawn"),
    },
    ("objection", "accepted"): {
        "upheld": ("handler", "upheld"),
        "refused": ("handler", "refused"),
        "referred": ("handler", "opened"),
        "withdrawn": ("applicant", "withdrawn"),
    },
    ("objection", "refused"): {"appealed": ("applicant", "appealed")},
    ("objection", "appealed"): {
        "upheld": ("handler", "upheld"),
        "refused": ("handler", "refused"),
        "referred": ("handler", "appealed"),
        "withdrawn": ("applicant", "withdrawn"),
    },
    ("objection", "closed"): {"upheld": ("handler", "upheld")},
    ("repair", "applied"): {
        "accepted": ("handler", "accepted"),
        "asked": ("handler", "asked"),
        "refused": ("handler", "refused"),
        "withdrawn": ("applicant", "withdrawn"),
    },
    ("repair", "asked"): {
        "supplemented": ("applicant", "applied"),
        "refused": ("handler", "refused"),
        "withdrawn": ("applicant", "withdrawn"),
    },
    ("repair", "accepted"): {
        "extended": ("handler", "accepted"),
        "denied": ("handler", "denied"),
        "withdrawn": ("applicant", "withdrawn"),
    },
}
MOVERS = {
    ("objection", "appealed"): "applicant",
    ("objection", "withdrawn"): "applicant",
    ("repair", "supplemented"): "applicant",
    ("repair", "withdrawn"): "applicant",
}
UNDECIDED = {"opened", "accepted", "appealed"}
PENDING = {"applied", "asked", "accepted"}
DAYS, WORKING = "days", "working-days"
CLOCKS = {
    "abnormal-2014": {
        "accept": (5, WORKING),
        "decide": (20, WORKING),
        "remedy": (5, WORKING),
        "appeal": (30, DAYS),
    },
    "carrier-30-days": {"decide": (30, DAYS), "remedy": (3, DAYS), "appeal": (60, DAYS)},
    "objection-general": {"decide": (5, WORKING), "remedy": (3, DAYS), "appeal": (30, DAYS)},
    "abnormal-cure": {"accept": (3, WORKING), "decide": (5, WORKING), "supplement": (10, WORKING)},
    "ndrc-36-repair": {"accept": (3, WORKING), "decide": (7, WORKING), "supplement": (10, WORKING)},
}
EXTENSION = {"ndrc-36-repair": 10}
POINTS = {"minor": -8, "general": -40, "serious": -120}


def party(entity):
    return f"urn:entity:{entity}"


@dataclass
class Dispute:
    """A case: what is known of it, and since when."""

    kind: str
    number: str
    by: str
    handler: str
    state: str
    opened_at: datetime
    routed_at: datetime
    since: datetime
    had: set
    extended: bool = False
    appealed_at: datetime | None = None
    remedied: bool = False

    @property
    def open(self):
        return self.state in (UNDECIDED if self.kind == "objection" else PENDING)

    @property
    def marks(self):
        return self.kind == "objection" and self.state in UNDECIDED


@dataclass
class Told:
    """One record by what was told of it. ``opening``: the type that opened it, None while it is awaited."""

    number: str
    holder: str
    zone: ZoneInfo
    opening: str | None = None
    given: dict = field(default_factory=dict)
    changes: dict = field(default_factory=dict)
    opened_at: datetime | None = None
    ended: str | None = None
    revoked: bool = False
    repaired: bool = False
    shielded: bool = False
    withdrawn_at: datetime | None = None
    over: datetime | None = None  # whatever its cases make of that
    early: set = field(default_factory=set)
    cases: dict = field(default_factory=dict)

    @property
    def record_class(self):
        return CLASSES.get(self.opening)

    @property
    def withdrawn(self):
        return self.opening is None or self.revoked or self.repaired or self.shielded

    @property
    def marked(self):
        return sorted(case.number for case in self.cases.values() if case.marks)

    def said(self, name):
        """A day or word of the record, as corrected."""
        if name in self.changes and name in FIELDS.get(self.opening, ()):
            if self.changes[name] is not None:
                return self.changes[name]
            if name not in NEEDED.get(self.opening, ()):
                return None
        return self.given.get(name)

    def day(self, name):
        written = self.said(name)
        return None if written is None else date.fromisoformat(written)

    @property
    def decided(self):
        return self.day("decided_on") or SAID_AT.astimezone(self.zone).date()

    @property
    def state(self):
        """Its state, but for what time alone makes of it."""
        if self.opening is None:
            return "awaited"
        if self.revoked:
            return "revoked"
        if self.repaired:
            return "repaired"
        if self.shielded:
            return "shielded"
        of, state = ENDS.get(self.ended, (None, None))
        return state if of == self.record_class else "standing"

    def span(self):
        """From and until when it is public by the rule, and from when on it may be repaired."""
        first = until = repairable = None
        if self.record_class == "penalty":
            first, until, repairable = self.span_of_penalty()
        elif self.record_class in {"inspection", "licence"} or (
            self.record_class == "abnormal" and self.state in {"standing", "shielded"}
        ):
            first = self.opened_at
        last = self.day("public_until")
        if last is not None and first is not None and (until is None or end_of(last, self.zone) < until):
            until = max(end_of(last, self.zone), first)
            repairable = None if repairable is None else min(repairable, until)
        return first, until, repairable

    def span_of_penalty(self):
        """By the rule set of the day it was decided on; before 2025's, counted from publication."""
        severity, day, first = self.said("severity"), self.decided, midnight(self.decided, self.zone)
        least, most = {"minor": (0, 0), "general": (3, 12), "serious": (12, 36)}[severity]
        if day < date(2025, 6, 22):  # by SAMR Order 45 of 2021
            least, most = (0, 0) if severity == "minor" else (36, 36)
            day, first = self.opened_at.astimezone(self.zone).date(), self.opened_at
        repairable = midnight(after_months(day, least), self.zone) if least else first
        until = midnight(after_months(day, most), self.zone) if most else None
        return (first if most else None), until, repairable

    def withheld_from(self):
        """An inspection of a carrier is withheld when thirty days went by without a decision.

        They are counted from the objection, or from the appeal: whoever has it, the public waits once.
        """
        ends = [
            end_of((case.appealed_at or case.opened_at).astimezone(self.zone).date() + 30 * DAY, self.zone)
            for case in self.cases.values()
            if case.marks and self.procedure(case) == "carrier-30-days"
        ]
        return min(ends, default=None)

    def ends(self):
        """A penalty: five years after its last public day by the rule; what was withdrawn: after one."""
        if self.record_class not in {"penalty", "abnormal", "tax"}:
            return None
        overs = []
        if self.record_class == "penalty":
            first, until, _ = self.span()
            last = self.decided
            if first is not None:
                last = max(last, (until - TICK).astimezone(self.zone).date())
            overs.append(midnight(after_months(last, 60), self.zone))
        if self.revoked or self.repaired:
            last = self.withdrawn_at.astimezone(self.zone).date()
            overs.append(midnight(after_months(last, 12), self.zone))
        return min(overs, default=None)

    def hear(self, at):
        """Note when it ends, once something was said of the record itself: with a month of notice.

        What ends earlier with this than it did is left for that month, but no longer than it had without.
        """
        before, self.over = self.over, self.ends()
        if self.over is None:
            return
        notice = midnight(after_months(at.astimezone(self.zone).date(), 1), self.zone)
        if before is None:
            self.over = max(self.over, notice)
        elif self.over <= before or self.over <= at:
            self.over = min(before, max(self.over, notice))

    def retired_from(self):
        """Not while a case that came in time is open, nor while its refusal may be appealed against."""
        if self.over is None:
            return None
        held = [case for case in self.cases.values() if case.opened_at < self.over]
        if any(case.open for case in held):
            return None
        return max([self.over, *(self.let_go(case) for case in held)])

    def let_go(self, case):
        """When a case that is decided holds its record no more: with that day, or the time to appeal."""
        days = 0
        if (case.kind, case.state, case.appealed_at) == ("objection", "refused", None):
            days, _ = CLOCKS[self.procedure(case)]["appeal"]
        return end_of(case.since.astimezone(self.zone).date() + days * DAY, self.zone)

    def expires(self):
        last = self.day("valid_until")
        if self.record_class != "licence" or self.state != "standing" or last is None:
            return None
        return end_of(last, self.zone)

    def retired(self, at):
        over = self.retired_from()
        return over is not None and at >= over

    def state_at(self, at):
        if self.retired(at):
            return "retired"
        over = self.expires()
        return "expired" if over is not None and at >= over else self.state

    def public(self, at):
        if self.withdrawn or self.retired(at) or self.record_class == "tax":
            return False
        first, until, _ = self.span()
        withheld = self.withheld_from()
        return (
            first is not None
            and at >= first
            and (until is None or at < until)
            and (withheld is None or at < withheld)
        )

    def counted(self, at):
        return not self.withdrawn and not self.retired(at)

    def standing(self, at):
        return self.state_at(at) == "standing"

    def points(self, at):
        """What it adds to the score of those who see it."""
        if not self.standing(at):
            return 0
        if self.opening == "abnormal.listed":
            return -80
        full = POINTS[self.said("severity")] if self.record_class == "penalty" else -60
        if self.opening not in {"penalty.imposed", "inspection.completed"}:
            return 0
        for months, weight in ((12, 1), (24, 0.5), (36, 0.25)):
            if at < midnight(after_months(self.decided, months), self.zone):
                return int(full * weight)
        return 0

    def boundaries(self):
        """Every instant at which time alone may change something of it, or of what may be done with it."""
        found = {*self.span(), self.withheld_from(), self.retired_from(), self.expires()}
        if self.opening in {"penalty.imposed", "inspection.completed"}:
            found |= {midnight(after_months(self.decided, months), self.zone) for months in (12, 24, 36)}
        return sorted(found - {None})

    def seen_by(self, who, agency, at):
        """Whether a viewer sees it at an instant."""
        if self.retired(at):
            return False
        if who in {"operator", "entity"}:
            return True
        if who == "agency" and agency in {
            self.holder,
            *(name for case in self.cases.values() if case.open for name in (case.by, case.handler)),
        }:
            return True
        if self.withdrawn:
            return False
        if self.record_class == "tax":
            return who in {"agency", "auditor", "partner-consented"}
        return who != "public" or self.public(at)

    def procedure(self, case):
        opened_on = case.opened_at.astimezone(self.zone).date()
        if case.kind == "repair":
            return "abnormal-cure" if self.record_class == "abnormal" else "ndrc-36-repair"
        recorded_on = (self.opened_at or case.opened_at).astimezone(self.zone).date()
        if self.record_class == "abnormal" and (opened_on - recorded_on).days <= 30:
            return "abnormal-2014"
        if self.opening == "carrier.inspected" and opened_on >= date(2026, 12, 1):
            return "carrier-30-days"
        return "objection-general"

    def clocks(self) -> Iterator[tuple]:
        """The clocks that run: kind, number, step, whose turn it is, since when, until when."""
        for case in self.cases.values():
            named = self.procedure(case)
            step, since = self._step(case, CLOCKS[named])
            if step is None:
                continue
            days, counted = CLOCKS[named][step]
            days += EXTENSION.get(named, 0) if case.extended else 0
            awaits = "applicant" if step in {"appeal", "supplement"} else "agency"
            handler = self.holder if step == "remedy" else case.handler
            yield case.kind, case.number, step, awaits, handler, since, self._due(since, days, counted)

    def _step(self, case, clocks):
        accept = "accept" if "accept" in clocks else "decide"
        if case.kind == "repair":
            steps = {"applied": "accept", "asked": "supplement", "accepted": "decide"}
            return steps.get(case.state), case.since
        steps = {
            "opened": accept,
            "accepted": "decide",
            "appealed": "decide",
            "upheld": None if case.remedied else "remedy",
            "refused": None if case.appealed_at else "appeal",
        }
        # Accepting starts a clock of its own only where it has one.
        whole = case.state == "accepted" and accept == "decide"
        return steps.get(case.state), case.routed_at if whole else case.since

    def _due(self, since, days, counted):
        day = since.astimezone(self.zone).date()
        while days:
            day += DAY
            days -= counted == DAYS or day.isoweekday() < 6
        return end_of(day, self.zone)

    def copy(self):
        return copy.deepcopy(self)
