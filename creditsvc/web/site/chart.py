"""The course of a score as a drawing: steps on an axis of time, as numbers that a template puts into SVG."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from creditsvc.ledger.course import Step

WIDTH, HEIGHT = 640.0, 200.0
LEFT, RIGHT, TOP, BOTTOM = 44.0, 12.0, 12.0, 28.0
MOST_LABELS = 6
LEAST_SPAN = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn; lengths in user units of a view box of WIDTH by HEIGHT."""

    path: str
    points: tuple[tuple[float, float, Step], ...]
    rules: tuple[tuple[float, int], ...]  # where horizontal lines stand, and for which score
    days: tuple[tuple[float, datetime], ...]  # where days are written


def draw(steps: Sequence[Step], until: datetime, least: float, most: float, zone: ZoneInfo) -> Chart | None:
    """Draw the steps up to an instant, on a scale from ``least`` to ``most``; null for nothing to draw.

    The axis is a day long at least, and ends at that instant: nothing is drawn of what has not come yet.
    """
    rated = [step for step in steps if step.value is not None]
    if not rated:
        return None
    begin = min(rated[0].at, until - LEAST_SPAN)
    span = until - begin

    def x(at: datetime) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * ((at - begin) / span), 1)

    def y(value: float) -> float:
        part = (value - least) / (most - least)
        return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * part, 1)

    path, points, open_ = [], [], False
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        end = following.at if following else begin + span
        if step.value is None:
            open_ = False
            continue
        path.append(f"{'L' if open_ else 'M'}{x(step.at)} {y(step.value)}H{x(end)}")
        points.append((x(step.at), y(step.value), step))
        open_ = True
    quarters = [round(least + (most - least) * part / 4) for part in range(5)]
    marks = [begin + span * part / (MOST_LABELS - 1) for part in range(MOST_LABELS)]
    # A young history has fewer days than there is room for: each is written where it is seen first.
    days = {at.astimezone(zone).date(): at for at in reversed(marks)}.values()
    return Chart(
        "".join(path),
        tuple(points),
        tuple((y(value), value) for value in quarters),
        tuple((x(day), day) for day in days),
    )
