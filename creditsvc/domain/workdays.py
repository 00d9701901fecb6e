"""When a clock is over that counts working days, by a calendar of them; and whether that is certain.

In China the State Council's office lays down each autumn which weekdays of the next year are off and on which
weekends people work instead. What nobody has laid down yet is counted as Monday to Friday, and a due instant
that rests on it is said to be uncertain.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from creditsvc.domain import instants
from creditsvc.domain.catalogue_procedures import Clock

_SATURDAY = 5
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Calendar:
    """The working days of a place, known from one day (inclusive) until another (exclusive).

    ``off``: the days on which nobody works, weekends or not; ``worked``: the weekends on which people do.
    ``edition`` grows with each that is published, so that the newer of two can be told; () is of none.
    """

    known_from: date = date.min
    known_until: date = date.min
    off: frozenset[date] = frozenset()
    worked: frozenset[date] = frozenset()
    edition: tuple[int, ...] = ()

    def knows(self, day: date) -> bool:
        return self.known_from <= day < self.known_until

    def works(self, day: date) -> bool:
        """Tell whether a day is a working day; one that is not known is, from Monday to Friday."""
        if self.knows(day):
            if day in self.off:
                return False
            if day in self.worked:
                return True
        return day.weekday() < _SATURDAY


UNKNOWN = Calendar()
"""The calendar of a place of which none is kept."""


@dataclass(frozen=True, slots=True)
class Due:
    """The instant at which a clock is over, and whether no calendar yet to be published can move it."""

    at: datetime
    certain: bool


def left(now: datetime, at: datetime, zone: ZoneInfo, calendar: Calendar) -> int:
    """Count the working days that are left behind today until a clock is over; below 0: since it was over."""
    today, last = now.astimezone(zone).date(), (at - instants.TICK).astimezone(zone).date()
    first, final = min(today, last), max(today, last)
    days = (first + _DAY * number for number in range(1, (final - first).days + 1))
    count = sum(calendar.works(day) for day in days)
    return count if today <= last else -count


def due(since: datetime, clock: Clock, zone: ZoneInfo, calendar: Calendar = UNKNOWN) -> Due:
    """Tell when a clock is over: at the end of its last day, in the zone of the entity's authorities.

    The day on which it starts does not count (as 民法典 art. 201 has it), whatever its hour. Where days are
    counted as they come, holidays too, no calendar matters.
    """
    day = since.astimezone(zone).date()
    if clock.counted == "days":
        return Due(instants.start_of(day + (clock.days + 1) * _DAY, zone), certain=True)
    certain, left = True, clock.days
    while left:
        day += _DAY
        certain = certain and calendar.knows(day)
        left -= calendar.works(day)
    return Due(instants.start_of(day + _DAY, zone), certain)
