"""Days and months of the oracle, counted without the code that is tested."""

from datetime import UTC, date, datetime, timedelta

DAY = timedelta(days=1)


def midnight(day, zone):
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def end_of(day, zone):
    return midnight(day + DAY, zone)


def after_months(day, months):
    """The first day after a period of months: the one after the same day of its last month, or its last."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    for same in range(day.day, 27, -1):
        try:
            return date(year, month + 1, same) + DAY
        except ValueError:
            continue
    return date(year, month + 1, day.day) + DAY
