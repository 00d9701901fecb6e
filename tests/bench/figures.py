"""Figures: what was measured of each in turns, ratios of them, and the goals they are held against."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Literal

Verdict = Literal["aim", "goal", "miss", "-"]


def percentile(ascending: Sequence[float], part: float) -> float:
    """Give the smallest value that so many hundredths do not exceed (nearest rank); NaN of nothing."""
    if not ascending:
        return math.nan
    return ascending[max(0, math.ceil(part / 100 * len(ascending)) - 1)]


def ratio(measured: Sequence[float], against: Sequence[float]) -> float:
    """Give the median of the ratios of each round: what disturbed a round disturbed both of it."""
    if len(measured) != len(against) or not measured:
        raise ValueError("a ratio needs both of every round")
    return median(one / other for one, other in zip(measured, against, strict=True))


@dataclass(frozen=True, slots=True)
class Goal:
    """What is to be reached at least, and what is aimed at."""

    key: str
    what: str
    least: float | None
    aim: float | None
    unit: str = ""  # behind the number; none: a ratio
    lower: bool = False  # less is better

    def verdict(self, measured: float) -> Verdict:
        if self.least is None or self.aim is None or math.isnan(measured):
            return "-"
        if self.lower:
            return "aim" if measured <= self.aim else "goal" if measured <= self.least else "miss"
        return "aim" if measured >= self.aim else "goal" if measured >= self.least else "miss"

    def text(self, value: float | None) -> str:
        """Write a value of this goal; bounds say in which direction."""
        return "" if value is None else number(value) + (f" {self.unit}" if self.unit else "")

    def bound(self, value: float | None) -> str:
        return "" if value is None else f"{'≤' if self.lower else '≥'} {self.text(value)}"


def number(value: float) -> str:
    """Write a number with three digits that count."""
    if math.isnan(value):
        return "-"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.{2 if abs(value) < 10 else 1}f}"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was measured for a goal; ``beside``: the figures it was worked out from, in words."""

    goal: Goal
    measured: float
    beside: str = ""
    rounds: list[float] = field(default_factory=list)

    @property
    def verdict(self) -> Verdict:
        return self.goal.verdict(self.measured)


GOALS = {
    goal.key: goal
    for goal in (
        Goal("pgbench", "single public look-ups, 32 connections, against prepared pgbench", 0.35, 0.7),
        Goal("constant", "the same against aiohttp with a constant", None, None),
        Goal("fastapi", "the same against FastAPI + SQLAlchemy", 8, 15),
        Goal("p99", "their 99th percentile", 10, 4, "ms", lower=True),
        Goal("p99-ingest", "the same while ingest runs, batches of 5,000", 25, 8, "ms", lower=True),
        Goal("lookups", "entities/s in batches of 1,000", 100_000, 300_000, "/s"),
        Goal("ingest-1000", "ingest, batches of 1,000, against FastAPI's bare insert", 0.75, 1.5),
        Goal("ingest-100", "ingest, batches of 100, against the same", None, None),
        Goal("ingest-1", "ingest, single events, 32 connections, against the same", 4, 10),
        Goal("entities-10x", "look-up among ten times as many: time against", 1.3, 1.1, lower=True),
        Goal("history-lookup", "look-up with 10,000 events: time against 10", 1.3, 1.1, lower=True),
        Goal("history-append", "append to 10,000 events: time against 10", 1.5, 1.1, lower=True),
        Goal("memory", "memory of a worker under load (RSS)", 200, 100, "MiB", lower=True),
        Goal("search", "name search, 99th percentile", 100, 20, "ms", lower=True),
        Goal(
            "search-broad", "the same for two characters that many names have", None, None, "ms", lower=True
        ),
        Goal("pages", "pages beside look-ups: 95th percentile of the slowest kind", 50, 25, "ms", lower=True),
        Goal("pages-p99", "their 99th percentile, likewise", 50, 25, "ms", lower=True),
        Goal("pages-ingest", "pages beside ingest: 95th percentile, likewise", 50, 25, "ms", lower=True),
        Goal("pages-ingest-p99", "their 99th percentile, likewise", 50, 25, "ms", lower=True),
        Goal("pages-first", "the first page of each kind that a worker gives out", 200, 50, "ms", lower=True),
        Goal("start", "first start with an empty directory until ready", 5, 2, "s", lower=True),
        Goal("event-bytes", "bytes on disk of an event", None, None, "B", lower=True),
        Goal(
            "entity-bytes",
            "bytes on disk of an organisation, without its events",
            None,
            None,
            "B",
            lower=True,
        ),
    )
}
