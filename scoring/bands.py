"""Grades by bands of a figure."""

from decimal import Decimal
from fractions import Fraction
from typing import Annotated

from pydantic import StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from scoring.data import Data
from scoring.exact import Exact

GradeName = Annotated[str, StringConstraints(pattern=r"^\S{1,32}$")]


class Grade(Data):
    """A band: from a bound on (``at_least``), or from beyond it (``above``)."""

    grade: GradeName
    at_least: Exact | None = None
    above: Exact | None = None

    @model_validator(mode="after")
    def _one_bound(self) -> "Grade":
        if (self.at_least is None) == (self.above is None):
            raise PydanticCustomError("bound", "A band has one bound: at_least or above")
        return self

    @property
    def bound(self) -> Decimal:
        given = self.at_least if self.at_least is not None else self.above
        assert given is not None  # noqa: S101  the validator saw to it
        return given

    def holds(self, value: Decimal | Fraction) -> bool:
        return value > self.bound if self.at_least is None else value >= self.bound
