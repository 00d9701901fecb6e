"""What a record amounts to at an instant, and when time alone changes that.

Everything here is a pure function of the record, the rules and the instant. Between two neighbouring
boundaries nothing changes: that is what lets a stored answer say from when and until when it holds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from creditsvc.domain import instants
from creditsvc.domain.catalogue import Catalogue
from creditsvc.domain.publicity import NEVER, Publicity, day_of, expiry, publicity
from creditsvc.domain.records import STANDING, Record
from creditsvc.domain.retention import RETIRED, retired_from
from creditsvc.domain.schedule import Schedule
from creditsvc.domain.workdays import UNKNOWN, Calendar
from scoring.engine import Contribution, Model

EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Rules:
    """What an evaluation goes by."""

    catalogue: Catalogue
    schedule: Schedule
    calendars: Mapping[str, Calendar] = field(default_factory=dict)  # of working days, by the key of the zone

    def calendar(self, zone: ZoneInfo) -> Calendar:
        return self.calendars.get(zone.key, UNKNOWN)

    def model(self, at: datetime, zone: ZoneInfo) -> Model:
        return self.schedule.model(at, zone)


@dataclass(slots=True)  # not frozen: one is made for each event, and the guard is half its cost
class Evaluation:
    """A record at an instant.

    ``changed_at`` is the last boundary that time alone crossed since the record's last event, and
    ``public_changed_at`` the last such one before or after which the record was in the public view.
    ``begins``: it is not public yet, but time alone makes it so. ``retired_from`` is when its legal life is
    over, as far as is known now: from then on its state is "retired", and it is in no view.
    """

    state: str
    publicity: Publicity
    public: bool
    begins: bool
    standing: bool
    contribution: Contribution | None
    points_until: datetime | None
    changed_at: datetime | None
    public_changed_at: datetime | None
    next_change: datetime | None
    retired_from: datetime | None = None

    @property
    def retired(self) -> bool:
        """Whether its legal life is over."""
        return self.state == RETIRED

    @property
    def concerns_public(self) -> bool:
        """Whether the public view depends on it: on what is shown, or on until when what is shown holds."""
        return self.public or self.begins


@dataclass(frozen=True, slots=True)
class _Boundaries:
    expiry: datetime | None
    publicity: Publicity
    scores: tuple[datetime, ...]
    retired_from: datetime | None

    def all(self) -> list[datetime]:
        # Not repairable_from: nothing that an answer shows changes there, it says the instant itself.
        ends = (self.expiry, self.publicity.public_from, self.publicity.public_until, self.retired_from)
        found = sorted({*self.scores, *[end for end in ends if end is not None]})
        over = self.retired_from
        return found if over is None else [end for end in found if end <= over]


def facts(record: Record, state: str, catalogue: Catalogue) -> dict[str, Any]:
    """Give what a scoring model may know of a record: codes, counts and findings, nothing that names anybody.

    Beside the fields that the catalogue opens to scoring: ``class``, ``type``, ``state``, ``objected``.
    """
    told = catalogue.scoring
    known = {name: value for name, value in record.data.items() if name in told}
    known["class"] = record.record_class or ""
    known["type"] = record.type or ""
    known["state"] = state
    known["objected"] = "yes" if record.objections else "no"
    return known


def evaluate(record: Record, at: datetime, rules: Rules, zone: ZoneInfo) -> Evaluation:
    """Tell what a record amounts to at an instant."""
    if record.withdrawn:
        return _withdrawn(record, retired_from(record, rules.catalogue, zone), at)
    ends = expiry(record, rules.catalogue, zone)
    shown = publicity(record, rules.catalogue, zone)
    over = retired_from(record, rules.catalogue, zone, shown)
    retired = over is not None and at >= over
    expired = ends is not None and at >= ends
    state = RETIRED if retired else EXPIRED if expired else record.state
    day = day_of(record, rules.catalogue, zone)
    model = rules.model(at, zone)
    told = facts(record, record.state, rules.catalogue)
    rule = model.rule(told)
    steps = () if rule is None else tuple(instants.start_of(change, zone) for change in rule.ends(day))
    bounds = _Boundaries(ends, shown, steps, over).all()
    since = [bound for bound in bounds if record.recorded_at < bound <= at]
    ahead = next((bound for bound in bounds if bound > at), None)
    today = at.astimezone(zone).date()
    if state != record.state:
        told["state"] = state
        rule = model.rule(told)
    given = None if retired or rule is None else model.given(rule, told, day, today)
    fades = instants.start_of(given.until, zone) if given and given.until else None
    return Evaluation(
        state=state,
        publicity=shown,
        public=not retired and shown.at(at),
        begins=not retired and shown.begins_after(at),
        standing=state == STANDING,
        contribution=given,
        points_until=instants.earliest(fades, ends, over) if given else None,
        changed_at=since[-1] if since else None,
        public_changed_at=next((bound for bound in reversed(since) if shown.around(bound)), None),
        next_change=ahead,
        retired_from=over,
    )


def _withdrawn(record: Record, over: datetime | None, at: datetime) -> Evaluation:
    """Tell what a withdrawn record amounts to: nothing, until it is not even seen by its parties."""
    if over is None or at < over:
        return Evaluation(record.state, NEVER, False, False, False, None, None, None, None, over, over)
    crossed = over if record.recorded_at < over else None
    return Evaluation(RETIRED, NEVER, False, False, False, None, None, crossed, None, None, over)
