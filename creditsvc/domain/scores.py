"""An organisation's score taken apart at an instant, by any model: what each record adds, and why."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from creditsvc.domain import instants
from creditsvc.domain.catalogue import Catalogue
from creditsvc.domain.publicity import day_of, expiry
from creditsvc.domain.records import Record
from creditsvc.domain.retention import retired_from
from creditsvc.domain.standing import EXPIRED, facts
from scoring.engine import Model
from scoring.exact import written
from scoring.explanation import Explanation, Known, Share, explain


@dataclass(frozen=True, slots=True)
class TakenApart:
    """A score taken apart, and the instant at which time alone changes it."""

    explanation: Explanation
    until: datetime | None


def known(record: Record, at: datetime, catalogue: Catalogue, zone: ZoneInfo) -> Known | None:
    """Give a record as a model sees it at an instant; null for one that is withdrawn or retired."""
    over = retired_from(record, catalogue, zone)
    if record.withdrawn or (over is not None and at >= over):
        return None
    ends = expiry(record, catalogue, zone)
    state = EXPIRED if ends is not None and at >= ends else record.state
    told = facts(record, state, catalogue)
    return Known(record.number, record.source, told, day_of(record, catalogue, zone))


def take_apart(
    records: Iterable[Record], at: datetime, model: Model, catalogue: Catalogue, zone: ZoneInfo
) -> TakenApart:
    """Score the records of one organisation at an instant by a model."""
    seen: list[Known] = []
    ends: list[datetime] = []
    for record in records:
        if (one := known(record, at, catalogue, zone)) is None:
            continue
        seen.append(one)
        bounds = (expiry(record, catalogue, zone), retired_from(record, catalogue, zone))
        ends += [end for end in bounds if end is not None and end > at]
    explanation = explain(model, seen, at.astimezone(zone).date())
    changes = explanation.next_change
    fades = None if changes is None else instants.start_of(changes, zone)
    return TakenApart(explanation, instants.earliest(fades, *ends))


def document(apart: TakenApart, zone: ZoneInfo) -> dict[str, Any]:
    """Describe a score taken apart; ``exact`` figures add up, where a decimal has no end as fractions."""
    explanation, score = apart.explanation, apart.explanation.score
    return {
        "model": explanation.model,
        "version": explanation.version,
        "value": None if score.value is None else orjson.Fragment(written(score.value)),
        "exact": None if score.exact is None else written(score.exact),
        "grade": score.grade,
        "start": orjson.Fragment(written(explanation.start)),
        "contributions": [_contribution(share, zone) for share in explanation.shares],
        "adjustments": {name: written(amount) for name, amount in explanation.adjustments.items()},
        "sums": {name: written(amount) for name, amount in sorted(explanation.sums.items())},
        "until": instants.text_or_none(apart.until),
    }


def _contribution(share: Share, zone: ZoneInfo) -> dict[str, Any]:
    given = share.contribution
    return {
        "code": given.code,
        "record": share.record,
        "source": share.source,
        "objected": share.objected,
        "points": written(given.worth),
        "amounts": {name: written(amount) for name, amount in given.amounts.items()},
        "share": written(share.worth),
        "until": None if given.until is None else instants.text(instants.start_of(given.until, zone)),
    }
