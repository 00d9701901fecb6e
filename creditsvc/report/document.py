"""What a report is made of: plain data, every text already in the report's language.

Whoever sets it, as HTML or as PDF, decides how it looks and adds no word of content.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Fact:
    """Something with its name; ``code`` is for what is copied letter by letter: identifiers, addresses."""

    label: str
    value: str
    code: bool = False


@dataclass(frozen=True, slots=True)
class Band:
    """One grade of the model's scale, and whether it is the one given."""

    grade: str
    bound: str
    here: bool


@dataclass(frozen=True, slots=True)
class Reason:
    """One line of the account: what counts, by which record, how much.

    ``weight`` is the share as a part of the largest one shown, from -1 to 1: how long a bar is.
    """

    words: str
    record: str
    share: str
    weight: float
    until: str = ""
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Grade:
    """The official score in words; ``account`` begins with the start and ends with the value."""

    letter: str
    tone: str  # good, fair, poor, bad or neutral: how it is coloured, beside being said
    value: str
    words: tuple[str, ...]
    bands: tuple[Band, ...]
    account: tuple[Reason, ...]
    total: str


@dataclass(frozen=True, slots=True)
class Count:
    label: str
    count: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One record."""

    kind: str
    title: str
    number: str
    state: str
    standing: bool
    marks: tuple[str, ...]
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """One way to check the report: words, outcomes it may have, addresses and commands to copy."""

    title: str
    words: tuple[str, ...]
    copied: tuple[str, ...] = ()
    outcomes: tuple[Fact, ...] = ()
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """One organisation at an instant, as the public may see it, in one language."""

    language: str
    entity: str
    name: str
    at: datetime
    issuer: str  # whose seal it carries
    number: str | None
    link: str | None  # what the code to photograph leads to
    who: tuple[Fact, ...]
    grade: Grade
    counts: tuple[Count, ...]
    stands: tuple[str, ...]  # what else is to be said of what stands
    listings: tuple[str, ...]
    records: tuple[Entry, ...]
    records_more: str
    meaning: tuple[str, ...]
    checks: tuple[Check, ...]
    words: Mapping[str, str] = field(repr=False)  # the labels of what is above
