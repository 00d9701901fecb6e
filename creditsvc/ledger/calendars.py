"""The calendars of working days that are kept, each by the key of the zone whose authorities go by it."""

import logging
import re
from collections.abc import Mapping
from datetime import date
from functools import cache

from creditsvc.domain.workdays import Calendar

CHINA = "Asia/Shanghai"
# What is laid down for a New Year has moved days before it: in 2006, 2007, 2011 and 2018, from the 29th on.
KNOWN_UNTIL = (12, 25)  # exclusive, in the last year laid down: the rest of it may still be moved

log = logging.getLogger(__name__)


@cache
def kept() -> Mapping[str, Calendar]:
    """Give what is installed; nothing without the extra ``calendar``."""
    try:
        import chinese_calendar  # noqa: PLC0415  an extra: the service does without
    except ImportError:
        return {}
    off, worked = frozenset(chinese_calendar.holidays), frozenset(chinese_calendar.workdays)
    return {CHINA: calendar_of(off, worked, chinese_calendar.__version__)}


def calendar_of(off: frozenset[date], worked: frozenset[date], version: str) -> Calendar:
    """Make the calendar of the whole years in which days off are laid down."""
    first, last = min(off).year, max(off).year
    edition = tuple(int(part) for part in re.findall(r"\d{1,9}", version))
    return Calendar(date(first, 1, 1), date(last, *KNOWN_UNTIL), off, worked, edition)


def tell_at_start() -> None:
    """Say in the log what is kept, and what it means where nothing is."""
    found = kept()
    for zone, calendar in found.items():
        fields = {"zone": zone, "known_until": calendar.known_until.isoformat()}
        log.info("a calendar of working days is kept", extra={"fields": fields})
    if not found:
        log.warning(
            "no calendar of working days is kept: Monday to Friday are counted, and what is due by them is "
            "said to be uncertain; the extra `calendar` has the Chinese one"
        )
