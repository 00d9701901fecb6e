"""How long records are kept after their publicity, as a catalogue's file has it.

A class that names no rule is kept for good. A record whose legal life is over is in no view any more, and its
content is erased; what the log holds of it, a commitment, stays.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from pydantic import ConfigDict

from creditsvc.domain.titles import Title
from creditsvc.domain.violations import pointer

Problem = tuple[str, str]
MONTHS_MAX = 1_200


@dataclass(frozen=True, slots=True)
class Retention:
    """For how long records of a class are kept.

    ``months`` after the last day on which a record is public by the rule; where it never is, after the day
    of its decision. None: what was not withdrawn is kept for good. ``withdrawn_months`` after the day on
    which the service recorded that it was revoked or repaired, where that ends earlier. ``notice_months``
    after the day on which the service first recorded it, or what makes it end earlier, nothing is over yet;
    nor before ``in_force_from``.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")
    name: str
    title: Title
    source: str
    in_force_from: date
    months: int | None
    withdrawn_months: int | None
    notice_months: int
    notes: tuple[str, ...] = ()


class _Publicity(Protocol):
    @property
    def kind(self) -> str: ...


class _RecordClass(Protocol):
    @property
    def publicity(self) -> str: ...
    @property
    def retention(self) -> str | None: ...


def check_retention(
    rules: Mapping[str, Retention],
    classes: Mapping[str, _RecordClass],
    publicity: Mapping[str, _Publicity],
) -> Iterator[Problem]:
    """Find what is wrong in the rules of retention: (JSON pointer into the file, what is wrong there)."""
    for name, rule in rules.items():
        for part in ("months", "withdrawn_months", "notice_months"):
            months = getattr(rule, part)
            if months is not None and not 1 <= months <= MONTHS_MAX:
                yield f"{pointer(('retention', name))}/{part}", f"from 1 to {MONTHS_MAX}"
    for name, known in classes.items():
        if known.retention is None:
            continue
        at = f"{pointer(('classes', name))}/retention"
        found, shown = rules.get(known.retention), publicity.get(known.publicity)
        if found is None:
            yield at, "no such rule"
        elif found.months is not None and shown is not None and shown.kind not in {"term", "never"}:
            yield at, "months count from the end of a term: this class is public without one"
