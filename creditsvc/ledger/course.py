"""How a score went through time, drawn from the records that a viewer sees now.

What was repaired or revoked is left out of the past as well: a picture that kept the dent would undo the
repair. Who wants an answer as it was given asks for it ``as_of``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from creditsvc.domain import instants
from creditsvc.domain.account import RecordKey, account_at
from creditsvc.domain.naming import UNNAMED
from creditsvc.domain.records import Entry, fold
from creditsvc.domain.standing import Rules, evaluate
from creditsvc.domain.views import PUBLIC
from creditsvc.ledger.folds import Charge, Folds, free

STEPS_MAX = 60  # instants at which the score is worked out; of more, the latest
WORK_MAX = 6_000  # events folded for one picture, over all its steps


@dataclass(frozen=True, slots=True)
class Step:
    """The score from an instant until the next step; no value: nothing on record contributed."""

    at: datetime
    value: float | None
    grade: str


class Courses:
    """Works out the steps that a score took, in the public's view."""

    def __init__(self, folds: Folds, rules: Rules) -> None:
        self._folds = folds
        self._rules = rules

    async def of(self, entity: str, at: datetime, size: int, charge: Charge = free) -> list[Step]:
        """Give the steps up to an instant, oldest first; ``size``: events in the whole history."""

        def folded(entries: list[Entry]) -> list[Step]:
            shown = _shown(entity, entries, at, self._rules)
            return list(_steps(entity, shown, at, self._rules))

        return await self._folds.fold(entity, at, size, folded, charge) or []


def _shown(entity: str, entries: Sequence[Entry], at: datetime, rules: Rules) -> list[Entry]:
    held: dict[RecordKey, list[Entry]] = {}
    for entry in entries:
        if entry.erased is None:
            held.setdefault(entry.key, []).append(entry)
    zone = instants.zone_of(entity)
    kept: set[RecordKey] = set()
    for key, own in held.items():
        record = fold(own, rules.catalogue)
        if PUBLIC.seen(record, evaluate(record, at, rules, zone), rules.catalogue):
            kept.add(key)
    return [entry for entry in entries if entry.key in kept]


def _steps(entity: str, entries: Sequence[Entry], at: datetime, rules: Rules) -> Iterator[Step]:
    recorded = sorted({entry.recorded_at for entry in entries})
    steps = max(2, min(STEPS_MAX, WORK_MAX // max(1, len(entries))))
    starts = recorded[-steps:]
    now = starts[0] if starts else None
    last: Step | None = None
    while now is not None and now <= at and steps:
        steps -= 1
        found = account_at(entity, [one for one in entries if one.recorded_at <= now], UNNAMED, now, rules)
        body = found.profile("public", rules)
        told: dict[str, Any] = orjson.loads(body)["score"] if body else {"value": None, "grade": "unrated"}
        step = Step(now, told["value"], told["grade"])
        if last is None or (step.value, step.grade) != (last.value, last.grade):
            last = step
            yield step
        moment = found.account.views["public"].moment()
        following = [one for one in starts if one > now]
        now = instants.earliest(following[0] if following else None, moment.valid_until if moment else None)
