"""Scores over events, as tests and benchmarks make them: decoded, folded, seen as the service sees them."""

from datetime import date, datetime, time
from itertools import count

from creditsvc.domain import instants
from creditsvc.domain.records import Entry, Record, fold
from creditsvc.domain.scores import TakenApart, known, take_apart
from scoring import engine
from scoring.explanation import Known
from tests.making import CATALOGUE, ENTITY, event

ZONE = instants.zone_of(ENTITY)
DAY = date(2026, 6, 15)
_numbers = count(1)


def record(kind: str, *amendments: tuple[str, dict], on: date | str = DAY, **data) -> Record:
    """Make a record decided on a day, by a number of its own, with what was said of it later."""
    number = data.pop("record", f"R{next(_numbers)}")
    said = [event(kind, number, decided_on=str(on), time="2024-01-01T00:00:00Z", **data)]
    said += [event(f"{more}", number, time="2024-01-02T00:00:00Z", **given) for more, given in amendments]
    entries = [
        Entry(n, datetime.now(ZONE), one.source, one.id, one.type, one.time, one.record, one.data)
        for n, one in enumerate(said, start=1)
    ]
    return fold(entries, CATALOGUE)


def at(day: date | str) -> datetime:
    """Give noon of a day in the place of the authority."""
    return datetime.combine(date.fromisoformat(str(day)), time(12), ZONE)


def score(model: str | engine.Model, *records: Record, on: date | str = DAY) -> TakenApart:
    found = engine.newest(model) if isinstance(model, str) else model
    return take_apart(records, at(on), found, CATALOGUE, ZONE)


def value_and_grade(model: str | engine.Model, *records: Record, on: date | str = DAY):
    found = score(model, *records, on=on).explanation.score
    return (None if found.value is None else str(found.value), found.grade)


def seen(one: Record, on: date | str = DAY) -> Known | None:
    return known(one, at(on), CATALOGUE, ZONE)
