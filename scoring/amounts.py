"""How much a record adds, as data: a constant, weighted counts of its fields, or a list of findings.

Every amount is an exact decimal, and a whole number to divide it by: the quotient is taken only when all is
summed, so that sums stay exact and can be taken apart again.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from scoring.data import Data, Facts, FieldName
from scoring.exact import EXACT, ZERO, Exact


class Weighted(Data):
    """Counts in named fields, each times its weight; a field that is absent counts nothing.

    ``divided_by`` names a count to divide by, at least 1; ``at_most`` caps before that.
    """

    each: Annotated[Mapping[FieldName, Exact], Field(min_length=1)]
    divided_by: FieldName | None = None
    at_most: Exact | None = None

    def of_record(self, facts: Facts) -> tuple[Decimal, int]:
        total = ZERO
        for name, weight in self.each.items():
            if isinstance(count := facts.get(name), int) and count:
                total = EXACT.add(total, EXACT.multiply(weight, Decimal(count)))
        if self.at_most is not None:
            total = min(total, self.at_most)
        if self.divided_by is None:
            return total, 1
        divisor = facts.get(self.divided_by)
        return total, max(1, divisor) if isinstance(divisor, int) else 1

    def names(self) -> Iterator[tuple[tuple[str, ...], str]]:
        yield from ((("each", name), name) for name in self.each)
        if self.divided_by is not None:
            yield ("divided_by",), self.divided_by


class Listed(Data):
    """A list of findings: each has the points in its field ``points``, and ``plus`` where a flag is set.

    Of findings that are the same by ``once_by`` only the one that weighs most counts. ``at_most`` caps what
    the record adds.
    """

    of: FieldName
    points: FieldName
    plus: Mapping[FieldName, Exact] = {}
    once_by: FieldName | None = None
    at_most: Exact | None = None

    def of_record(self, facts: Facts) -> tuple[Decimal, int]:
        found = facts.get(self.of)
        if not found or isinstance(found, str | int):
            return ZERO, 1
        total = ZERO
        kept: dict[Any, Decimal] = {}
        for place, one in enumerate(found):
            worth = Decimal(one.get(self.points) or 0)
            for flag, more in self.plus.items():
                if one.get(flag) is True:
                    worth = EXACT.add(worth, more)
            key = one.get(self.once_by, place) if self.once_by is not None else place
            if key not in kept or kept[key] < worth:
                kept[key] = worth
        for worth in kept.values():
            total = EXACT.add(total, worth)
        return (total if self.at_most is None else min(total, self.at_most)), 1

    def names(self) -> Iterator[tuple[tuple[str, ...], str]]:
        yield ("of",), self.of
        yield ("points",), f"{self.of}.{self.points}"
        yield from ((("plus", flag), f"{self.of}.{flag}") for flag in self.plus)
        if self.once_by is not None:
            yield ("once_by",), f"{self.of}.{self.once_by}"


def _kind(written: Any) -> str:
    if isinstance(written, Weighted) or (isinstance(written, dict) and "each" in written):
        return "weighted"
    return "listed" if isinstance(written, dict | Listed) else "constant"


Amount = Annotated[
    Annotated[Exact, Tag("constant")]
    | Annotated[Weighted, Tag("weighted")]
    | Annotated[Listed, Tag("listed")],
    Discriminator(_kind),
]
