"""What each reader of the feed is shown at a position. Pure.

Whoever is party to a record is shown each of its events at its own position. Others are shown what stands
and nothing else: the event that opens a record brings those before it along, and of a record that was
withdrawn since only that is told, at the event by which it was, to whoever was shown the record before.
Partners are never shown here what asks for consent, whoever gave theirs.

What is before is decided by the log's positions, which is the order in which a reader reads, and never
changes; so no page skips or repeats what another page of the same reader showed.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from operator import itemgetter
from typing import Literal

from creditsvc.domain.catalogue import Catalogue
from creditsvc.domain.notices import BEGAN, ENDED, EXPIRED, RETIRED, STEPPED
from creditsvc.domain.views import Kind, Viewer

NOTICE_TYPES = frozenset({BEGAN, ENDED, EXPIRED, RETIRED, STEPPED})
OPENING = frozenset({"opens", "states"})
WITHDRAWING = frozenset({"revokes", "repairs"})

Showing = Literal["whole", "withdrawn", "leaf"]


@dataclass(frozen=True, slots=True)
class Told:
    """One event of a record as far as the rules ask: no position yet, or where it stands in the log."""

    position: int | None
    sequence: int
    type: str
    bytes: int  # of its content


@dataclass(frozen=True, slots=True)
class Entry:
    """What stands at a position."""

    position: int
    kind: Literal["event", "notice"]
    type: str
    source: str


@dataclass(frozen=True, slots=True)
class Course:
    """What has become of a record by now, and at which positions of the log it opened and was withdrawn."""

    events: tuple[Told, ...]  # those with positions, in their order
    kind: Kind  # what it is to viewers while it stands
    stands: bool  # opened and not withdrawn, whether the log has placed that or not
    opened_at: int | None
    withdrawn_at: int | None

    @classmethod
    def of(cls, events: Iterable[Told], catalogue: Catalogue) -> "Course":
        events = tuple(events)
        opening = [one for one in events if catalogue.types[one.type].role in OPENING]
        withdrawing = [one for one in events if catalogue.types[one.type].role in WITHDRAWING]
        classes = {catalogue.types[one.type].record_class for one in opening}
        placed = [(one.position, one) for one in events if one.position is not None]
        return cls(
            events=tuple(one for _, one in sorted(placed, key=itemgetter(0))),
            kind="consent" if classes & catalogue.asking_consent else "shared",
            stands=bool(opening) and not withdrawing,
            opened_at=_first(opening),
            withdrawn_at=_first(withdrawing),
        )

    def showing(self, entry: Entry) -> Showing | None:
        """Tell how an entry of this record is shown to those that it is shared with."""
        if entry.kind == "notice":
            return "whole" if self.stands else None
        if self.opened_at is None:
            return None
        if self.stands:
            return "whole" if entry.position >= self.opened_at else None
        return "withdrawn" if self.opened_at < entry.position == self.withdrawn_at else None

    def before(self, position: int) -> tuple[Told, ...]:
        return tuple(one for one in self.events if one.position is not None and one.position < position)


def _first(events: Iterable[Told]) -> int | None:
    return min((one.position for one in events if one.position is not None), default=None)


@dataclass(frozen=True, slots=True)
class Filter:
    """What a reader asks for; None is everything."""

    entities: frozenset[str] | None = None
    types: frozenset[str] | None = None
    sources: frozenset[str] | None = None

    def takes_types(self, types: Iterable[str]) -> bool:
        return self.types is None or not self.types.isdisjoint(types)

    def takes_source(self, source: str) -> bool:
        return self.sources is None or source in self.sources


@dataclass(frozen=True, slots=True)
class Reading:
    """Who reads, and what of: ``leaves`` for who is shown the leaf of whatever is not shown whole."""

    viewer: Viewer
    filter: Filter = Filter()
    leaves: bool = False

    def is_party(self, source: str) -> bool:
        return self.viewer.is_party(source)

    def show(self, entry: Entry, course: Course | None) -> tuple[Showing | None, tuple[Told, ...]]:
        """Tell how an entry is shown, and which earlier events of its record it brings along.

        ``course`` is that of its record, and is not needed for a party to it.
        """
        if course is None or self.is_party(entry.source):
            wanted = self.filter.takes_types({entry.type}) and self.filter.takes_source(entry.source)
            return ("whole" if wanted else None), ()
        showing = course.showing(entry) if self.viewer.sees_kind(course.kind) else None
        if showing is None:
            return ("leaf" if self._takes_leaf(entry) else None), ()
        earlier: tuple[Told, ...] = ()
        if showing == "whole" and entry.kind == "event" and entry.position == course.opened_at:
            earlier = course.before(entry.position)
        types = {entry.type} | {one.type for one in earlier}
        # A withdrawal passes every filter of types. So whoever was told of the record by its type hears of
        # it, and no filter finds out what type the record was of, or what had come to it.
        of_type = showing == "withdrawn" or self.filter.takes_types(types)
        return (showing, earlier) if of_type and self.filter.takes_source(entry.source) else (None, ())

    def _takes_leaf(self, entry: Entry) -> bool:
        """Filter by what the leaf itself tells; it tells no type, and that of a notice no source."""
        if not self.leaves or self.filter.types is not None:
            return False
        return self.filter.sources is None or (
            entry.kind == "event" and self.filter.takes_source(entry.source)
        )
