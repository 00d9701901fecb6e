"""When the legal life of a record is over, by the rules of retention: from then on it is in no view.

Pure. Periods are counted as those of publicity are, in days of the place of the entity's authorities. They
count from what the rule says, not from what became of the record, so that neither an objection that went
undecided nor a late withdrawal makes it live longer. But while a case that was opened in time is open, its
record stays: whoever has to decide needs it.
"""

from dataclasses import replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from creditsvc.domain import instants
from creditsvc.domain.catalogue import Catalogue, Retention
from creditsvc.domain.publicity import Publicity, day_of, publicity
from creditsvc.domain.records import REPAIRED, REVOKED, STANDING, Record
from scoring.periods import after_months

RETIRED = "retired"
_TICK = timedelta(microseconds=1)


def retired_from(
    record: Record, catalogue: Catalogue, zone: ZoneInfo, shown: Publicity | None = None
) -> datetime | None:
    """Give the instant from which a record is in no view any more; null while nothing says when.

    ``shown``: its publicity, where that is known already.
    """
    if record.record_class is None:
        return None
    named = catalogue.classes[record.record_class].retention
    if named is None:
        return None
    rule = catalogue.retention[named]
    over = instants.earliest(
        _after_publicity(record, rule, (catalogue, zone), shown), _after_withdrawal(record, rule, zone)
    )
    if over is None:
        return None
    over = max(over, instants.start_of(rule.in_force_from, zone))
    return None if _is_before_somebody(record, over) else over


def _is_before_somebody(record: Record, over: datetime) -> bool:
    """Whether a case that was opened in time is still to be decided; what was withdrawn leaves nothing to."""
    withdrawn = record.state in {REVOKED, REPAIRED}
    return not withdrawn and any(case.open and case.opened_at < over for case in record.cases)


def _after_publicity(
    record: Record, rule: Retention, by: tuple[Catalogue, ZoneInfo], shown: Publicity | None
) -> datetime | None:
    if rule.months is None:
        return None
    if shown is None or record.state != STANDING or record.cases:
        shown = publicity(replace(record, state=STANDING, cases=()), *by)
    zone, last = by[1], day_of(record, *by)
    if shown.public_from is not None:
        if shown.public_until is None:
            return None
        last = max(last, (shown.public_until - _TICK).astimezone(zone).date())
    return _after(last, rule.months, zone)


def _after_withdrawal(record: Record, rule: Retention, zone: ZoneInfo) -> datetime | None:
    if record.state not in {REVOKED, REPAIRED} or record.withdrawn_at is None:
        return None
    return _after(record.withdrawn_at.astimezone(zone).date(), rule.withdrawn_months, zone)


def _after(last: date, months: int | None, zone: ZoneInfo) -> datetime | None:
    """Give the end of a period of months after a day; null for none, and beyond the calendar."""
    if months is None or last.year + months // 12 + 1 >= date.max.year:
        return None
    return instants.start_of(after_months(last, months), zone)
