"""Templates: text with columns of a row in it, such as ``{siret}/{inspection_no}``.

``{column}`` is the column's value and ``{column?}`` leaves the whole field out when the column is absent.
``{column|upper}``, ``|lower`` and ``|compact`` (no white space) change the value; ``{{`` and ``}}`` are
braces.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from creditsvc.loading.failures import MappingInvalid

Row = Mapping[str, str]
"""Values by column; a column that is absent in the row has no key."""

_PART = re.compile(
    r"(?P<brace>\{\{|\}\})"
    r"|\{(?P<column>[^{}|?]+)(?P<filters>(?:\|[a-z]+)*)(?P<optional>\?)?\}"
    r"|(?P<stray>[{}])"
)
_FILTERS: Mapping[str, Callable[[str], str]] = {
    "upper": str.upper,
    "lower": str.lower,
    "compact": lambda text: "".join(text.split()),
}


class Unfit(Exception):  # noqa: N818  a verdict on a value, caught where its place is known
    """A value cannot become what the mapping wants: a stable code, and words that never hold the value."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Slot:
    """A column's place in a template."""

    column: str
    filters: tuple[Callable[[str], str], ...]
    optional: bool


@dataclass(frozen=True, slots=True)
class Template:
    """Fixed text and slots, in order."""

    parts: tuple[str | Slot, ...]

    @classmethod
    def parse(cls, text: str, where: str) -> Self:
        """Read a template; ``MappingInvalid`` names ``where`` in the mapping it stands."""
        return cls(tuple(_parts(text, where)))

    @property
    def columns(self) -> frozenset[str]:
        return frozenset(part.column for part in self.parts if isinstance(part, Slot))

    def fill(self, row: Row) -> str | None:
        """Put the row's values in; None when an optional column is absent, ``Unfit`` when a needed one is."""
        filled: list[str] = []
        missing: str | None = None
        for part in self.parts:
            if isinstance(part, str):
                filled.append(part)
                continue
            value = row.get(part.column)
            if value is None:
                if part.optional:
                    return None
                missing = missing or part.column
                continue
            for change in part.filters:
                value = change(value)
            filled.append(value)
        if missing is not None:
            raise Unfit("missing", f"column '{missing}' has no value in this row")
        return "".join(filled)


def _parts(text: str, where: str) -> Iterator[str | Slot]:
    end = 0
    for found in _PART.finditer(text):
        if found.start() > end:
            yield text[end : found.start()]
        end = found.end()
        if found["stray"]:
            raise MappingInvalid(
                where, "a brace has no partner: a column is {column}, a brace itself {{ or }}"
            )
        if found["brace"]:
            yield found["brace"][0]
        else:
            yield Slot(found["column"].strip(), _filters(found["filters"], where), bool(found["optional"]))
    if end < len(text):
        yield text[end:]


def _filters(text: str, where: str) -> tuple[Callable[[str], str], ...]:
    names = [name for name in text.split("|") if name]
    for name in names:
        if name not in _FILTERS:
            raise MappingInvalid(where, f"there is no filter '{name}': take {', '.join(_FILTERS)}")
    return tuple(_FILTERS[name] for name in names)
