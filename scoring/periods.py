"""Calendar periods as the law counts them.

A period of months that starts on a day ends with the corresponding day of its last month, that day
included; where the month has no such day, with the month's last day (Civil Code of the PRC, art. 201-202;
Regulation (EEC, Euratom) No 1182/71 art. 3 counts the same way).
"""

import calendar
from datetime import date, timedelta
from functools import lru_cache


@lru_cache(maxsize=65_536)
def after_months(day: date, months: int) -> date:
    """Give the first day that no longer belongs to the period of ``months`` months counted from ``day``."""
    month = day.month - 1 + months
    year = day.year + month // 12
    month = month % 12 + 1
    last = calendar.monthrange(year, month)[1]
    return date(year, month, min(day.day, last)) + timedelta(days=1)


def after_years(day: date, years: int) -> date:
    """Give the first day after ``years`` calendar years, of which the first is the year of ``day``."""
    return date(day.year + years, 1, 1)
