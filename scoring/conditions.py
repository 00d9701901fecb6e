"""Which records a rule is about: by codes, and by counts."""

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from scoring.data import Data, Facts, FieldName


class Comparison(Data):
    """A count within bounds. A count that is absent fits no bounds; all bounds that are given must hold."""

    at_least: Annotated[int, Field(ge=0, strict=True)] | None = None
    at_most: Annotated[int, Field(ge=0, strict=True)] | None = None
    no_fewer_than: FieldName | None = None
    fewer_than: FieldName | None = None

    def holds(self, count: object, facts: Facts) -> bool:
        if not isinstance(count, int):
            return False
        if self.at_least is not None and count < self.at_least:
            return False
        if self.at_most is not None and count > self.at_most:
            return False
        return self._beside(count, facts)

    def _beside(self, count: int, facts: Facts) -> bool:
        if self.no_fewer_than is not None:
            other = facts.get(self.no_fewer_than)
            if not isinstance(other, int) or count < other:
                return False
        if self.fewer_than is not None:
            other = facts.get(self.fewer_than)
            if not isinstance(other, int) or count >= other:
                return False
        return True


def _kind(written: Any) -> str:
    return "comparison" if isinstance(written, dict | Comparison) else "codes"


Condition = Annotated[
    Annotated[tuple[str, ...], Tag("codes"), Field(min_length=1)] | Annotated[Comparison, Tag("comparison")],
    Discriminator(_kind),
]
