"""An event as an agency sends it: a CloudEvent (1.0) about one organisation, its data as in the catalogue.

Decoding is pure and ordered by cost: size, then the envelope and the data in one pass that finds all that
is wrong, then the search of its texts for natural persons. What it gives is safe to keep for ever.
"""

import functools
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import orjson
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    create_model,
)
from pydantic_core import PydanticCustomError

from creditsvc.domain import patterns, persons
from creditsvc.domain.canonical import canonical
from creditsvc.domain.catalogue import Catalogue, EventType, json_schema
from creditsvc.domain.kinds import OPTIONAL, STRICT, Identifier
from creditsvc.domain.parties import holder_of
from creditsvc.domain.violations import MAX_VIOLATIONS, pointer, violations
from creditsvc.errors import EventInvalid, NaturalPerson, TooLarge, Violation

# Clocks differ a little; a statement about the future is refused.
CLOCK_TOLERANCE = timedelta(minutes=5)

_TIME = re.compile(patterns.TIME)
_SOURCE = re.compile(patterns.URI_REFERENCE)
_SOURCE_MAX = 256

_MONEY = {"value", "currency"}
_DOCUMENT = {"reference", "sha256"}

_PERSON_DETAIL = "Data about natural persons is not taken; leave out the number that the rule names"
_RULE_NAMES = {
    "resident-id": "resident identity number",
    "mobile-number": "mobile telephone number",
    "sole-trader": "code as a sole trader",
}


@dataclass(slots=True)  # not frozen: one is made for each event, and the guard is half its cost
class Event:
    """One immutable statement. ``entity`` is the canonical subject, ``time`` in UTC, ``data`` as it was sent.

    ``content`` is the CloudEvent in canonical JSON (RFC 8785), as sent except that its subject is canonical.
    """

    source: str
    id: str
    type: str
    entity: str
    time: datetime
    record: str
    data: dict[str, Any]
    content: bytes
    content_sha256: bytes

    @property
    def holder(self) -> str:
        """The source that handed in the record that this is about."""
        return holder_of(self.source, self.data)

    @property
    def key(self) -> tuple[str, str]:
        """Which record of the organisation it is about: its number, and who holds it."""
        return (self.record, self.holder)


def _instant(written: object, info: ValidationInfo[datetime]) -> datetime:
    """Read a time; the validation's context is the service's own now."""
    if not isinstance(written, str) or not _TIME.fullmatch(written):
        raise PydanticCustomError("time", "{detail}", {"detail": patterns.DETAILS[patterns.TIME]})
    try:
        instant = datetime.fromisoformat(written.upper()).astimezone(UTC)
    except ValueError:
        raise PydanticCustomError("time", "The calendar has no such day") from None
    if instant.year < 1900:
        raise PydanticCustomError("time", "{detail}", {"detail": patterns.DETAILS[patterns.TIME]})
    if instant > info.context + CLOCK_TOLERANCE:
        raise PydanticCustomError("future", "What has not happened yet cannot be recorded")
    return instant


def _unknown_type(_: str) -> str:
    raise PydanticCustomError("type", "The catalogue has no such type of event")


class Envelope(BaseModel):
    """The attributes of a CloudEvent that are taken; every other one is refused."""

    model_config = STRICT | ConfigDict(title="Event")
    specversion: Literal["1.0"] = Field(title="Version of CloudEvents")
    id: Annotated[str, StringConstraints(max_length=256, pattern=patterns.LINE)] = Field(
        title="Identity of the event within its source, for ever"
    )
    source: Annotated[str, StringConstraints(max_length=_SOURCE_MAX, pattern=patterns.URI_REFERENCE)] = Field(
        title="Who hands the event in", examples=["urn:agency:cn-tj-samr"]
    )
    type: Annotated[str, AfterValidator(_unknown_type)] = Field(title="What happened")
    subject: Identifier = Field(title="The organisation", examples=["uscc:91350100M000100Y43"])
    time: Annotated[datetime, BeforeValidator(_instant)] = Field(
        title="When it took effect", json_schema_extra={"pattern": patterns.TIME}
    )
    datacontenttype: Literal["application/json"] = Field(default=OPTIONAL, title="Media type of the data")
    dataschema: Annotated[str, StringConstraints(max_length=256, pattern=patterns.URI)] = Field(
        default=OPTIONAL, title="Schema of the data"
    )
    data: dict[str, Any] = Field(title="Data")


def source_of(raw: object) -> str | None:
    """Give the source that an undecoded event names, to be checked against the key; None if it has none."""
    source = raw.get("source") if isinstance(raw, dict) else None
    if isinstance(source, str) and len(source) <= _SOURCE_MAX and _SOURCE.fullmatch(source):
        return source
    return None


def decode(raw: object, catalogue: Catalogue, now: datetime, *, max_bytes: int) -> Event:
    """Decode one event from parsed JSON.

    ``TooLarge`` beyond ``max_bytes`` of canonical JSON; ``EventInvalid`` with all that breaks the envelope's
    or the catalogue's rules (20 at most); ``NaturalPerson`` where a text holds a person's number. None of
    them repeats what was sent.
    """
    if not isinstance(raw, dict):
        raise EventInvalid("An event is an object", [Violation("", "object", "An object is expected here")])
    _refuse_oversize(raw, max_bytes)
    statement = _validated(raw, catalogue, now)
    data: dict[str, Any] = raw["data"]
    _refuse_persons(raw)
    entity, time = statement.subject, statement.time
    content = canonical(raw if raw["subject"] == entity else {**raw, "subject": entity})
    return Event(
        source=raw["source"],
        id=raw["id"],
        type=raw["type"],
        entity=entity,
        time=time,
        record=catalogue.types[raw["type"]].record_of(data),
        data=data,
        content=content,
        content_sha256=hashlib.sha256(content).digest(),
    )


def schema(catalogue: Catalogue, event_type: str) -> dict[str, Any]:
    """Give the JSON Schema (2020-12) of a whole event of a type, without references."""
    return json_schema(_models(catalogue)[event_type])


def example(event_type: EventType) -> dict[str, Any]:
    """Give a whole event of a type that would be taken."""
    return {
        "specversion": "1.0",
        "id": f"example/{event_type.name}",
        "source": "urn:agency:example",
        "type": event_type.name,
        "subject": "uscc:91350100M000100Y43",
        "time": "2026-03-05T00:00:00+08:00",
        "datacontenttype": "application/json",
        "data": dict(event_type.example),
    }


def _one(name: str) -> Any:
    return Literal[name]


@functools.cache
def _models(catalogue: Catalogue) -> Mapping[str, type[Envelope]]:
    """Make the model of a whole event for each type, so that one pass finds all that is wrong."""
    return {
        name: create_model(
            f"{name}.event",
            __base__=Envelope,
            type=(_one(name), Field(title="What happened")),
            data=(known.model, Field(title="Data")),
        )
        for name, known in catalogue.types.items()
    }


def _refuse_oversize(raw: dict[Any, Any], max_bytes: int) -> None:
    try:
        size = len(orjson.dumps(raw))
    except TypeError:
        size = None
    if size is None:
        detail = "This holds text that is not Unicode, a number that is not exact, or is nested too deep"
        raise EventInvalid("The event has no canonical form", [Violation("", "canonical", detail)])
    if size > max_bytes:
        raise TooLarge(f"An event has at most {max_bytes} bytes of JSON")


def _validated(raw: dict[str, Any], catalogue: Catalogue, now: datetime) -> Envelope:
    named = raw.get("type")
    model = _models(catalogue).get(named, Envelope) if isinstance(named, str) else Envelope
    refusal: EventInvalid | NaturalPerson
    try:
        return model.model_validate(raw, context=now)
    except ValidationError as error:
        refusal = _refusal(error, raw)
    raise refusal  # outside of the handler: the error holds what was sent, and must not travel with it


def _refusal(error: ValidationError, raw: dict[str, Any]) -> EventInvalid | NaturalPerson:
    found = violations(error, raw)
    people = tuple(one for one in found if one.code == "natural-person")
    if people:
        return NaturalPerson(_PERSON_DETAIL, people)
    count = error.error_count()
    shown = f"; the first {len(found)} are listed" if count > len(found) else ""
    return EventInvalid(f"Rules broken: {count}{shown}", found)


def _refuse_persons(raw: dict[str, Any]) -> None:
    """Search every text for the numbers of people. Keys need no search: each is a known name by now."""
    if not _holds_person(raw):
        return
    people = tuple(
        Violation(pointer(place), rule, f"This text holds what looks like a person's {_RULE_NAMES[rule]}")
        for place, text in _texts(raw, ())
        if (rule := persons.find(text)) is not None
    )
    raise NaturalPerson(_PERSON_DETAIL, people[:MAX_VIOLATIONS])


def _holds_person(raw: dict[str, Any]) -> bool:
    """Tell whether ``_texts`` gives any text with a person's number, without its place: nearly none does."""
    waiting: list[Any] = [raw]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            if persons.find(value) is not None:
                return True
        elif isinstance(value, dict):
            if len(value) == len(_MONEY) and (value.keys() == _MONEY or value.keys() == _DOCUMENT):
                if any(persons.find(text) is not None for _, text in _texts(value, ())):
                    return True
            else:
                waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
    return False


def _texts(value: Any, place: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Walk every text; of amounts of money and hashes of documents only those that hold a resident ID.

    A fine of 18,228,000,000 yuan would pass for a mobile number, and so would a part of many a hash.
    """
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, (*place, index))
    elif isinstance(value, dict) and value.keys() == _MONEY:
        if persons.holds_resident_id(value["value"].replace(".", "")):
            yield (*place, "value"), value["value"]
    elif isinstance(value, dict) and value.keys() == _DOCUMENT:
        yield from _texts(value["reference"], (*place, "reference"))
        if persons.holds_resident_id(value["sha256"]):
            yield (*place, "sha256"), value["sha256"]
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _texts(item, (*place, name))
