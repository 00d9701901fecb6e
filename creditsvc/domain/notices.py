"""Notices: what time alone changes in a record, told by the service itself. Pure.

A record changes without any event at its boundaries only: where its validity ends, where its publicity does,
where the weight of the rule that scores it steps, and where its legal life is over. So a record has few,
whatever its age, and walking them ends: three, and the steps of one rule, for each model that was ever
released.

At each boundary the record is what the events recorded by then come to, and both of its sides are judged by
the model in force at it. So the notices of a history are a function of its events and the rules, whenever and
however often it was folded. What a new model changes on its first day is not among them: its release says it,
for all at once; a step of its own that falls on that day is.

An event recorded at the very instant of a boundary counts as recorded by then, as it does in an answer about
that instant: a correction that moves the boundary away leaves nothing to tell. But the record must have stood
before: what the event brings forth, the event itself tells.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from creditsvc.domain import instants
from creditsvc.domain.canonical import canonical
from creditsvc.domain.records import AWAITED, SHIELDED, Entry, Record, fold
from creditsvc.domain.schedule import Schedule
from creditsvc.domain.standing import Evaluation, Rules, evaluate
from scoring.exact import written

BEGAN, ENDED = "credit.publicity.began", "credit.publicity.ended"
EXPIRED, STEPPED = "credit.record.expired", "credit.score.stepped"
RETIRED = "credit.record.retired"
TICK = timedelta(microseconds=1)  # the service knows no finer time, so a tick before is right before
END_OF_TIME = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Notice:
    """What takes effect at a boundary. ``points`` are what a record adds from then on, exact, as text."""

    entity: str
    due: datetime
    type: str
    record: str
    source: str
    points: str | None = None

    @property
    def order(self) -> tuple[datetime, str, str, str]:
        """Where it stands among the notices of its organisation: in this order they are numbered from 1."""
        return (self.due, self.record, self.source, self.type)

    @property
    def content(self) -> bytes:
        """The notice as a CloudEvent of the service, in canonical JSON."""
        due = instants.text(self.due)
        data = {"record": self.record, "source": self.source}
        return canonical(
            {
                "specversion": "1.0",
                "id": f"{due}/{self.type}/{self.record}/{self.source}",
                "source": f"/v1/entities/{self.entity}",
                "type": self.type,
                "subject": self.entity,
                "time": due,
                "datacontenttype": "application/json",
                "data": data if self.points is None else {**data, "points": self.points},
            }
        )


def told_until(until: datetime | None, announced: int, schedule: Schedule) -> datetime | None:
    """Give the instant that a stored profile's notices go up to: those due before it have all been told.

    ``until`` is what the shared view holds until, null for ever, and ``announced`` how many releases had been
    announced when it was folded: a later one may have boundaries of its own. Null: nothing is ahead.
    """
    known, later = schedule.announcements
    unknown = later[max(announced - known, 0) :]
    return instants.earliest(until, *unknown)


def expected(
    entity: str, entries: Sequence[Entry], began_at: datetime, until: datetime | None, rules: Rules
) -> list[Notice]:
    """Work out every notice of a history, as numbered from 1: due after ``began_at`` and before ``until``.

    ``entries`` are all events of the organisation by sequence, ``until`` is what ``told_until`` gives. Of
    what was erased nothing can be worked out any more.
    """
    records: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        if entry.erased is None:
            records.setdefault(entry.key, []).append(entry)
    last = END_OF_TIME if until is None else until - TICK
    found = (crossings(entity, own, (began_at + TICK, last), rules) for own in records.values())
    return sorted((notice for own in found for notice in own), key=lambda notice: notice.order)


def crossings(
    entity: str, entries: Sequence[Entry], span: tuple[datetime, datetime], rules: Rules
) -> Iterator[Notice]:
    """Tell what time alone changed in one record within a span of time, its two ends included.

    ``entries`` are the events of the record by sequence, at least all that were recorded by the span's end.
    """
    first, last = span
    stood = False
    for length, entry in enumerate(entries, start=1):
        following = entries[length].recorded_at if length < len(entries) else None
        if following is not None and following < first:
            continue
        if entry.recorded_at > last:
            return
        record = fold(entries[:length], rules.catalogue)
        start = max(first, entry.recorded_at if stood else entry.recorded_at + TICK)
        end = last if following is None else min(last, following - TICK)
        if start <= end:
            yield from _stretch(entity, record, (start, end), rules)
        stood = record.state not in {AWAITED, SHIELDED}


def _stretch(entity: str, record: Record, span: tuple[datetime, datetime], rules: Rules) -> Iterator[Notice]:
    """Walk the boundaries of a record while no event changes it."""
    first, last = span
    zone = instants.zone_of(entity)
    for release in rules.schedule.releases:
        by = Rules(rules.catalogue, Schedule.always(release.model))
        due = evaluate(record, first - TICK, by, zone).next_change
        while due is not None and due <= last:
            after = evaluate(record, due, by, zone)
            if rules.model(due, zone) is release.model:
                before = evaluate(record, due - TICK, by, zone)
                for kind, points in _effects(before, after):
                    yield Notice(entity, due, kind, record.number, record.source, points)
            due = after.next_change


def _effects(before: Evaluation, after: Evaluation) -> Iterator[tuple[str, str | None]]:
    if after.retired:  # from then on nothing else is to be told of it
        if not before.retired:
            yield RETIRED, None
        return
    if before.public != after.public:
        yield (BEGAN if after.public else ENDED), None
    if before.standing and not after.standing:
        yield EXPIRED, None
    if _worth(before) != (worth := _worth(after)):
        yield STEPPED, written(worth)


def _worth(evaluation: Evaluation) -> Fraction:
    given = evaluation.contribution
    return Fraction(0) if given is None else given.worth
