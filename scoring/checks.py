"""What must hold across the parts of a model's file, beyond the shape of each part."""

from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise

from scoring import persons
from scoring.bands import Grade
from scoring.exact import ZERO
from scoring.families import Additive, Model, Ratio
from scoring.rules import Rule, Step

Place = tuple[str | int, ...]
Problem = tuple[Place, str]

# What the service tells of every record, beside the fields of the catalogue.
ALWAYS_KNOWN = frozenset({"class", "type", "state", "objected"})
_PERSONS = "names what natural persons have or are; a model rates organisations only"


def problems(model: Model, fields: Collection[str] | None) -> Iterator[Problem]:
    """Find what is wrong with a model. ``fields`` are those that the catalogue has; null: any."""
    yield from _rules(model, fields)
    yield from _codes(model)
    yield from _grades(model)
    if isinstance(model, Additive):
        yield from _additive(model)
    if isinstance(model, Ratio):
        yield from _ratio(model)


def _rules(model: Model, fields: Collection[str] | None) -> Iterator[Problem]:
    codes: set[str] = set()
    for index, rule in enumerate(model.rules):
        at: Place = ("rules", index)
        if rule.code in codes:
            yield (*at, "code"), "another rule has this code"
        codes.add(rule.code)
        if rule.group not in model.groups:
            yield (*at, "group"), "no such group"
        yield from (((*at, *place), what) for place, what in (*_names(rule, fields), *_steps(rule.steps)))
        for part, names in (("weighted", rule.weighted), ("counted", rule.counted)):
            for name in names:
                if name in model.groups or (part == "counted" and name in rule.weighted):
                    yield (*at, part, name), "this sum has another use"


def _names(rule: Rule, fields: Collection[str] | None) -> Iterator[Problem]:
    if persons.attribute(rule.code):
        yield ("code",), _PERSONS
    for place, name in rule.names():
        if persons.attribute(name):
            yield place, _PERSONS
        elif fields is not None and name not in fields and name not in ALWAYS_KNOWN:
            yield place, "the catalogue has no such field for scoring"


def _steps(steps: Sequence[Step]) -> Iterator[Problem]:
    for index, step in enumerate(steps):
        if step.months is not None and step.years is not None:
            yield ("steps", index), "a step ends by months or by years, not by both"
        if step.months is None and step.years is None and index != len(steps) - 1:
            yield ("steps", index), "only the last step holds for good"
    for index, (one, two) in enumerate(pairwise(steps), start=1):
        if not _follows(one, two):
            yield ("steps", index), "steps must follow each other in time, all by months or all by years"


def _follows(one: Step, two: Step) -> bool:
    if two.months is None and two.years is None:
        return True
    if one.months is not None and two.months is not None:
        return one.months < two.months
    return one.years is not None and two.years is not None and one.years < two.years


def _codes(model: Model) -> Iterator[Problem]:
    codes = {rule.code for rule in model.rules}
    for index, override in enumerate(model.overrides):
        if override.code not in codes:
            yield ("overrides", index, "code"), "no rule has this code"
    switches = {"starts": model.starts} if isinstance(model, Additive) else {}
    switched = {"factors": model.factors} if isinstance(model, Ratio) else {}
    for part, present in (*switches.items(), *switched.items()):
        for index, one in enumerate(present):
            if one.code not in codes:
                yield (part, index, "code"), "no rule has this code"
            for place, code in enumerate(one.unless):
                if code not in codes:
                    yield (part, index, "unless", place), "no rule has this code"


def _grades(model: Model) -> Iterator[Problem]:
    if not model.grades and model.peers is None:
        yield ("grades",), "a model without peers needs grades"
    yield from ((("grades", *place), what) for place, what in _falling(model.grades))
    if model.peers is None:
        return
    yield from ((("peers", "grades", *place), what) for place, what in _falling(model.peers.grades))
    if not model.peers.grades[-1].holds(ZERO):
        yield ("peers", "grades"), "the last grade must hold from 0 on"
    counted = {name for rule in model.rules for name in rule.counted}
    if model.peers.size not in counted:
        yield ("peers", "size"), "no rule counts this"


def _falling(grades: Sequence[Grade]) -> Iterator[Problem]:
    for index, (one, two) in enumerate(pairwise(grades), start=1):
        if two.bound > one.bound or (two.bound == one.bound and two.at_least is None):
            yield (index,), "grades must fall, the highest first"


def _additive(model: Additive) -> Iterator[Problem]:
    if model.minimum > model.maximum:
        yield ("maximum",), "less than the minimum"
    if model.grades and not model.grades[-1].holds(model.minimum):
        yield ("grades",), "the last grade must hold from the minimum on"
    for index, rule in enumerate(model.rules):
        if getattr(rule.points, "divided_by", None) is not None:
            yield ("rules", index, "points", "divided_by"), "only the family ratio divides"


def _ratio(model: Ratio) -> Iterator[Problem]:
    known = {name for rule in model.rules for name in (*rule.weighted, *rule.counted)}
    if model.denominator not in known:
        yield ("denominator",), "no rule adds to this sum"
    for name, group in model.groups.items():
        if group.minimum is not None or group.maximum is not None:
            yield ("groups", name), "only the family additive caps groups"
    for index, rule in enumerate(model.rules):
        for part, amounts in (("weighted", rule.weighted), ("counted", rule.counted)):
            if amounts.get(model.denominator, ZERO) < ZERO:
                yield ("rules", index, part, model.denominator), "a denominator cannot be negative"
    if model.grades and not model.grades[-1].holds(ZERO):
        yield ("grades",), "the last grade must hold from 0 on"
