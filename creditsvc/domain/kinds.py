"""The kinds of value a catalogue's field may hold: a small closed vocabulary, each a pydantic type.

The catalogue names fields and gives each a kind; what a kind means is code. No kind takes floats, and none
takes null: what is not known is left out.
"""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from creditsvc.domain import identifiers, patterns
from creditsvc.errors import IdentifierInvalid, NaturalPerson

Kind = Literal[
    "text",
    "line",
    "date",
    "money",
    "code",
    "organisation",
    "identifiers",
    "count",
    "site",
    "violations",
    "documents",
    "changes",
]

# What the catalogue must say of a field of each kind, beside its titles.
LIMITS: Mapping[str, str | None] = {
    "text": "max_length",
    "line": "max_length",
    "date": None,
    "money": None,
    "code": None,
    "organisation": None,
    "identifiers": "max_items",
    "count": "maximum",
    "site": None,
    "violations": "max_items",
    "documents": "max_items",
    "changes": None,
}

# Kinds that a scoring model may be told: nothing in them can name anybody.
SCORED: Mapping[str, tuple[str, ...]] = {
    "code": (),
    "line": (),
    "count": (),
    "violations": ("code", "severity", "out_of_service"),
}

STRICT = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

OPTIONAL: Any = None  # the default of a field that may be left out, though null is refused


def text(max_length: int) -> Any:
    return Annotated[str, StringConstraints(max_length=max_length, pattern=patterns.TEXT)]


def line(max_length: int) -> Any:
    return Annotated[str, StringConstraints(max_length=max_length, pattern=patterns.LINE)]


def _calendar_date(written: str) -> str:
    try:
        date.fromisoformat(written)
    except ValueError:
        raise PydanticCustomError("date", "The calendar has no such day") from None
    return written


def _canonical_identifier(written: str) -> str:
    try:
        return identifiers.parse(written)
    except NaturalPerson as refusal:
        raise PydanticCustomError("natural-person", "{detail}", {"detail": refusal.detail}) from None
    except IdentifierInvalid as refusal:
        raise PydanticCustomError("identifier", "{detail}", {"detail": refusal.detail}) from None


def _any_scheme() -> str:
    """Join the patterns of all schemes to that of an identifier, ``scheme:value`` in canonical form."""
    values = (f"{name}:(?:{scheme.pattern.strip('^$')})" for name, scheme in identifiers.SCHEMES.items())
    return f"^({'|'.join(values)})$"


Identifier = Annotated[
    str,
    StringConstraints(max_length=64),
    AfterValidator(_canonical_identifier),
    Field(
        json_schema_extra={
            "pattern": _any_scheme(),
            "description": "An organisation's identifier, scheme:value; other spellings are canonicalised",
        }
    ),
]
Date = Annotated[
    str,
    StringConstraints(pattern=patterns.DATE),
    AfterValidator(_calendar_date),
    Field(json_schema_extra={"format": "date"}),
]


class Money(BaseModel):
    """An amount: a decimal as text, because a JSON number would be a float to many readers."""

    model_config = STRICT | ConfigDict(title="Money", json_schema_extra={"description": "An amount of money"})
    value: Annotated[str, StringConstraints(pattern=patterns.MONEY)] = Field(
        title="Value", description="A decimal number as text, not in ten thousands", examples=["50000.00"]
    )
    currency: Annotated[str, StringConstraints(pattern=patterns.CURRENCY)] = Field(
        title="Currency", description="ISO 4217 code", examples=["CNY"]
    )


class Organisation(BaseModel):
    model_config = STRICT | ConfigDict(
        title="Organisation", json_schema_extra={"description": "An organisation, never a natural person"}
    )
    id: Identifier = Field(default=OPTIONAL, title="Identifier")
    name: text(256) = Field(title="Name")  # type: ignore[valid-type]


class Site(BaseModel):
    """A place of an organisation; ``id`` is its number in a register of establishments, such as a SIRET."""

    model_config = STRICT | ConfigDict(
        title="Site", json_schema_extra={"description": "A place of the organisation", "minProperties": 1}
    )
    id: line(64) = Field(default=OPTIONAL, title="Number in a register of establishments")  # type: ignore[valid-type]
    name: text(256) = Field(default=OPTIONAL, title="Name")  # type: ignore[valid-type]
    postcode: line(16) = Field(default=OPTIONAL, title="Postcode")  # type: ignore[valid-type]
    locality: text(128) = Field(default=OPTIONAL, title="Locality")  # type: ignore[valid-type]

    @model_validator(mode="after")
    def _says_something(self) -> "Site":
        require_any(self)
        return self


class ViolationFound(BaseModel):
    """One violation that an inspection found, weighed as the published tables weigh its kind."""

    model_config = STRICT | ConfigDict(
        title="Violation", json_schema_extra={"description": "One violation found"}
    )
    code: line(32) = Field(title="Provision violated, as cited", examples=["395.8(e)"])  # type: ignore[valid-type]
    severity: Annotated[int, Field(ge=1, le=10)] = Field(title="Severity weight of the violation, 1 to 10")
    out_of_service: bool = Field(default=OPTIONAL, title="Put out of service for it")


class Document(BaseModel):
    """A document that proves something: where it is kept, and what it hashes to. It is not handed in here."""

    model_config = STRICT | ConfigDict(
        title="Document", json_schema_extra={"description": "A document kept elsewhere"}
    )
    reference: line(256) = Field(title="By which it is found, such as its number")  # type: ignore[valid-type]
    sha256: Annotated[str, StringConstraints(pattern=patterns.SHA256)] = Field(
        default=OPTIONAL, title="SHA-256 of the document, in lower-case hexadecimal"
    )


LISTED: Mapping[Kind, Any] = {
    "identifiers": Identifier,
    "violations": ViolationFound,
    "documents": Document,
}


def require_any(model: BaseModel) -> BaseModel:
    """Refuse an object that says nothing."""
    if not model.model_fields_set:
        raise PydanticCustomError("required", "At least one field is required here")
    return model


def value_type(kind: Kind, limit: int | None, codes: tuple[str, ...]) -> Any:
    """Give the type of a field's values; ``changes`` is made of the others and so has none of its own."""
    if kind == "text" and limit is not None:
        return text(limit)
    if kind == "line" and limit is not None:
        return line(limit)
    if kind == "count" and limit is not None:
        return Annotated[int, Field(ge=0, le=limit)]
    if kind in LISTED and limit is not None:
        item: Any = LISTED[kind]
        return Annotated[list[item], Field(min_length=1, max_length=limit)]
    if kind == "code":
        return Literal[codes]
    return {"date": Date, "money": Money, "organisation": Organisation, "site": Site}[kind]
