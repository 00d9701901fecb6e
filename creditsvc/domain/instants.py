"""Instants as text, and calendar days as instants in the place of an authority."""

import re
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from creditsvc.domain.identifiers import SCHEMES

MICROSECONDS = 1_000_000
TICK = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def text(instant: datetime) -> str:
    """Write an instant as RFC 3339 in UTC with microseconds: the one form in every answer and leaf."""
    if instant.tzinfo is not UTC:
        instant = instant.astimezone(UTC)
    return instant.isoformat(timespec="microseconds")[:-6] + "Z"


def text_or_none(instant: datetime | None) -> str | None:
    return None if instant is None else text(instant)


def microseconds(instant: datetime) -> int:
    """Count whole microseconds since 1970-01-01T00:00:00Z, exactly."""
    delta = instant - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * MICROSECONDS + delta.microseconds


@lru_cache(maxsize=64)
def _zone(scheme: str) -> ZoneInfo:
    return ZoneInfo(SCHEMES[scheme].zone)


def zone_of(entity: str) -> ZoneInfo:
    """Give the time zone in which the days of this entity's records are counted: its authorities'."""
    return _zone(entity.partition(":")[0])


@lru_cache(maxsize=16_384)
def start_of(day: date, zone: ZoneInfo) -> datetime:
    """Give the instant at which a calendar day starts in a zone."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


@lru_cache(maxsize=256)
def midnight(instant: datetime, zone: ZoneInfo) -> datetime:
    """Give the start of the calendar day of an instant; all events of a group ask it for the same one."""
    return start_of(instant.astimezone(zone).date(), zone)


def latest(*instants: datetime | None) -> datetime | None:
    found = None
    for instant in instants:
        if instant is not None and (found is None or instant > found):
            found = instant
    return found


def earliest(*instants: datetime | None) -> datetime | None:
    found = None
    for instant in instants:
        if instant is not None and (found is None or instant < found):
            found = instant
    return found


_RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.(?P<fraction>\d{1,12}))?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII
)


def parse(written: str) -> datetime:
    """Read an RFC 3339 time with its offset; ``ValueError`` for anything else. Finer fractions are cut."""
    match = _RFC_3339.fullmatch(written)
    if match is None:
        raise ValueError("not an RFC 3339 time")
    try:
        return datetime.fromisoformat(written.upper()).astimezone(UTC)
    except OverflowError as error:
        raise ValueError("beyond the calendar") from error
