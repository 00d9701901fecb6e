"""Until when a record is public: a view of it at an instant, by the catalogue's rules, never a constant."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from creditsvc.domain import instants
from creditsvc.domain.catalogue import Catalogue
from creditsvc.domain.records import STANDING, Record
from scoring.periods import after_months


@dataclass(frozen=True, slots=True)
class Publicity:
    """``ever``: the public may see it at some time; ``until``: the instant that ends this, null for none."""

    ever: bool
    until: datetime | None = None

    def at(self, instant: datetime) -> bool:
        return self.ever and (self.until is None or instant < self.until)

    def before(self, instant: datetime) -> bool:
        """Tell whether the record was public right up to an instant."""
        return self.ever and (self.until is None or instant <= self.until)


NEVER = Publicity(ever=False)


def day_of(record: Record, catalogue: Catalogue, zone: ZoneInfo) -> date:
    """Give the day that a record's periods count from: its decision's, or the day it took effect."""
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
    written = record.data.get(named) if named is not None else None
    if written is None:
        return None
    last = date.fromisoformat(written)
    if last == date.max:
        return None
    return instants.start_of(date.fromordinal(last.toordinal() + 1), zone)


def publicity(record: Record, catalogue: Catalogue, zone: ZoneInfo) -> Publicity:
    """Apply the rule that the record's class names; what is withdrawn is public no more."""
    if record.withdrawn or record.record_class is None:
        return NEVER
    rules = catalogue.publicity[catalogue.classes[record.record_class].publicity]
    if rules.kind == "always":
        return Publicity(ever=True)
    if rules.kind == "while-standing":
        return Publicity(ever=record.state == STANDING, until=expiry(record, catalogue, zone))
    return _by_severity(record, catalogue, zone)


def _by_severity(record: Record, catalogue: Catalogue, zone: ZoneInfo) -> Publicity:
    day = day_of(record, catalogue, zone)
    term = catalogue.term(record.record_class or "", str(record.data.get("severity")), day)
    if term is None or not term.public:
        return NEVER
    if term.months is None:
        return Publicity(ever=True)
    until = instants.start_of(after_months(day, term.months), zone)
    return Publicity(ever=True, until=until.astimezone(UTC))
