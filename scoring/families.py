"""The families of models: how sums over an organisation's records become a score and a grade.

Every model decomposes: what each record adds is summed, and the score is a formula over the sums. That is
what lets a profile be kept record by record.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field

from scoring.bands import Grade, GradeName
from scoring.data import Data, Facts, Name
from scoring.exact import EXACT, ONE, ZERO, Exact, Rounding, rounded
from scoring.peers import Peers
from scoring.rules import Contribution, Rule, worth

UNRATED = "unrated"


class Group(Data):
    """Contributions that are capped together."""

    minimum: Exact | None = None
    maximum: Exact | None = None

    def excess(self, total: Decimal) -> Decimal:
        """Give what has to be added to ``total`` so that it lies within the group's bounds."""
        if self.maximum is not None and total > self.maximum:
            return EXACT.subtract(self.maximum, total)
        if self.minimum is not None and total < self.minimum:
            return EXACT.subtract(self.minimum, total)
        return ZERO


class Override(Data):
    """A reason code that sets the grade whatever the points; with ``at_least``, from that score on."""

    code: Name
    grade: GradeName
    at_least: Exact | None = None


class Present(Data):
    """What holds where a reason code is present, and none of the codes in ``unless``."""

    code: Name
    unless: tuple[Name, ...] = ()

    def among(self, codes: Mapping[str, int]) -> bool:
        return self.code in codes and not any(code in codes for code in self.unless)


class Start(Present):
    start: Exact


class Factor(Present):
    factor: Exact


class Published(Data):
    """How the published figure is rounded from the exact one. Grades go by the exact one."""

    decimals: Annotated[int, Field(ge=0, le=12)]
    rounding: Rounding


@dataclass(frozen=True, slots=True)
class Score:
    """``value`` is null, and the grade the model's ``unrated``, where nothing on record contributes.

    ``adjustments`` holds what caps and the scale's ends add. ``exact`` is the value before it was rounded for
    publication; ``scale`` is what one point of a contribution is worth in it.
    """

    value: Decimal | None
    grade: str
    adjustments: Mapping[str, Decimal]
    exact: Fraction | None = None
    start: Decimal = ZERO
    scale: Fraction = Fraction(1)


@dataclass(slots=True)
class Tally:
    """Sums and counts over the contributions of an organisation's records."""

    sums: dict[str, Decimal] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)

    def add(self, given: Contribution, sign: Literal[1, -1] = 1) -> None:
        """Add a contribution, or take it away again with ``sign=-1``."""
        self.codes[given.code] = self.codes.get(given.code, 0) + sign
        if not self.codes[given.code]:
            del self.codes[given.code]
        self._add(given.group, given.points, sign)
        for name, amount in given.amounts.items():
            self._add(name, amount, sign)

    def _add(self, name: str, amount: Decimal, sign: Literal[1, -1]) -> None:
        held = self.sums.get(name, ZERO)
        total = EXACT.add(held, amount) if sign == 1 else EXACT.subtract(held, amount)
        if total:
            self.sums[name] = total
        else:
            self.sums.pop(name, None)


class Model(Data):
    """One released version of a model. It never changes once released.

    ``in_force_from`` is the first day on which the method is the one in force; null where no publication
    gives a day. ``objected`` says what a record under objection does until that is decided.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,63}$")]
    version: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,3}$")]
    family: str
    title: Annotated[Mapping[str, str], Field(min_length=1)]
    source: str
    in_force_from: date | None
    objected: Literal["contributes", "waits"] = "contributes"
    unrated: GradeName = UNRATED
    rules: Annotated[tuple[Rule, ...], Field(min_length=1)]
    groups: Annotated[Mapping[Name, Group], Field(min_length=1)]
    grades: tuple[Grade, ...]
    overrides: tuple[Override, ...] = ()
    peers: Peers | None = None

    @cached_property
    def group_of(self) -> Mapping[str, str]:
        return {rule.code: rule.group for rule in self.rules}

    @cached_property
    def _by_class(self) -> Mapping[str, Sequence[Rule]]:
        named = {name for rule in self.rules for name in rule.classes or ()}
        return {
            name: tuple(rule for rule in self.rules if rule.classes is None or name in rule.classes)
            for name in named
        }

    @cached_property
    def _capped(self) -> Sequence[tuple[str, str, Group]]:
        """Each group with its name and that of what its cap adds: what every total asks for."""
        return tuple((name, f"cap-{name}", group) for name, group in self.groups.items())

    @cached_property
    def _of_any_class(self) -> Sequence[Rule]:
        return tuple(rule for rule in self.rules if rule.classes is None)

    def rule(self, facts: Facts) -> Rule | None:
        """Find the first rule that the facts match."""
        for rule in self._by_class.get(str(facts.get("class")), self._of_any_class):
            if rule.matches(facts):
                return rule
        return None

    def contribution(self, facts: Facts, dated: date, on: date) -> Contribution | None:
        """Tell what a record with these facts, dated so, contributes on a day; null where nothing."""
        rule = self.rule(facts)
        return None if rule is None else self.given(rule, facts, dated, on)

    def given(self, rule: Rule, facts: Facts, dated: date, on: date) -> Contribution | None:
        """Tell the same by the rule that the facts match, where that is known already."""
        if self.objected == "waits" and facts.get("objected") == "yes":
            return None
        return rule.contribution(facts, dated, on)

    def changes(self, facts: Facts, dated: date) -> tuple[date, ...]:
        """List the days on which the contribution changes by time alone, in order."""
        rule = self.rule(facts)
        return () if rule is None else rule.ends(dated)

    @abstractmethod
    def total(self, sums: Mapping[str, Decimal], codes: Mapping[str, int]) -> Score:
        """Make a score of the sums over all contributions, by name, and their counts, by reason code."""

    def _grade(self, value: Decimal | Fraction, codes: Mapping[str, int]) -> str:
        for override in self.overrides:
            if override.code in codes and (override.at_least is None or value >= override.at_least):
                return override.grade
        if not self.grades and self.peers is not None:
            return self.peers.unranked
        return next((grade.grade for grade in self.grades if grade.holds(value)), self.grades[-1].grade)


class Additive(Model):
    """A start, points added and taken, capped by group and by the ends of the scale."""

    family: Literal["additive"]
    start: Exact
    starts: tuple[Start, ...] = ()
    minimum: Exact
    maximum: Exact

    @cached_property
    def _ends(self) -> Group:
        return Group(minimum=self.minimum, maximum=self.maximum)

    def total(self, sums: Mapping[str, Decimal], codes: Mapping[str, int]) -> Score:
        if not codes:
            return Score(None, self.unrated, {})
        start = next((one.start for one in self.starts if one.among(codes)), self.start)
        value = start
        adjustments: dict[str, Decimal] = {}
        for name, cap, group in self._capped:
            total = sums.get(name, ZERO)
            if excess := group.excess(total):
                adjustments[cap] = excess
                total = EXACT.add(total, excess)
            if total:
                value = EXACT.add(value, total)
        if excess := self._ends.excess(value):
            adjustments["scale"] = excess
            value = EXACT.add(value, excess)
        return Score(value, self._grade(value, codes), adjustments, Fraction(value), start)


class Ratio(Model):
    """Points by one sum of amounts, such as checks, times a factor; no value where that sum is zero."""

    family: Literal["ratio"]
    denominator: Name
    factors: tuple[Factor, ...] = ()
    published: Published

    def total(self, sums: Mapping[str, Decimal], codes: Mapping[str, int]) -> Score:
        denominator = sums.get(self.denominator, ZERO)
        if not denominator:
            return Score(None, self.unrated, {}, scale=Fraction(0))
        factor = next((one.factor for one in self.factors if one.among(codes)), ONE)
        scale = Fraction(factor) / Fraction(denominator)
        points = sum(
            (worth(name, total) for name, total in sums.items() if name.partition("/")[0] in self.groups),
            start=Fraction(0),
        )
        exact = points * scale
        value = rounded(exact, self.published.decimals, self.published.rounding)
        return Score(value, self._grade(exact, codes), {}, exact, scale=scale)


AnyModel = Annotated[Additive | Ratio, Field(discriminator="family")]
