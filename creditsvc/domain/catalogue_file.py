"""The shape of a catalogue's file, part by part. Its names are the public ones of ``catalogue``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Any, Literal

import pydantic
from pydantic import ConfigDict

from creditsvc.domain.catalogue_procedures import CaseKind, Procedure
from creditsvc.domain.catalogue_retention import Retention
from creditsvc.domain.kinds import Kind
from creditsvc.domain.titles import Title

Role = Literal["opens", "closes", "states", "corrects", "revokes", "repairs", "shields", "unshields", "moves"]
Move = Literal[
    "open", "accept", "decide", "appeal", "withdraw", "ask", "supplement", "refuse", "extend", "deny"
]
State = Literal["ended", "cleared", "removed", "fulfilled", "broken", "withdrawn"]

_SHAPE = ConfigDict(extra="forbid")  # of the file: what this code does not know, it does not ignore


class CatalogueInvalid(ValueError):  # noqa: N818  it says what the file is
    """The catalogue's file is wrong; ``problems`` are (JSON pointer into the file, what is wrong there)."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{place or '/'}: {what}" for place, what in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Field:
    """A field of event data. ``values`` are the codes of kind ``code``; ``limits`` is what its kind takes.

    ``scoring``: scoring models are told it. Only codes, counts and findings are; never a free text.
    """

    __pydantic_config__ = _SHAPE
    name: str
    kind: Kind
    title: Title
    limits: Mapping[str, int] = field(default_factory=dict)
    values: Mapping[str, Title] = field(default_factory=dict)
    scoring: bool = False


@dataclass(frozen=True, slots=True)
class RecordClass:
    """A class of records.

    ``listing``: a list that one stands on until removed. ``dated_by`` names the field that its periods count
    from (the event's time where that is absent), ``expires`` that of the last day it is valid on, and
    ``publicity`` the rule in ``Catalogue.publicity``; ``retention`` that in ``Catalogue.retention``, without
    which its records are kept for good.
    """

    __pydantic_config__ = _SHAPE
    name: str
    title: Title
    publicity: str
    listing: bool = False
    consent: bool = False  # partners are shown its records only where the organisation consents
    dated_by: str | None = None
    expires: str | None = None
    retention: str | None = None


@dataclass(frozen=True, slots=True)
class Term:
    """For records of one severity whose categories are all among ``categories`` (None: whatever they are).

    Public at all; repair may be applied for after ``minimum_months``, and publicity ends by itself after
    ``maximum_months``, or with the day in the field ``or_until`` where that is later and before
    ``no_term_from``, from where on a date is only a word for none. ``note``: how the rule is read.
    """

    __pydantic_config__ = _SHAPE
    public: bool
    categories: tuple[str, ...] | None = None
    minimum_months: int = 0
    maximum_months: int | None = None
    or_until: str | None = None
    no_term_from: date | None = None
    note: str | None = None

    def fits(self, categories: frozenset[str]) -> bool:
        return self.categories is None or categories <= set(self.categories)


@dataclass(frozen=True, slots=True)
class RuleSet:
    """The terms for records decided from one day (inclusive) until another (exclusive; None: open).

    Of one ``branch`` of authorities, or of all that have none of their own on that day (None). Of a severity
    the first term that fits holds. The periods count from the day of the ``decision``, or from the day of
    ``publication``: on which the service first recorded the opening event.
    """

    __pydantic_config__ = _SHAPE
    name: str
    title: Title
    source: str
    branch: str | None
    decided_from: date | None
    decided_until: date | None
    counted_from: Literal["decision", "publication"]
    severities: Mapping[str, tuple[Term, ...]]
    notes: tuple[str, ...] = ()

    def holds_on(self, day: date) -> bool:
        after = self.decided_from is None or day >= self.decided_from
        return after and (self.decided_until is None or day < self.decided_until)

    def term(self, severity: str, categories: frozenset[str]) -> Term | None:
        return next((term for term in self.severities.get(severity, ()) if term.fits(categories)), None)


@dataclass(frozen=True, slots=True)
class Words:
    """What is told by words: that of an authority's name, or those that a category is made up of."""

    __pydantic_config__ = _SHAPE
    title: Title
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Publicity:
    """How long records are public: always, never, while they stand, or for a term by a rule set."""

    __pydantic_config__ = _SHAPE
    name: str
    title: Title
    kind: Literal["always", "never", "while-standing", "term"]
    branches: Mapping[str, Words] = field(default_factory=dict)
    categories: Mapping[str, Words] = field(default_factory=dict)
    rule_sets: tuple[RuleSet, ...] = ()

    def rule_set(self, day: date, branch: str | None) -> RuleSet | None:
        """Find the rule set for decisions of a day: the branch's own, else that of all."""
        holding = {one.branch: one for one in self.rule_sets if one.holds_on(day)}
        return holding.get(branch) or holding.get(None)


@dataclass(frozen=True, slots=True)
class TypeEntry:
    """A type of event as the file has it; ``EventType`` adds the model of its data."""

    __pydantic_config__ = _SHAPE
    name: str
    title: Title
    record_class: Annotated[str | None, pydantic.Field(alias="class")]
    role: Role
    required: tuple[str, ...]
    optional: tuple[str, ...]
    example: Mapping[str, Any]
    state: State | None = None
    procedure: CaseKind | None = None
    move: Move | None = None
    at_least_one_of: tuple[str, ...] = ()
    defaults: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class File:
    """The file's shape."""

    __pydantic_config__ = _SHAPE
    version: str
    title: Title
    source: str
    in_force_from: date
    fields: Mapping[str, Field]
    classes: Mapping[str, RecordClass]
    types: Mapping[str, TypeEntry]
    publicity: Mapping[str, Publicity]
    retention: Mapping[str, Retention]
    procedures: Mapping[CaseKind, tuple[Procedure, ...]]
