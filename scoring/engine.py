"""The additive family of scoring models: points per record, weighted by age, summed within groups, graded.

Pure: no clock, no I/O beyond reading a model's file, exact decimals. Days are the calendar days of the
authority's place; the caller turns them into instants.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from scoring.periods import after_months

MODELS = Path(__file__).parent / "models"
ZERO = Decimal(0)


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Step(_Data):
    """The weight that points carry until ``months`` after the record's day; null: from then on for good."""

    months: Annotated[int, Field(gt=0, le=1200)] | None
    weight: Decimal


class Rule(_Data):
    """Which records contribute, under which reason code, how much, and how that fades."""

    code: str
    group: str
    when: Mapping[str, tuple[str, ...]]
    points: Decimal
    steps: tuple[Step, ...]

    def weight(self, dated: date, on: date) -> Decimal:
        for step in self.steps:
            if step.months is None or on < after_months(dated, step.months):
                return step.weight
        return ZERO

    def matches(self, facts: Mapping[str, str]) -> bool:
        return all(facts.get(name) in allowed for name, allowed in self.when.items())


class Group(_Data):
    """Contributions that are capped together."""

    minimum: Decimal | None = None
    maximum: Decimal | None = None

    def excess(self, total: Decimal) -> Decimal:
        """Give what has to be added to ``total`` so that it lies within the group's bounds."""
        if self.maximum is not None and total > self.maximum:
            return self.maximum - total
        if self.minimum is not None and total < self.minimum:
            return self.minimum - total
        return ZERO


class Grade(_Data):
    grade: str
    at_least: Decimal


class Override(_Data):
    """A reason code that sets the grade whatever the points."""

    code: str
    grade: str


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one record adds to the score on a day, and the first day on which time alone changes that."""

    code: str
    group: str
    points: Decimal
    until: date | None


@dataclass(frozen=True, slots=True)
class Score:
    """``value`` is null and the grade ``unrated`` where nothing on record contributes."""

    value: Decimal | None
    grade: str
    adjustments: Mapping[str, Decimal]


class Model(_Data):
    """One released version of an additive model. It never changes once released."""

    name: str
    version: str
    family: Literal["additive"]
    title: Mapping[str, str]
    start: Decimal
    minimum: Decimal
    maximum: Decimal
    groups: Mapping[str, Group]
    rules: tuple[Rule, ...]
    grades: tuple[Grade, ...]
    overrides: tuple[Override, ...] = ()

    @model_validator(mode="after")
    def _whole(self) -> "Model":
        codes = [rule.code for rule in self.rules]
        if len(set(codes)) != len(codes):
            raise ValueError("two rules have the same code")
        if unknown := {rule.group for rule in self.rules} - set(self.groups):
            raise ValueError(f"rules name unknown groups: {sorted(unknown)}")
        if unknown := {override.code for override in self.overrides} - set(codes):
            raise ValueError(f"overrides name unknown codes: {sorted(unknown)}")
        bounds = [grade.at_least for grade in self.grades]
        if bounds != sorted(bounds, reverse=True) or not bounds or bounds[-1] > self.minimum:
            raise ValueError("grades must fall from the highest and reach the minimum")
        return self

    def rule(self, facts: Mapping[str, str]) -> Rule | None:
        """Find the first rule that the facts match."""
        return next((rule for rule in self.rules if rule.matches(facts)), None)

    def contribution(self, facts: Mapping[str, str], dated: date, on: date) -> Contribution | None:
        """Tell what a record with these facts, dated so, contributes on a day; null where nothing."""
        rule = self.rule(facts)
        if rule is None:
            return None
        points = rule.points * rule.weight(dated, on)
        if points == ZERO:
            return None
        until = next((day for day in self.changes(facts, dated) if day > on), None)
        return Contribution(rule.code, rule.group, points, until)

    def changes(self, facts: Mapping[str, str], dated: date) -> tuple[date, ...]:
        """List the days on which the contribution changes by time alone, in order."""
        rule = self.rule(facts)
        if rule is None:
            return ()
        return tuple(after_months(dated, step.months) for step in rule.steps if step.months is not None)

    @cached_property
    def group_of(self) -> Mapping[str, str]:
        return {rule.code: rule.group for rule in self.rules}

    def total(self, sums: Mapping[str, Decimal], codes: Mapping[str, int]) -> Score:
        """Add up contributions given as sums by group and counts by reason code.

        ``adjustments`` holds what caps and the scale's ends add, so that the start, all contributions and
        all adjustments always add up to the value.
        """
        if not codes:
            return Score(None, "unrated", {})
        adjustments: dict[str, Decimal] = {}
        value = self.start
        for name, group in self.groups.items():
            total = sums.get(name, ZERO)
            if excess := group.excess(total):
                adjustments[f"cap-{name}"] = excess
            value += total + excess
        scale = Group(minimum=self.minimum, maximum=self.maximum)
        if excess := scale.excess(value):
            adjustments["scale"] = excess
            value += excess
        return Score(value, self._grade(value, codes), adjustments)

    def _grade(self, value: Decimal, codes: Mapping[str, int]) -> str:
        for override in self.overrides:
            if override.code in codes:
                return override.grade
        return next(grade.grade for grade in self.grades if value >= grade.at_least)


@cache
def load(name: str, version: str) -> Model:
    """Read a released model; ``FileNotFoundError`` where there is none, pydantic's error if unsound."""
    path = MODELS / name / version / "model.json"
    return Model.model_validate_json(path.read_bytes())
