"""When the legal life of a record is over, by the rules of retention: from then on it is in no view.

Pure. Periods are counted as those of publicity are, in days of the place of the entity's authorities. They
count from what the rule says, not from what became of the record, so that neither an objection that went
undecided nor a late withdrawal makes it live longer.

Two things put the end off. No event ends a record at once: what makes it end earlier, or comes when its time
is over already, leaves it for the months of the rule's notice, so that those who saw it hear of its end and a
mistake can be undone. And while a case that was opened in time is open, or its refusal may still be appealed
against, its record stays. Every end is the start of a day that no event has reached yet, so that it is
always time that crosses it, and a notice tells it.
"""

from dataclasses import replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from creditsvc.domain import instants
from creditsvc.domain.cases import appeal_ends
from creditsvc.domain.catalogue import Catalogue, Retention
from creditsvc.domain.publicity import Publicity, day_of, publicity
from creditsvc.domain.records import REPAIRED, REVOKED, STANDING, Record, stages
from scoring.periods import after_months

RETIRED = "retired"
_TICK = timedelta(microseconds=1)
_By = tuple[Catalogue, ZoneInfo]


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
    by = (catalogue, zone)
    over = _noticed(record, rule, by, shown)
    return None if over is None else _held(record, over, by)


def _noticed(record: Record, rule: Retention, by: _By, shown: Publicity | None) -> datetime | None:
    """Give the end by the rule and its notice, whatever holds the record.

    The notice counts from the first recording, and from each event that makes the end earlier; it never makes
    it later than it was without that event. So whoever corrects a record again and again puts nothing off.
    """
    ends = _by_rule(record, rule, by, shown)
    if ends is None or ends >= _notice_ends(record, rule, by[1]):
        return ends  # as of nearly every record: nothing that came before matters
    over = None
    for stage in stages(record, by[0]):
        over = _follow(over, stage, rule, by)
    return over


def _follow(over: datetime | None, stage: Record, rule: Retention, by: _By) -> datetime | None:
    """Give the end with one event more, after an end of ``over`` without it."""
    ends = None if stage.record_class is None else _by_rule(stage, rule, by, None)
    if ends is None:
        return None
    notice = _notice_ends(stage, rule, by[1])
    if ends >= notice or over is None:
        return max(ends, notice)
    if max(over, stage.recorded_at) < ends:  # its time is longer than it was, and not over
        return ends
    return min(over, notice)


def _by_rule(record: Record, rule: Retention, by: _By, shown: Publicity | None) -> datetime | None:
    zone = by[1]
    over = instants.earliest(_after_publicity(record, rule, by, shown), _after_withdrawal(record, rule, zone))
    return None if over is None else max(over, instants.start_of(rule.in_force_from, zone))


def _notice_ends(record: Record, rule: Retention, zone: ZoneInfo) -> datetime:
    told_at = record.told_at or record.recorded_at
    return instants.start_of(after_months(told_at.astimezone(zone).date(), rule.notice_months), zone)


def _held(record: Record, over: datetime, by: _By) -> datetime | None:
    """Give the end of a record that its cases hold; null while one of them is open.

    One that was opened when the time was over holds nothing: else objecting anew would keep it for ever.
    """
    ends = [over]
    for case in record.cases:
        if case.opened_at < over:
            if case.open:
                return None
            ends.append(appeal_ends(case, record, *by) or _day_after(case.since, by[1]))
    return max(ends)


def _day_after(instant: datetime, zone: ZoneInfo) -> datetime:
    return instants.start_of(instant.astimezone(zone).date() + timedelta(days=1), zone)


def _after_publicity(record: Record, rule: Retention, by: _By, shown: Publicity | None) -> datetime | None:
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
