"""How a score went through time, drawn from the records that a viewer sees now.

What was repaired or revoked is left out of the past as well: a picture that kept the dent would undo the
repair. Who wants an answer as it was given asks for it ``as_of``.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from creditsvc.domain import instants
from creditsvc.domain.account import RecordKey, moves, sees
from creditsvc.domain.profile import Line, Summary, line, plain
from creditsvc.domain.records import Entry, fold
from creditsvc.domain.standing import Rules, evaluate
from creditsvc.domain.views import PUBLIC

STEPS_MAX = 60  # instants at which the score is worked out; of more, the latest


@dataclass(frozen=True, slots=True)
class Step:
    """The score from an instant until the next step; no value: nothing on record contributed."""

    at: datetime
    value: float | None
    grade: str


class _Walk:
    """A score that goes through time: only records that something happened to are looked at again."""

    def __init__(self, entity: str, held: dict[RecordKey, list[Entry]], rules: Rules) -> None:
        self._zone = instants.zone_of(entity)
        self._held, self._rules = held, rules
        self._lines: dict[RecordKey, Line] = {}
        self._summary = Summary()
        self._model: str | None = None

    def go(self, keys: Iterable[RecordKey], at: datetime) -> Step:
        """Go on to an instant, by which these records have new events."""
        model = self._rules.model(at, self._zone)
        if model.version != self._model:
            self._model, keys = model.version, self._held
        for key in {*keys, *self._due(at)}:
            entries = [one for one in self._held[key] if one.recorded_at <= at]
            if entries:
                self._put(key, entries, at)
        score = model.total(self._summary.tally.sums, self._summary.tally.codes)
        value: Any = None if score.value is None else orjson.loads(plain(score.value))
        return Step(at, value, score.grade)

    def changes(self, at: datetime, until: datetime) -> datetime | None:
        """Give the next instant at which time alone changes what the public sees, as is known at another."""
        changes = (one.next_change for one in self._lines.values() if moves("public", one))
        return instants.earliest(*changes, self._rules.schedule.next(at, until, self._zone))

    def _due(self, at: datetime) -> list[RecordKey]:
        return [key for key, one in self._lines.items() if one.next_change and one.next_change <= at]

    def _put(self, key: RecordKey, entries: list[Entry], at: datetime) -> None:
        record = fold(entries, self._rules.catalogue)
        now = line(record, evaluate(record, at, self._rules, self._zone), self._rules.catalogue)
        before = self._lines.get(key)
        if before is not None and sees("public", before):
            self._summary.add(before, -1)
        if sees("public", now):
            self._summary.add(now)
        self._lines[key] = now


def steps(entity: str, entries: Sequence[Entry], at: datetime, rules: Rules) -> Iterator[Step]:
    """Give the steps that the records took that the public sees at an instant, up to it, oldest first."""
    held = _shown(entity, entries, at, rules)
    touched: dict[datetime, set[RecordKey]] = {}
    for key, own in held.items():
        for one in own:
            touched.setdefault(one.recorded_at, set()).add(key)
    starts = sorted(touched)[-STEPS_MAX:]
    if not starts:
        return
    walk, last, now = _Walk(entity, held, rules), None, starts[0]
    for _ in range(STEPS_MAX):
        step = walk.go(touched.get(now, ()), now)
        if last is None or (step.value, step.grade) != (last.value, last.grade):
            last = step
            yield step
        following = instants.earliest(next((one for one in starts if one > now), None), walk.changes(now, at))
        if following is None or following > at:
            return
        now = following


def _shown(entity: str, entries: Sequence[Entry], at: datetime, rules: Rules) -> dict[RecordKey, list[Entry]]:
    """Give the events of each record that the public sees."""
    held: dict[RecordKey, list[Entry]] = {}
    for entry in entries:
        if entry.erased is None:
            held.setdefault(entry.key, []).append(entry)
    zone = instants.zone_of(entity)
    kept: dict[RecordKey, list[Entry]] = {}
    for key, own in held.items():
        record = fold(own, rules.catalogue)
        if PUBLIC.seen(record, evaluate(record, at, rules, zone), rules.catalogue):
            kept[key] = own
    return kept
