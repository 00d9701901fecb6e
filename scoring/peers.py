"""Where an organisation's measure stands among those of similar size: pure arithmetic over measures.

The percentile is the share of the others in the group that have a smaller measure: 0 for the smallest, 100
for a largest that nobody shares. Equal measures have equal percentiles, whatever the order of the group.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Annotated

from pydantic import Field

from scoring.bands import Grade, GradeName
from scoring.data import Data, Name
from scoring.exact import Exact, Rounding, rounded


class SizeGroup(Data):
    """Organisations of similar size: from a size up to another, both included; null: without end."""

    at_least: Exact
    at_most: Exact | None = None

    def holds(self, size: Decimal) -> bool:
        return size >= self.at_least and (self.at_most is None or size <= self.at_most)


class Peers(Data):
    """With whom an organisation is compared: by the sum ``size``, in groups, if ``fewest`` are there."""

    size: Name
    groups: Annotated[tuple[SizeGroup, ...], Field(min_length=1)]
    fewest: Annotated[int, Field(ge=2, le=1_000_000)]
    grades: Annotated[tuple[Grade, ...], Field(min_length=1)]
    unranked: GradeName
    decimals: Annotated[int, Field(ge=0, le=12)]
    rounding: Rounding

    def group(self, size: Decimal) -> int | None:
        """Find the group of a size by its place; null for a size too small or too large for any."""
        return next((place for place, group in enumerate(self.groups) if group.holds(size)), None)

    def rank(self, measure: Fraction, ordered: Sequence[Fraction]) -> "Rank | None":
        """Rank a measure in its group, which holds it too and ascends; null in too small a group."""
        if len(ordered) < self.fewest:
            return None
        exact = Fraction(100 * bisect_left(ordered, measure), len(ordered) - 1)
        grade = next(band.grade for band in self.grades if band.holds(exact))
        return Rank(rounded(exact, self.decimals, self.rounding), grade, len(ordered))


@dataclass(frozen=True, slots=True)
class Measured:
    """An organisation's measure, exact, and its size."""

    measure: Fraction
    size: Decimal


@dataclass(frozen=True, slots=True)
class Rank:
    """A percentile among ``peers`` organisations of similar size, itself included, and the grade it gives."""

    percentile: Decimal
    grade: str
    peers: int


def rankings(peers: Peers, measured: Mapping[str, Measured]) -> dict[str, Rank]:
    """Rank all that can be ranked, by name."""
    groups: dict[int, list[Fraction]] = {}
    place_of: dict[str, int] = {}
    for name, one in measured.items():
        place = peers.group(one.size)
        if place is not None:
            place_of[name] = place
            groups.setdefault(place, []).append(one.measure)
    for group in groups.values():
        group.sort()
    ranked = {name: peers.rank(measured[name].measure, groups[place]) for name, place in place_of.items()}
    return {name: rank for name, rank in ranked.items() if rank is not None}
