"""A score taken apart: every record's share, every adjustment, and the day on which time alone changes it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction

from scoring.data import Facts
from scoring.families import Model, Score, Tally
from scoring.rules import Contribution


@dataclass(frozen=True, slots=True)
class Known:
    """A record as scoring sees it: which it is, what is known of it, and the day its periods count from.

    What is revoked, repaired or still awaited is not given to a model at all.
    """

    record: str
    source: str
    facts: Facts
    dated: date


@dataclass(frozen=True, slots=True)
class Share:
    """What one record adds to the score: its contribution, and what that is worth in the score, exactly."""

    record: str
    source: str
    objected: bool
    contribution: Contribution
    worth: Fraction


@dataclass(frozen=True, slots=True)
class Explanation:
    """A score taken apart. ``start``, all shares and all ``adjustments`` add up to the score, exactly.

    ``adjustments`` are caps, the ends of the scale, and what rounding for publication added.
    """

    model: str
    version: str
    on: date
    score: Score
    start: Fraction
    shares: tuple[Share, ...]
    adjustments: Mapping[str, Fraction]
    sums: Mapping[str, Decimal]
    next_change: date | None


def explain(model: Model, records: Iterable[Known], on: date) -> Explanation:
    """Score the records of one organisation on a day; the order in which they are given does not matter."""
    tally = Tally()
    given: list[tuple[Known, Contribution]] = []
    next_change: date | None = None
    for known in records:
        for day in model.changes(known.facts, known.dated):
            if day > on:
                next_change = day if next_change is None else min(day, next_change)
                break
        contribution = model.contribution(known.facts, known.dated, on)
        if contribution is not None:
            tally.add(contribution)
            given.append((known, contribution))
    score = model.total(tally.sums, tally.codes)
    shares = [
        Share(known.record, known.source, known.facts.get("objected") == "yes", one, one.worth * score.scale)
        for known, one in given
    ]
    return Explanation(
        model=model.name,
        version=model.version,
        on=on,
        score=score,
        start=Fraction(score.start),
        shares=tuple(sorted(shares, key=_strongest_first)),
        adjustments=_adjustments(score),
        sums=tally.sums,
        next_change=next_change,
    )


def _adjustments(score: Score) -> dict[str, Fraction]:
    found = {name: Fraction(amount) for name, amount in score.adjustments.items()}
    if score.value is not None and score.exact is not None and score.exact != score.value:
        found["rounding"] = Fraction(score.value) - score.exact
    return found


def _strongest_first(share: Share) -> tuple[Fraction, str, str]:
    return (-abs(share.worth), share.record, share.source)
