"""The catalogue: which records may enter, with which fields, and how long each is public.

It follows the national basic catalogue of public credit information (全国公共信用信息基础目录): what is
not in it is not taken. A field has one kind wherever it stands, so that a correction can be checked without
knowing the record that it corrects. ``schema/catalogue/<version>.json`` is the data; it is checked whole
when it is loaded, and an error points into it.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib import resources
from typing import Any

import orjson
import pydantic
from pydantic import BaseModel, ConfigDict, TypeAdapter, create_model, model_validator
from pydantic_core import PydanticCustomError

from creditsvc.domain import identifiers
from creditsvc.domain.catalogue_checks import check
from creditsvc.domain.catalogue_file import (
    CatalogueInvalid,
    Field,
    File,
    Move,
    Publicity,
    RecordClass,
    Role,
    RuleSet,
    State,
    Term,
    TypeEntry,
)
from creditsvc.domain.catalogue_procedures import CaseKind, Clock, Procedure
from creditsvc.domain.catalogue_retention import Retention
from creditsvc.domain.kinds import OPTIONAL, SCORED, STRICT, require_any, value_type
from creditsvc.domain.titles import Title
from creditsvc.domain.violations import pointer

__all__ = [
    "CaseKind",
    "Catalogue",
    "CatalogueInvalid",
    "Clock",
    "EventType",
    "Field",
    "Move",
    "Procedure",
    "Publicity",
    "RecordClass",
    "Retention",
    "Role",
    "RuleSet",
    "State",
    "Term",
    "Title",
    "json_schema",
    "load",
    "read",
]


@dataclass(frozen=True, slots=True)
class EventType:
    """A type of event: what it does to a record (``role``), and what its data must be (``model``).

    ``record_class`` is None for what may be said of any record; ``state`` is what a closing one leaves.
    ``move`` is what it does to a case of the kind that ``procedure`` names.
    """

    name: str
    title: Title
    record_class: str | None
    role: Role
    state: State | None
    required: frozenset[str]
    optional: frozenset[str]
    defaults: Mapping[str, str]
    example: Mapping[str, Any]
    model: type[BaseModel]
    procedure: CaseKind | None = None
    move: Move | None = None

    def record_of(self, data: Mapping[str, Any]) -> str:
        """Give the number of the record that checked data is about."""
        return str(data.get("record") or self.defaults["record"])


@dataclass(frozen=True, eq=False)  # without slots, for what is worked out once
class Catalogue:
    """A version of the catalogue, checked."""

    version: str
    title: Title
    source: str
    in_force_from: date
    fields: Mapping[str, Field]
    classes: Mapping[str, RecordClass]
    types: Mapping[str, EventType]
    publicity: Mapping[str, Publicity]
    retention: Mapping[str, Retention]
    procedures: Mapping[CaseKind, tuple[Procedure, ...]]
    file: Mapping[str, Any]

    @functools.cached_property
    def scoring(self) -> frozenset[str]:
        """The fields that scoring models are told."""
        return frozenset(name for name, known in self.fields.items() if known.scoring)

    @functools.cached_property
    def without_records(self) -> Mapping[str, int]:
        """How many records of each class an organisation has of which nothing is known."""
        return dict.fromkeys(self.classes, 0)

    @functools.cached_property
    def rule_titles(self) -> Mapping[str, Title]:
        """What the rules of publicity are called, and the rule sets within them."""
        sets = {one.name: one.title for rule in self.publicity.values() for one in rule.rule_sets}
        return {name: rule.title for name, rule in self.publicity.items()} | sets

    @functools.cached_property
    def asking_consent(self) -> frozenset[str]:
        """The classes whose records partners see only where the organisation consents."""
        return frozenset(name for name, known in self.classes.items() if known.consent)

    @functools.cached_property
    def scoring_names(self) -> frozenset[str]:
        """The names that scoring models may use: those fields, and parts of lists (``violations.code``)."""
        items = (f"{name}.{part}" for name in self.scoring for part in SCORED.get(self.fields[name].kind, ()))
        return self.scoring | frozenset(items)

    def schema(self, event_type: str) -> dict[str, Any]:
        """Give the JSON Schema (2020-12) of a type's data, without references."""
        return json_schema(self.types[event_type].model)

    def document(self) -> bytes:
        """Write what ``/v1/catalogue`` serves: the file, each type's schema, the subjects' schemes."""
        types = {name: {**entry, "schema": self.schema(name)} for name, entry in self.file["types"].items()}
        schemes = [
            {
                "name": name,
                "title": {"zh": scheme.title_zh, "en": scheme.title_en},
                "pattern": scheme.pattern,
                "example": scheme.example,
            }
            for name, scheme in identifiers.SCHEMES.items()
        ]
        return orjson.dumps({**self.file, "types": types, "schemes": schemes})


def json_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Give a model's JSON Schema with its parts in place, so that it can stand in any other document."""
    schema = model.model_json_schema()
    inlined = _inlined(schema, schema.pop("$defs", {}))
    return dict(inlined)


def _inlined(node: Any, parts: Mapping[str, Any]) -> Any:
    if isinstance(node, list):
        return [_inlined(item, parts) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        part = parts[node["$ref"].rpartition("/")[2]]
        node = {**part, **{key: value for key, value in node.items() if key != "$ref"}}
    return {
        key: _inlined(value, parts)
        for key, value in node.items()
        if not (key == "default" and value is None)  # null is refused: it only marks what may be left out
    }


@functools.cache
def load(version: str | None = None) -> Catalogue:
    """Load a version of the catalogue, the newest unless told; ``CatalogueInvalid`` points into its file."""
    directory = resources.files("schema") / "catalogue"
    names = (entry.name for entry in directory.iterdir() if entry.name.endswith(".json"))
    versions = sorted(name.removesuffix(".json") for name in names)
    return read((directory / f"{version or versions[-1]}.json").read_bytes())


def read(content: bytes) -> Catalogue:
    """Read and check the content of a catalogue's file."""
    written = orjson.loads(content)
    try:
        file = TypeAdapter(File).validate_python(_named(written))
    except pydantic.ValidationError as error:
        raise CatalogueInvalid([(pointer(one["loc"]), one["msg"]) for one in error.errors()]) from error
    check(file)
    types = {name: _event_type(entry, file) for name, entry in file.types.items()}
    _check_examples(types)
    return Catalogue(
        version=file.version,
        title=file.title,
        source=file.source,
        in_force_from=file.in_force_from,
        fields=file.fields,
        classes=file.classes,
        types=types,
        publicity=file.publicity,
        retention=file.retention,
        procedures=file.procedures,
        file=written,
    )


def _check_examples(types: Mapping[str, EventType]) -> None:
    """Check each type's example by the type's own model."""
    problems = []
    for name, known in types.items():
        try:
            known.model.model_validate(dict(known.example))
        except pydantic.ValidationError as error:
            place = ("types", name, "example")
            problems += [(pointer((*place, *one["loc"])), one["msg"]) for one in error.errors()]
    if problems:
        raise CatalogueInvalid(problems)


def _named(written: Any) -> Any:
    """Give every entry of the file's dictionaries its key as its name."""
    if not isinstance(written, dict):
        return written
    named = dict(written)
    for part in ("fields", "classes", "types", "publicity", "retention"):
        entries = written.get(part)
        if isinstance(entries, dict):
            named[part] = {
                key: {**entry, "name": key} if isinstance(entry, dict) else entry
                for key, entry in entries.items()
            }
    return named


def _event_type(entry: TypeEntry, file: File) -> EventType:
    members = {
        name: _member(file.fields[name], file, required=name in entry.required)
        for name in (*entry.required, *entry.optional)
    }
    return EventType(
        name=entry.name,
        title=entry.title,
        record_class=entry.record_class,
        role=entry.role,
        state=entry.state,
        required=frozenset(entry.required),
        optional=frozenset(entry.optional),
        defaults=entry.defaults,
        example=entry.example,
        model=_model(entry, members),
        procedure=entry.procedure,
        move=entry.move,
    )


def _model(entry: TypeEntry, members: dict[str, Any]) -> type[BaseModel]:
    some = entry.at_least_one_of

    def say_some(model: BaseModel) -> BaseModel:
        if some and model.model_fields_set.isdisjoint(some):
            raise PydanticCustomError("required", "At least one of {fields}", {"fields": ", ".join(some)})
        return model

    extra: dict[str, Any] = {"description": entry.title.zh}
    validators: dict[str, Any] = {}
    if some:
        validators["say_some"] = model_validator(mode="after")(say_some)
        extra["anyOf"] = [{"required": [name]} for name in some]
    return create_model(
        entry.name,
        __config__=STRICT | ConfigDict(title=entry.title.en, json_schema_extra=extra),
        __validators__=validators,
        **members,
    )


def _member(known: Field, file: File, *, required: bool) -> Any:
    kind = _changes(known, file) if known.kind == "changes" else _value_type(known)
    about = pydantic.Field(
        default=... if required else OPTIONAL, title=known.title.en, description=known.title.zh
    )
    return (kind, about)


def _value_type(known: Field) -> Any:
    return value_type(known.kind, next(iter(known.limits.values()), None), tuple(known.values))


def _changes(known: Field, file: File) -> type[BaseModel]:
    """Make the model of a correction's changes: any field that a record can have, but never its number.

    Null removes a field, unless every type of record that has the field requires it.
    """
    openings = [entry for entry in file.types.values() if entry.role in {"opens", "states"}]
    members: dict[str, Any] = {}
    for name, one in file.fields.items():
        having = [entry for entry in openings if name in {*entry.required, *entry.optional}]
        if name == "record" or not having:
            continue
        value = _value_type(one)
        kept = all(name in entry.required for entry in having)
        about = pydantic.Field(default=OPTIONAL, title=one.title.en, description=one.title.zh)
        members[name] = (value if kept else value | None, about)

    validators: dict[str, Any] = {"require_any": model_validator(mode="after")(require_any)}
    return create_model(
        known.name,
        __config__=STRICT | ConfigDict(title=known.title.en, json_schema_extra={"minProperties": 1}),
        __validators__=validators,
        **members,
    )
