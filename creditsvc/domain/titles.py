"""What people call a thing, in the languages of the catalogue."""

from dataclasses import dataclass

from pydantic import ConfigDict


@dataclass(frozen=True, slots=True)
class Title:
    """What people call it."""

    __pydantic_config__ = ConfigDict(extra="forbid")
    zh: str
    en: str
