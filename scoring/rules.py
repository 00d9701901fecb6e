"""Rules: which records contribute, under which reason code, how much, and how that fades with time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from types import MappingProxyType
from typing import Annotated

from pydantic import Field

from scoring.amounts import Amount
from scoring.conditions import Comparison, Condition
from scoring.data import Data, Facts, FieldName, Name
from scoring.exact import EXACT, ZERO, Exact
from scoring.periods import after_months, after_years

NOTHING: Mapping[str, Decimal] = MappingProxyType({})


class Step(Data):
    """The weight that holds until an age in months, or until the end of the n-th calendar year.

    With neither it holds from then on for good. The calendar year of the record's day is the first.
    """

    months: Annotated[int, Field(gt=0, le=1200)] | None = None
    years: Annotated[int, Field(gt=0, le=100)] | None = None
    weight: Exact

    def end(self, dated: date) -> date | None:
        """Give the first day on which the weight holds no more."""
        if self.months is not None:
            return after_months(dated, self.months)
        return None if self.years is None else after_years(dated, self.years)


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one record adds on a day, and the first day on which time alone changes that.

    ``points`` are added to the sum ``group``. Where a rule divides, that sum is kept apart by divisor
    (``points/3``), so that it stays exact. ``amounts`` are added to further sums, by their names.
    """

    code: str
    group: str
    points: Decimal
    until: date | None
    amounts: Mapping[str, Decimal] = field(default_factory=lambda: NOTHING)

    @property
    def worth(self) -> Fraction:
        """What the points come to once divided."""
        return worth(self.group, self.points)


def worth(group: str, points: Decimal) -> Fraction:
    """Divide a sum of points by the divisor that its group is named after."""
    _, _, divisor = group.partition("/")
    return Fraction(points) / int(divisor) if divisor else Fraction(points)


class Rule(Data):
    """One rule. ``weighted`` and ``counted`` are what it adds to further sums, with its weight and without.

    A rule with no points tells a fact of the organisation as a whole: that its code is present.
    """

    code: Name
    group: Name = "points"
    when: Annotated[Mapping[FieldName, Condition], Field(min_length=1)]
    points: Amount = ZERO
    weighted: Mapping[Name, Exact] = {}
    counted: Mapping[Name, Exact] = {}
    steps: Annotated[tuple[Step, ...], Field(min_length=1)]

    @cached_property
    def classes(self) -> tuple[str, ...] | None:
        """The classes of record it is about; null for any."""
        named = self.when.get("class")
        return None if named is None or isinstance(named, Comparison) else named

    @cached_property
    def _codes(self) -> tuple[tuple[str, frozenset[str]], ...]:
        return tuple(
            (name, frozenset(one)) for name, one in self.when.items() if not isinstance(one, Comparison)
        )

    @cached_property
    def _comparisons(self) -> tuple[tuple[str, Comparison], ...]:
        return tuple((name, one) for name, one in self.when.items() if isinstance(one, Comparison))

    def matches(self, facts: Facts) -> bool:
        for name, allowed in self._codes:
            if facts.get(name) not in allowed:
                return False
        return all(one.holds(facts.get(name), facts) for name, one in self._comparisons)

    def ends(self, dated: date) -> tuple[date, ...]:
        """List the days on which the weight changes, in order."""
        return tuple(end for step in self.steps if (end := step.end(dated)) is not None)

    def contribution(self, facts: Facts, dated: date, on: date) -> Contribution | None:
        for step in self.steps:
            end = step.end(dated)
            if end is None or on < end:
                break
        else:
            return None
        if step.weight == ZERO:
            return None
        points, divisor = (
            (self.points, 1) if isinstance(self.points, Decimal) else self.points.of_record(facts)
        )
        group = self.group if divisor == 1 else f"{self.group}/{divisor}"
        return Contribution(self.code, group, EXACT.multiply(points, step.weight), end, self._amounts(step))

    def _amounts(self, step: Step) -> Mapping[str, Decimal]:
        if not self.weighted:
            return self.counted or NOTHING
        weighted = {name: EXACT.multiply(amount, step.weight) for name, amount in self.weighted.items()}
        return {**weighted, **self.counted}

    def names(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """List the fields that the rule names, each with its place in the rule."""
        for name, one in self.when.items():
            yield ("when", name), name
            if isinstance(one, Comparison):
                for bound in ("no_fewer_than", "fewer_than"):
                    if (other := getattr(one, bound)) is not None:
                        yield ("when", name, bound), other
        if not isinstance(self.points, Decimal):
            yield from ((("points", *place), name) for place, name in self.points.names())
