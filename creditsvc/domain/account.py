"""An account: one organisation's record while events are entered. Pure; the ledger loads and stores it.

Only the records that events name, and those that time has changed since they were last looked at, have to
be loaded: what the account comes to is kept as summaries that those records are taken from and added to.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from creditsvc.domain import instants
from creditsvc.domain.admission import Asked, admit, gone
from creditsvc.domain.events import Event
from creditsvc.domain.naming import Namings, Renamed, View, renamed, tell
from creditsvc.domain.notices import TICK, Notice, crossings, told_until
from creditsvc.domain.profile import (
    MOST_LISTINGS,
    Factor,
    Line,
    Listing,
    Moment,
    Summary,
    line,
    newest_listings,
    render,
    strongest,
)
from creditsvc.domain.records import Entry, Record, fold
from creditsvc.domain.standing import Evaluation, Rules, evaluate
from creditsvc.domain.views import SILENT, kept

RecordKey = tuple[str, str]  # record number, and the source that handed it in


@dataclass(slots=True)
class Held:
    """A record as loaded: the line stored of it, and its events (only where it is to be folded again).

    ``erased``: its legal life is over, its events have no content any more. What the events come to is kept
    until another is entered: folding is most of what entering costs.
    """

    line: Line | None = None
    entries: list[Entry] = field(default_factory=list)
    erased: bool = False
    _record: Record | None = None
    _evaluation: tuple[datetime, Evaluation] | None = None

    def enter(self, entry: Entry) -> None:
        self.entries.append(entry)
        self._record = self._evaluation = None

    def record(self, rules: Rules) -> Record:
        """Fold the events, at least one."""
        if self._record is None:
            self._record = fold(self.entries, rules.catalogue)
        return self._record

    def evaluate(self, at: datetime, rules: Rules, zone: ZoneInfo) -> Evaluation:
        if self._evaluation is None or self._evaluation[0] != at:
            self._evaluation = (at, evaluate(self.record(rules), at, rules, zone))
        return self._evaluation[1]


@dataclass(slots=True)
class Standing:
    """Where one view of the account stands."""

    summary: Summary
    version: int
    since: datetime | None
    until: datetime | None = None

    def moment(self) -> Moment | None:
        return None if self.since is None else Moment(self.version, self.since, self.until)


@dataclass(slots=True)
class Account:
    """The state of one organisation, and what is being entered."""

    entity: str
    version: int
    recorded_at: datetime | None
    namings: Namings
    views: dict[View, Standing]
    held: dict[RecordKey, Held] = field(default_factory=dict)
    model: str | None = None  # version of the official model that it was last scored by
    announced: int = 0  # how many of its releases had been announced then
    settled_since: datetime | None = (
        None  # as of this instant, or a later one, it was settled as it is stored
    )
    settled_at: datetime | None = None
    renamed: list[Renamed] = field(default_factory=list)
    began_at: datetime | None = None  # when the log began: what time changes later is told
    entered_at: datetime | None = None  # when the first event of this transaction was recorded
    noticed: list[Notice] = field(default_factory=list)
    zone: ZoneInfo = field(init=False)  # where its days are counted
    agencies: frozenset[str] = frozenset()  # the known ones among those that events refer to

    def __post_init__(self) -> None:
        self.zone = instants.zone_of(self.entity)

    def changed(self, at: datetime, rules: Rules) -> bool:
        """Whether there is anything to fold: an account that took nothing and fell due for nothing stays."""
        if self.version == 0:
            return False
        return self.announced < rules.schedule.announced(at) or any(one.entries for one in self.held.values())

    def outdated(self, at: datetime, rules: Rules) -> bool:
        """Whether it was scored by another version of the model: then every record has to be loaded whole."""
        return self.version > 0 and self.model != rules.model(at, self.zone).version

    def enter(self, event: Event, recorded_at: datetime, rules: Rules) -> Entry:
        """Enter one event; raises a ``Refusal`` when the account as it stands doesn't admit it."""
        held = self.held.setdefault(event.key, Held())
        if held.erased:
            raise gone(event, rules.catalogue.types[event.type])
        record = held.record(rules) if held.entries else None
        taken = record is None and self._taken(event, recorded_at, rules)
        admit(Asked(event, recorded_at, record, taken, self.agencies, rules))
        before = record is not None and held.evaluate(recorded_at, rules, self.zone).concerns_public
        entry = Entry(
            sequence=self.version + 1,
            recorded_at=recorded_at,
            source=event.source,
            id=event.id,
            type=event.type,
            time=event.time,
            record=event.record,
            data=event.data,
        )
        held.enter(entry)
        now = held.evaluate(recorded_at, rules, self.zone)
        namings = tell(self.namings, held.entries, held.record(rules), rules.catalogue, public=now.public)
        self.renamed += renamed(self.namings, namings, recorded_at)
        touches = before or now.concerns_public
        entry.touches_public = touches
        self.namings, self.version, self.recorded_at = namings, entry.sequence, recorded_at
        self.entered_at = self.entered_at or recorded_at
        if touches:
            public = self.views["public"]
            public.version, public.since = entry.sequence, recorded_at
        shared = self.views["shared"]
        shared.version, shared.since = entry.sequence, recorded_at
        return entry

    def _taken(self, event: Event, at: datetime, rules: Rules) -> bool:
        """Whether another source's record of the number stands."""
        if len(self.held) == 1:  # it is the event's own
            return False
        return any(
            number == event.record and holder != event.holder and self._stands(other, at, rules)
            for (number, holder), other in self.held.items()
        )

    def _stands(self, held: Held, at: datetime, rules: Rules) -> bool:
        """Whether those that the record is shared with see it: as stored, or as entered a moment ago."""
        if not held.entries:
            return held.line is not None and held.line.counted
        return not held.record(rules).withdrawn and not held.evaluate(at, rules, self.zone).retired

    def settle(self, at: datetime, rules: Rules) -> Iterator[tuple[Line, Record]]:
        """Fold every record that was loaded whole as of an instant, and bring the summaries in step.

        Yields what is to be stored of each. The instant must be the last event's or later.
        """
        self._notice(at, rules)
        public, shared = self.views["public"], self.views["shared"]
        if self.outdated(at, rules):
            self._start_over()
        for held in self.held.values():
            if not held.entries:
                continue
            record, evaluation = held.record(rules), held.evaluate(at, rules, self.zone)
            shared.since = instants.latest(shared.since, evaluation.changed_at)
            crossed = evaluation.public_changed_at or self._changed_before(held, rules)
            public.since = instants.latest(public.since, crossed)
            now = line(record, evaluation, rules.catalogue)
            self._replace(held.line, now)
            held.line = now
            yield now, record
        self._note_release(rules.schedule.changed(at, self.zone))
        self.model = rules.model(at, self.zone).version
        self.announced = rules.schedule.announced(at)
        self.settled_at = at

    def _changed_before(self, held: Held, rules: Rules) -> datetime | None:
        """Find the last boundary before a record's last event at which time changed what the public saw.

        What had happened when the account was last settled has been noted then.
        """
        last = held.entries[-1].recorded_at
        floor = instants.latest(self.views["public"].since, self.settled_since)
        if len(held.entries) == 1 or (floor is not None and last <= floor):
            return None
        return last_public_change(held.entries[:-1], last, floor, rules, self.zone)

    def _note_release(self, released: datetime | None) -> None:
        """Let the views stand from a release on, unless they changed since or never showed anything."""
        for view in self.views.values():
            if view.since is not None:
                view.since = instants.latest(view.since, released)

    def _notice(self, at: datetime, rules: Rules) -> None:
        """Note what time alone changed since the account was last settled, in the order of its telling."""
        since = self._untold(at, rules)
        if since is None or since > at:
            return
        for held in self.held.values():
            self.noticed += crossings(self.entity, held.entries, (since, at), rules)
        self.noticed.sort(key=lambda notice: notice.order)

    def _untold(self, at: datetime, rules: Rules) -> datetime | None:
        """Give an instant that every boundary yet to be told is due at or after; null where there is none.

        Boundaries are midnights: one that this transaction's own events bring forth is the last, if any.
        """
        if self.began_at is None:
            return None
        known = self.views["shared"].until
        since = told_until(known, self.announced, rules.schedule) if self.model else None
        if self.entered_at is not None:
            midnight = instants.midnight(at, self.zone)
            since = instants.earliest(since, midnight if midnight >= self.entered_at else None)
        return None if since is None else max(since, self.began_at + TICK)

    def _start_over(self) -> None:
        for standing in self.views.values():
            standing.summary = Summary()
        for held in self.held.values():
            held.line = None

    def _replace(self, old: Line | None, new: Line) -> None:
        for view, standing in self.views.items():
            if old is not None and sees(view, old):
                standing.summary.add(old, -1)
            if sees(view, new):
                standing.summary.add(new)


def sees(view: View, seen: Line) -> bool:
    """Tell whether a view has a record in it."""
    return seen.counted and kept(view, "public" if seen.public else "shared")


def moves(view: View, seen: Line) -> bool:
    """Tell whether the next change of a record changes what a view shows."""
    # What is withdrawn is in no view, but moves what those who are party to it see, who have the second.
    return view == "shared" or sees(view, seen) or seen.begins


def last_public_change(
    entries: list[Entry], at: datetime, floor: datetime | None, rules: Rules, zone: ZoneInfo
) -> datetime | None:
    """Find the last boundary up to ``at`` at which time alone changed what the public saw of a record.

    The record meant something else before each of its events, so each stretch between two of them is looked
    at as it was; stretches that end before ``floor`` cannot matter.
    """
    end = at
    for length in range(len(entries), 0, -1):
        if floor is not None and end <= floor:
            return None
        found: Evaluation = evaluate(fold(entries[:length], rules.catalogue), end, rules, zone)
        if found.public_changed_at is not None:
            return found.public_changed_at
        end = entries[length - 1].recorded_at
    return None


def profile_of(
    account: Account, view: View, factors: Collection[Factor], listings: Sequence[Listing], rules: Rules
) -> bytes | None:
    """Render one view of a settled account; null where the view has nothing on record."""
    standing = account.views[view]
    moment = standing.moment()
    if account.settled_at is None or moment is None or (view in SILENT and not standing.summary.records):
        return None
    shown = (strongest(factors), listings[:MOST_LISTINGS])
    by = (rules.catalogue, rules.model(account.settled_at, account.zone))
    return render(account.entity, account.namings[view], moment, standing.summary, shown, by)


@dataclass(frozen=True, slots=True)
class Past:
    """A whole account folded from its events as of an instant: what answers about the past come from."""

    account: Account
    lines: Sequence[Line]

    def profile(self, view: View, rules: Rules) -> bytes | None:
        seen = [line for line in self.lines if sees(view, line)]
        return profile_of(self.account, view, seen, newest_listings(seen), rules)


def account_at(entity: str, entries: Sequence[Entry], namings: Namings, at: datetime, rules: Rules) -> Past:
    """Fold all events recorded up to an instant (at least one, by sequence) as they stood then.

    ``namings`` are the names that each view knew then.
    """
    last = entries[-1]
    shown = next((entry for entry in reversed(entries) if entry.touches_public), None)
    held: dict[RecordKey, Held] = {}
    for entry in entries:
        if entry.erased is None:
            held.setdefault(entry.key, Held()).entries.append(entry)
    views: dict[View, Standing] = {
        "public": Standing(Summary(), shown.sequence if shown else 0, shown.recorded_at if shown else None),
        "shared": Standing(Summary(), last.sequence, last.recorded_at),
    }
    _note_erased(views, entries, at)
    account = Account(entity, last.sequence, last.recorded_at, namings, views, held)
    lines = [settled for settled, _ in account.settle(at, rules)]
    for view, standing in views.items():
        changes = (line.next_change for line in lines if moves(view, line))
        standing.until = instants.earliest(*changes, rules.schedule.changes(at, account.zone))
    return Past(account, lines)


def _note_erased(views: Mapping[View, Standing], entries: Iterable[Entry], at: datetime) -> None:
    """Let the views stand since what time changed in records that were erased, as they did before."""
    for erased in (entry.erased for entry in entries if entry.erased is not None):
        changes: tuple[tuple[View, datetime | None], ...] = (
            ("shared", erased.retired_from),
            ("public", erased.public_changed_at),
        )
        for view, changed_at in changes:
            if changed_at is not None and changed_at <= at:
                views[view].since = instants.latest(views[view].since, changed_at)


def concerns_public(entries: Sequence[Entry], at: datetime, rules: Rules, zone: ZoneInfo) -> bool:
    """Tell whether the public view depends on a record, by its events."""
    return evaluate(fold(entries, rules.catalogue), at, rules, zone).concerns_public
