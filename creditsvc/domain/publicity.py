"""Until when a record is public: a view of it at an instant, by the catalogue's rule sets, never a constant.

Pure. Periods are counted in days of the place of the entity's authorities, and end with the end of a day.
"""

import re
from dataclasses import dataclass, replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

from creditsvc.domain import instants
from creditsvc.domain.cases import withheld_from
from creditsvc.domain.catalogue import Catalogue, Term
from creditsvc.domain.catalogue import Publicity as Rules
from creditsvc.domain.catalogue_rule_sets import UNTOLD
from creditsvc.domain.records import STANDING, Record
from scoring.periods import after_months

OTHER = "other"  # of a category in words that the catalogue has not; no term names it, so only the last fits
_BETWEEN = re.compile(r"[\s,，;；、/+]+")  # how agencies string categories together


@dataclass(frozen=True, slots=True)
class Publicity:
    """When the public may see a record.

    From ``public_from`` (null: never) until, but not at, ``public_until`` (null: without end).
    Repair may be applied for from ``repairable_from``; null where no rule says. ``rule`` names the rule set,
    or the rule of the record's class where that has none; null for what is withdrawn.
    """

    public_from: datetime | None = None
    repairable_from: datetime | None = None
    public_until: datetime | None = None
    rule: str | None = None

    def at(self, instant: datetime) -> bool:
        if self.public_from is None or instant < self.public_from:
            return False
        return self.public_until is None or instant < self.public_until

    def around(self, instant: datetime) -> bool:
        """Tell whether the record is public right before an instant or at it."""
        if self.public_from is None or self.public_from == self.public_until or instant < self.public_from:
            return False
        return self.public_until is None or instant <= self.public_until

    def begins_after(self, instant: datetime) -> bool:
        """Tell whether the record is not public yet at an instant, but time alone makes it so."""
        return self.public_from is not None and instant < self.public_from != self.public_until


NEVER = Publicity()


def day_of(record: Record, catalogue: Catalogue, zone: ZoneInfo) -> date:
    """Give the day that a record was decided on: its decision document's, or the day it took effect."""
    if record.record_class is None or record.time is None:
        raise ValueError("an awaited record has no day")
    named = catalogue.classes[record.record_class].dated_by
    if named is not None and (written := record.data.get(named)):
        return date.fromisoformat(written)
    return record.time.astimezone(zone).date()


def expiry(record: Record, catalogue: Catalogue, zone: ZoneInfo) -> datetime | None:
    """Give the instant at which a standing record expires: the end of the last day it is valid on."""
    if record.record_class is None or record.state != STANDING:
        return None
    named = catalogue.classes[record.record_class].expires
    return _end_of(record.data.get(named), zone) if named is not None else None


def publicity(record: Record, catalogue: Catalogue, zone: ZoneInfo) -> Publicity:
    """Apply the rule that the record's class names; what is withdrawn is public no more."""
    if record.withdrawn or record.record_class is None:
        return NEVER
    given = _by_rule(record, record.record_class, catalogue, zone)
    return _withheld(given, withheld_from(record, catalogue, zone))


def _by_rule(record: Record, record_class: str, catalogue: Catalogue, zone: ZoneInfo) -> Publicity:
    rules = catalogue.publicity[catalogue.classes[record_class].publicity]
    if rules.kind == "term":
        return _by_rule_set(record, rules, day_of(record, catalogue, zone), zone)
    if rules.kind == "never" or (rules.kind == "while-standing" and record.state != STANDING):
        return Publicity(rule=rules.name)
    until = expiry(record, catalogue, zone) if rules.kind == "while-standing" else None
    return _shortened(Publicity(record.opened_at, None, until, rules.name), record, zone)


def _by_rule_set(record: Record, rules: Rules, day: date, zone: ZoneInfo) -> Publicity:
    chosen = rules.rule_set(day, branch_of(record, rules))
    term = chosen.term(str(record.data.get("severity")), categories_of(record, rules)) if chosen else None
    if chosen is None or term is None or record.opened_at is None:
        return NEVER
    if chosen.counted_from == "publication":
        start, day = record.opened_at, record.opened_at.astimezone(zone).date()
    else:
        start = instants.start_of(day, zone)
    if term.maximum_months is None:
        return Publicity(repairable_from=start, rule=chosen.name)
    until = instants.start_of(after_months(day, term.maximum_months), zone)
    if (longer := _real_term(record, term, zone)) is not None:
        until = max(until, longer)
    repairable = start
    if term.minimum_months:
        repairable = instants.start_of(after_months(day, term.minimum_months), zone)
    return _shortened(Publicity(start, repairable, until, chosen.name), record, zone)


def _real_term(record: Record, term: Term, zone: ZoneInfo) -> datetime | None:
    """Give the end of what the decision itself runs for, where the rule lets that lengthen publicity."""
    written = record.data.get(term.or_until) if term.or_until is not None else None
    if written is None or (term.no_term_from and date.fromisoformat(written) >= term.no_term_from):
        return None
    return _end_of(written, zone)


def _shortened(given: Publicity, record: Record, zone: ZoneInfo) -> Publicity:
    """Take the agency's own word for the last public day where it is earlier.

    The rule is the most that the law allows, so the word may shorten but never lengthen it: an agency that
    published elsewhere before, or that holds itself to less, ends earlier; a year of 2099 in a sheet changes
    nothing. What ends earlier may be repaired no later than then, and ends no earlier than it began.
    """
    end = _end_of(record.data.get("public_until"), zone)
    if end is None or given.public_from is None or (given.public_until and given.public_until <= end):
        return given
    end = max(end, given.public_from)
    repairable = None if given.repairable_from is None else min(given.repairable_from, end)
    return Publicity(given.public_from, repairable, end, given.rule)


def _withheld(given: Publicity, end: datetime | None) -> Publicity:
    """End publicity where an objection has gone undecided for too long."""
    if end is None or given.public_from is None or (given.public_until and given.public_until <= end):
        return given
    return replace(given, public_until=max(end, given.public_from))


def _end_of(written: str | None, zone: ZoneInfo) -> datetime | None:
    """Give the instant at which a day is over; null for none."""
    if written is None:
        return None
    last = date.fromisoformat(written)
    if last == date.max:
        return None
    return instants.start_of(date.fromordinal(last.toordinal() + 1), zone)


def branch_of(record: Record, rules: Rules) -> str | None:
    """Tell the branch of the authority that decided, by its name; null where nothing tells it."""
    authority = record.data.get("authority")
    name = authority.get("name", "") if authority is not None else ""
    for branch, known in rules.branches.items():
        if any(word in name for word in known.words):
            return branch
    return None


def categories_of(record: Record, rules: Rules) -> frozenset[str]:
    """Tell what a penalty consists of, by the words of its category."""
    parts = [part for part in _BETWEEN.split(record.data.get("category") or "") if part]
    if not parts:
        return frozenset({UNTOLD})
    by_word = {word: name for name, known in rules.categories.items() for word in known.words}
    return frozenset(by_word.get(part, OTHER) for part in parts)
