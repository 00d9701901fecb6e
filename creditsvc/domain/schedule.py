"""Which version of a model is in force when: by date, and by when its release was announced.

A released version comes into force at the start of its day, in the place of the entity's authorities. An
answer about an instant goes by what had been announced by then; so an announcement is itself a boundary (the
answer's ``valid_until`` may change with it), and a new version changes no old answer.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Self
from zoneinfo import ZoneInfo

from creditsvc.domain import instants
from scoring.engine import Model


@dataclass(frozen=True, slots=True)
class Release:
    """A version of a model. ``announced_at`` is null for what was there from the beginning."""

    model: Model
    announced_at: datetime | None = None

    def known(self, at: datetime) -> bool:
        return self.announced_at is None or self.announced_at <= at

    def starts(self, zone: ZoneInfo) -> datetime | None:
        """Give the instant at which it comes into force; null where it always was."""
        day = self.model.in_force_from
        return None if day is None else instants.start_of(day, zone)


@dataclass(frozen=True)
class Schedule:
    """The releases of one model (at least one), in the order in which they were announced."""

    releases: tuple[Release, ...]

    @classmethod
    def always(cls, model: Model) -> Self:
        return cls((Release(model),))

    @cached_property
    def _constant(self) -> Model | None:
        only = self.releases[0]
        constant = len(self.releases) == 1 and only.announced_at is None
        return only.model if constant else None

    def model(self, at: datetime, zone: ZoneInfo) -> Model:
        """Find the model in force at an instant; before the first of them came into force, the first."""
        if self._constant is not None:
            return self._constant
        known = [one for one in self.releases if one.known(at)] or [self.releases[0]]
        holding = [one.model for one in known if (start := one.starts(zone)) is None or start <= at]
        if not holding:
            return min((one.model for one in known), key=_order)
        return max(holding, key=_order)

    @cached_property
    def announcements(self) -> tuple[int, list[datetime]]:
        """How many were there from the beginning, and when the others were announced; for queries."""
        later = [one.announced_at for one in self.releases if one.announced_at is not None]
        return len(self.releases) - len(later), later

    def announced(self, at: datetime) -> int:
        """Count the releases announced by an instant: what a stored profile was folded in knowledge of."""
        return sum(one.known(at) for one in self.releases)

    def changed(self, at: datetime, zone: ZoneInfo) -> datetime | None:
        """Find the last announcement or coming into force up to an instant."""
        return max((bound for bound in self._bounds(at, zone) if bound <= at), default=None)

    def changes(self, at: datetime, zone: ZoneInfo) -> datetime | None:
        """Find the next coming into force after an instant, of what had been announced by then."""
        return self.next(at, at, zone)

    def next(self, at: datetime, known: datetime, zone: ZoneInfo) -> datetime | None:
        """Find the next change after an instant, of what had been announced by another."""
        return min((bound for bound in self._bounds(known, zone) if bound > at), default=None)

    def _bounds(self, at: datetime, zone: ZoneInfo) -> Iterator[datetime]:
        if self._constant is not None:
            return
        for one in self.releases:
            if not one.known(at):
                continue
            if one.announced_at is not None:
                yield one.announced_at
                if (start := one.starts(zone)) is not None:
                    yield start


def _order(model: Model) -> tuple[date, int]:
    return (model.in_force_from or date.min, int(model.version))


def schedule_of(releases: Iterable[Release], name: str) -> Schedule:
    """Gather the releases of one model; ``LookupError`` where there are none."""
    found = tuple(one for one in releases if one.model.name == name)
    if not found:
        raise LookupError(f"there is no model {name}")
    return Schedule(found)
