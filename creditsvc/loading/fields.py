"""Fields of an event as the mapping describes them: constants, converted templates, groups and lists."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Protocol, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from creditsvc.errors import Violation
from creditsvc.loading import conversions
from creditsvc.loading.conversions import Conversion
from creditsvc.loading.failures import MappingInvalid
from creditsvc.loading.templates import Row, Template, Unfit

LEFT_OUT = object()
"""What an optional field of a row comes to that has nothing to say."""

_CONVERSIONS = ("values", "scale", "date", "instant", "whole")
_KEYS = frozenset({"from", "absent", "zone", *_CONVERSIONS})


class Field(Protocol):
    """Something that a row fills."""

    def fill(self, row: Row, pointer: str, faults: list[Violation]) -> Any:
        """Give the JSON value or ``LEFT_OUT``; what is wrong is added to ``faults`` at its pointer."""

    def columns(self) -> Iterator[tuple[str, str]]:
        """Name the columns it takes, each with its place in the mapping."""


@dataclass(frozen=True, slots=True)
class Constant:
    """The same for every row."""

    value: Any

    def fill(self, row: Row, pointer: str, faults: list[Violation]) -> Any:  # noqa: ARG002
        return self.value

    def columns(self) -> Iterator[tuple[str, str]]:
        return iter(())


@dataclass(frozen=True, slots=True)
class Text:
    """A template, and what its text is converted to."""

    where: str
    template: Template
    convert: Conversion = conversions.same
    absent: frozenset[str] = frozenset()  # texts that mean nothing in this field alone

    def fill(self, row: Row, pointer: str, faults: list[Violation]) -> Any:
        try:
            text = self.template.fill(row)
            if text is None:
                return LEFT_OUT
            return LEFT_OUT if text in self.absent else self.convert(text)
        except Unfit as unfit:
            faults.append(Violation(pointer, unfit.code, unfit.detail))
            return LEFT_OUT

    def columns(self) -> Iterator[tuple[str, str]]:
        return ((self.where, column) for column in sorted(self.template.columns))


@dataclass(frozen=True, slots=True)
class Group:
    """An object; left out with its constants when none of its columns has anything to say.

    An amount without a value is not the currency alone.
    """

    fields: Mapping[str, Field]
    telling: frozenset[str]  # the names of those with a column in them

    @classmethod
    def of(cls, fields: Mapping[str, Field]) -> Self:
        return cls(fields, frozenset(name for name, field in fields.items() if any(field.columns())))

    def fill(self, row: Row, pointer: str, faults: list[Violation]) -> Any:
        filled = {
            name: value
            for name, field in self.fields.items()
            if (value := field.fill(row, f"{pointer}/{_escaped(name)}", faults)) is not LEFT_OUT
        }
        return LEFT_OUT if self.telling and self.telling.isdisjoint(filled) else filled

    def columns(self) -> Iterator[tuple[str, str]]:
        return (pair for field in self.fields.values() for pair in field.columns())


@dataclass(frozen=True, slots=True)
class Items:
    """A list without the items that come to nothing; left out when none remains."""

    fields: tuple[Field, ...]

    def fill(self, row: Row, pointer: str, faults: list[Violation]) -> Any:
        filled = [field.fill(row, f"{pointer}/{index}", faults) for index, field in enumerate(self.fields)]
        return [value for value in filled if value is not LEFT_OUT] or LEFT_OUT

    def columns(self) -> Iterator[tuple[str, str]]:
        return (pair for field in self.fields for pair in field.columns())


def parse(spec: Any, where: str) -> Field:
    """Read a field's description. A table with ``from`` is a converted template, any other table a group."""
    if isinstance(spec, str):
        template = Template.parse(spec, where)
        return Text(where, template) if template.columns else Constant(template.fill({}))
    if isinstance(spec, dict):
        if "from" in spec:
            return _converted(spec, where)
        if not spec:
            raise MappingInvalid(where, "a group needs a field")
        return Group.of({name: parse(inner, f"{where}.{name}") for name, inner in spec.items()})
    if isinstance(spec, list):
        return Items(tuple(parse(inner, f"{where}.{index}") for index, inner in enumerate(spec)))
    if isinstance(spec, bool | int):
        return Constant(spec)
    raise MappingInvalid(where, "a constant is a text in quotes, a whole number, true or false")


def parse_text(spec: Any, where: str) -> Field:
    """Read a field that has to be a text: an attribute of the event."""
    field = parse(spec, where)
    told: list[Any] = [field.value] if isinstance(field, Constant) else []
    if isinstance(field, Text) and isinstance(spec, dict):
        told = list(spec.get("values", {}).values()) + [1] * ("whole" in spec)
    if not isinstance(field, Text | Constant) or not all(isinstance(value, str) for value in told):
        raise MappingInvalid(where, "this is one text: a template, or a table with `from` that gives texts")
    return field


def _converted(spec: Mapping[str, Any], where: str) -> Text:
    unknown = sorted(set(spec) - _KEYS)
    if unknown:
        raise MappingInvalid(
            where, f"'{unknown[0]}' means nothing beside `from`: take {', '.join(sorted(_KEYS))}"
        )
    if not isinstance(spec["from"], str):
        raise MappingInvalid(where, '`from` is a template in quotes, such as "{column}"')
    wanted = [name for name in _CONVERSIONS if name in spec]
    if len(wanted) > 1:
        raise MappingInvalid(where, f"one conversion for one field, not {' and '.join(wanted)}")
    if "zone" in spec and wanted != ["instant"]:
        raise MappingInvalid(where, "`zone` belongs to `instant`")
    convert = _PARSERS[wanted[0]](spec, where) if wanted else conversions.same
    return Text(
        where,
        Template.parse(spec["from"], where),
        convert,
        frozenset(texts(spec.get("absent", []), where, "absent")),
    )


def _table(spec: Mapping[str, Any], where: str) -> Conversion:
    values = spec["values"]
    if not isinstance(values, dict) or not values:
        raise MappingInvalid(where, '`values` is a table, such as { "合格" = "satisfactory" }')
    if not all(isinstance(value, str | int) for value in values.values()):
        raise MappingInvalid(where, "`values` translates to texts, whole numbers, true or false")
    return conversions.table({key.strip(): value for key, value in values.items()})


def _scaled(spec: Mapping[str, Any], where: str) -> Conversion:
    scale = spec["scale"]
    if isinstance(scale, bool) or not isinstance(scale, int) or not 1 <= scale <= 10**12:
        raise MappingInvalid(where, "`scale` is a whole number from 1 up: 10000 for amounts in 万元")
    return conversions.scaled(Decimal(scale))


def _date(spec: Mapping[str, Any], where: str) -> Conversion:
    return conversions.date_in(_formats(spec["date"], where, "date"))


def _instant(spec: Mapping[str, Any], where: str) -> Conversion:
    formats = _formats(spec["instant"], where, "instant")
    zone = spec.get("zone", "UTC" if all("%z" in form for form in formats) else None)
    if not isinstance(zone, str):
        raise MappingInvalid(where, '`instant` needs the `zone` of its local times, such as "Asia/Shanghai"')
    try:
        return conversions.instant_in(formats, ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise MappingInvalid(where, f"there is no time zone '{zone}'") from error


def _whole(spec: Mapping[str, Any], where: str) -> Conversion:
    if spec["whole"] is not True:
        raise MappingInvalid(where, "`whole = true` reads a whole number")
    return conversions.whole


_PARSERS: Mapping[str, Callable[[Mapping[str, Any], str], Conversion]] = {
    "values": _table,
    "scale": _scaled,
    "date": _date,
    "instant": _instant,
    "whole": _whole,
}


def texts(value: Any, where: str, name: str) -> list[str]:
    """Read a list of texts out of the mapping."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise MappingInvalid(where, f"`{name}` is a list of texts in quotes")
    return [item.strip() for item in value]


def _formats(value: Any, where: str, name: str) -> tuple[str, ...]:
    formats = tuple(texts([value] if isinstance(value, str) else value, where, name))
    if not formats or not all("%" in form for form in formats):
        raise MappingInvalid(
            where, f'`{name}` is how dates are written, such as "%Y-%m-%d" or ["%Y-%m-%d", "%Y/%m/%d"]'
        )
    for form in formats:
        try:
            datetime.strptime(datetime(2000, 2, 29, tzinfo=UTC).strftime(form), form)  # noqa: DTZ007  a trial
        except ValueError as error:
            raise MappingInvalid(where, f"'{form}' is no way to write a date: {error}") from error
    return formats


def _escaped(name: str) -> str:
    """One reference token of a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")
