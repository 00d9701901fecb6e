"""The mapping file: how rows of an agency's file become events. ``docs/mapping.md`` has the language."""

import codecs
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from creditsvc.errors import Violation
from creditsvc.loading import fields
from creditsvc.loading.failures import MappingInvalid
from creditsvc.loading.fields import LEFT_OUT, Field, Group
from creditsvc.loading.templates import Row

Format = Literal["csv", "ndjson"]
Event = dict[str, Any]

EVENT_MAX_BYTES = 64 * 1024  # of canonical JSON, as the interface has it

_ATTRIBUTES = ("id", "source", "type", "subject", "time")
_SECTIONS: Mapping[str, frozenset[str]] = {
    "file": frozenset({"format", "encoding", "delimiter", "absent"}),
    "event": frozenset({*_ATTRIBUTES, "data"}),
    "repeat": frozenset({"time", "reason"}),
}


class RowUnfit(Exception):  # noqa: N818  a verdict on a row, reported with its number
    """A row that cannot become an event, with everything that is wrong about it."""

    def __init__(self, violations: Iterable[Violation]) -> None:
        super().__init__("the row cannot become an event")
        self.violations = tuple(violations)


@dataclass(frozen=True, slots=True)
class FileFormat:
    """How the file is written; without a ``format`` its name decides."""

    format: Format | None = None
    encoding: str = "utf-8"
    delimiter: str = ","


@dataclass(frozen=True, slots=True)
class Repeat:
    """What a row adds that corrects the record of an earlier row of the same file."""

    time: Field
    reason: Field


@dataclass(frozen=True, slots=True)
class FileMapping:
    """A mapping that was read and holds together."""

    file: FileFormat
    absent: frozenset[str]
    attributes: Mapping[str, Field]
    data: Group
    repeat: Repeat | None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a mapping file; ``MappingInvalid`` points at the place that is wrong."""
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise MappingInvalid("mapping", f"this is not TOML: {error}") from error
        _check_sections(document)
        file, event = document.get("file", {}), document["event"]
        data = fields.parse(event["data"], "event.data")
        if not isinstance(data, Group):
            raise MappingInvalid("event.data", "this is a table with one line for each field")
        if "repeat" in document and "record" not in data.fields:
            raise MappingInvalid("repeat", "rows repeat a record: [event.data] needs `record`")
        absent = fields.texts(file.get("absent", [""]), "file", "absent")
        return cls(
            file=_file_format(file),
            absent=frozenset({*absent, ""}),
            attributes={name: fields.parse_text(event[name], f"event.{name}") for name in _ATTRIBUTES},
            data=data,
            repeat=_repeat(document["repeat"]) if "repeat" in document else None,
        )

    def check_columns(self, header: Iterable[str]) -> None:
        """Raise ``MappingInvalid`` for the first place that takes a column the file does not have."""
        known = list(header)
        for where, column in self.columns():
            if column not in known:
                raise MappingInvalid(
                    where, f"column '{column}' is not in the file; it has {', '.join(known)}"
                )

    def event(self, row: Row) -> Event:
        """Make the row's event; ``RowUnfit`` names everything that stands in the way."""
        present, faults = self._present(row), list[Violation]()
        data = _needed(self.data, present, "/data", faults)
        attributes = self._attributes(present, faults)
        if faults:
            raise RowUnfit(faults)
        return {"specversion": "1.0", **attributes, "datacontenttype": "application/json", "data": data}

    def identity(self, row: Row) -> tuple[str, str, str, str] | None:
        """Give the source, type, subject and record number of the row; None when one is missing.

        Enough to find repeated rows by, at a fraction of the cost of the event.
        """
        present, faults = self._present(row), list[Violation]()
        wanted = [self.attributes[name] for name in ("source", "type", "subject")] + [
            self.data.fields["record"]
        ]
        source, kind, subject, record = (field.fill(present, "", faults) for field in wanted)
        if faults or LEFT_OUT in (source, kind, subject, record):
            return None
        return source, kind, subject, record

    def correction(self, row: Row, event: Event, changes: Mapping[str, Any]) -> Event:
        """Turn the event of a repeated row into the correction of its record by ``changes``."""
        assert self.repeat is not None, "rows are compared only when the mapping says what repeats"  # noqa: S101
        present, faults = self._present(row), list[Violation]()
        time = _needed(self.repeat.time, present, "/time", faults)
        reason = _needed(self.repeat.reason, present, "/data/reason", faults)
        if faults:
            raise RowUnfit(faults)
        data = {"record": event["data"]["record"], "reason": reason, "changes": dict(changes)}
        return {**event, "type": "credit.record.corrected", "time": time, "data": data}

    def _present(self, row: Row) -> Row:
        stripped = ((column, text.strip()) for column, text in row.items())
        return {column: text for column, text in stripped if text not in self.absent}

    def _attributes(self, present: Row, faults: list[Violation]) -> dict[str, str]:
        return {name: _needed(field, present, f"/{name}", faults) for name, field in self.attributes.items()}

    def columns(self) -> Iterator[tuple[str, str]]:
        for field in self.attributes.values():
            yield from field.columns()
        yield from self.data.columns()
        if self.repeat is not None:
            yield from self.repeat.time.columns()
            yield from self.repeat.reason.columns()


def _needed(field: Field, present: Row, pointer: str, faults: list[Violation]) -> Any:
    before = len(faults)
    value = field.fill(present, pointer, faults)
    if value is LEFT_OUT and len(faults) == before:
        faults.append(
            Violation(pointer, "missing", "no event goes without this, and the row has nothing for it")
        )
    return value


def _check_sections(document: Mapping[str, Any]) -> None:
    for name, section in document.items():
        if name not in _SECTIONS:
            raise MappingInvalid(name, f"there is no such section: take {', '.join(_SECTIONS)}")
        if not isinstance(section, dict):
            raise MappingInvalid(name, "this is a section, written [in brackets]")
        for key in section:
            if key not in _SECTIONS[name]:
                raise MappingInvalid(
                    f"{name}.{key}", f"means nothing here: take {', '.join(sorted(_SECTIONS[name]))}"
                )
    for name in ("event", "repeat"):
        missing = sorted(_SECTIONS[name] - set(document.get(name, {})))
        if missing and (name == "event" or name in document):
            raise MappingInvalid(name, f"'{missing[0]}' is missing")


def _file_format(section: Mapping[str, Any]) -> FileFormat:
    given = FileFormat(**{key: value for key, value in section.items() if key != "absent"})
    if given.format not in {None, "csv", "ndjson"}:
        raise MappingInvalid("file.format", 'this is "csv" or "ndjson"')
    if not isinstance(given.delimiter, str) or len(given.delimiter) != 1:
        raise MappingInvalid("file.delimiter", "this is one character")
    try:
        codecs.lookup(given.encoding)
    except (LookupError, TypeError) as error:
        raise MappingInvalid("file.encoding", "there is no such encoding: take utf-8 or gb18030") from error
    return given


def _repeat(section: Mapping[str, Any]) -> Repeat:
    return Repeat(
        time=fields.parse_text(section["time"], "repeat.time"),
        reason=fields.parse_text(section["reason"], "repeat.reason"),
    )
