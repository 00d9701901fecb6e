"""What each reader of the feed is shown at a position. Pure.

Whoever is party to a record is shown each of its events at its own position. Others are shown what stands
and nothing else: the event that opens a record brings those before it along, and of a record that was
withdrawn since only that is told, at the event by which it was, to whoever was shown the record before. Of
one whose legal life is over nobody is shown anything but the notice of that, until that is erased, too.
Partners are never shown here what asks for consent, whoever gave theirs.
A record that was shielded for a time stands again from the event that ends it, which brings all before along.

What is before is decided by the log's positions, which is the order in which a reader reads, and never
changes; so no page skips or repeats what another page of the same reader showed.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Literal

from creditsvc.domain.catalogue import Catalogue
from creditsvc.domain.notices import BEGAN, ENDED, EXPIRED, RETIRED, STEPPED
from creditsvc.domain.views import Kind, Seen, Viewer

NOTICE_TYPES = frozenset({BEGAN, ENDED, EXPIRED, RETIRED, STEPPED})
OPENING = frozenset({"opens", "states"})
WITHDRAWING = frozenset({"revokes", "repairs"})  # for good

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
    holder: str  # who handed the record in that it is about
    source: str  # who stated it, as the leaf tells
    retired: bool = False  # so is its record
    erased: bool = False

    @property
    def hidden(self) -> bool:
        """Whether nobody is shown it: of what is retired only that it is, until that is erased, too."""
        return self.erased or (self.retired and self.type != RETIRED)


@dataclass(frozen=True, slots=True)
class Course:
    """What has become of a record by now, and at which positions of the log that began and ended."""

    events: tuple[Told, ...] = ()  # those with positions, in their order
    kind: Kind = "shared"  # what it is to viewers while it stands
    stands: bool = False  # opened and not withdrawn, whether the log has placed that or not
    began_at: int | None = None  # where it last came to stand: it opened, or was shielded no more
    withdrawn_at: frozenset[int] = frozenset()  # where it ceased to

    @classmethod
    def of(cls, events: Iterable[Told], catalogue: Catalogue) -> "Course":
        ordered = sorted(events, key=attrgetter("sequence"))
        kinds = [catalogue.types[one.type] for one in ordered]
        opened = gone = shielded = stands = False
        began_at: int | None = None
        withdrawn_at: set[int] = set()
        for one, kind in zip(ordered, kinds, strict=True):
            opened = opened or kind.role in OPENING
            gone = gone or kind.role in WITHDRAWING
            shielded = kind.role == "shields" or (shielded and kind.role != "unshields")
            before, stands = stands, opened and not gone and not shielded
            if stands and not before:
                began_at = one.position
            if before and not stands and one.position is not None:
                withdrawn_at.add(one.position)
        classes = {kind.record_class for kind in kinds if kind.role in OPENING}
        placed = tuple(one for one in ordered if one.position is not None)
        asks: Kind = "consent" if classes & catalogue.asking_consent else "shared"
        return cls(placed, asks, stands, began_at, frozenset(withdrawn_at))

    def showing(self, entry: Entry) -> Showing | None:
        """Tell how an entry of this record is shown to those that it is shared with."""
        if entry.kind == "notice":
            return "whole" if self.stands else None
        if self.stands:
            return "whole" if self.began_at is not None and entry.position >= self.began_at else None
        return "withdrawn" if entry.position in self.withdrawn_at else None

    def before(self, position: int) -> tuple[Told, ...]:
        return tuple(one for one in self.events if one.position is not None and one.position < position)


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

    def is_party(self, holder: str) -> bool:
        return self.viewer.is_party(holder)

    def seen(self, holder: str) -> Seen:
        """Tell which members are seen of a record that somebody handed in, where it is shown at all."""
        return self.viewer.shared(holder)

    def show(self, entry: Entry, course: Course | None) -> tuple[Showing | None, tuple[Told, ...]]:
        """Tell how an entry is shown, and which earlier events of its record it brings along.

        ``course`` is that of its record, and is not needed for a party to it.
        """
        if entry.hidden:
            return ("leaf" if self._takes_leaf(entry) else None), ()
        if course is None or self.is_party(entry.holder):
            wanted = self.filter.takes_types({entry.type}) and self.filter.takes_source(entry.holder)
            return ("whole" if wanted else None), ()
        showing = course.showing(entry) if self.viewer.sees_kind(course.kind) else None
        if showing is None:
            return ("leaf" if self._takes_leaf(entry) else None), ()
        earlier: tuple[Told, ...] = ()
        if showing == "whole" and entry.kind == "event" and entry.position == course.began_at:
            earlier = course.before(entry.position)
        types = {entry.type} | {one.type for one in earlier}
        # A withdrawal passes every filter of types, and so does a retirement. So whoever was told of the
        # record by its type hears of it, and no filter finds out what type the record was of, or what had
        # come to it.
        gone = showing == "withdrawn" or entry.type == RETIRED
        of_type = gone or self.filter.takes_types(types)
        return (showing, earlier) if of_type and self.filter.takes_source(entry.holder) else (None, ())

    def _takes_leaf(self, entry: Entry) -> bool:
        """Filter by what the leaf itself tells; it tells no type, and that of a notice no source."""
        if not self.leaves or self.filter.types is not None:
            return False
        return self.filter.sources is None or (
            entry.kind == "event" and self.filter.takes_source(entry.source)
        )
