"""What the change feed answers with: the models that openapi.json is made from."""

from typing import Annotated, Any, Literal

from pydantic import Field

from creditsvc.web.history_shapes import Commitment, InPart, Withheld
from creditsvc.web.shapes import Hash, Instant, Shape

Position = Annotated[int, Field(ge=0, description="In the log: the index of its leaf")]
Sequence = Annotated[int, Field(ge=1, description="In the history of its entity")]
Salt = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9+/]{22}==$", description="The leaf commits to it and the content, base64")
]
Content = Annotated[dict[str, Any], Field(description="The CloudEvent, in canonical JSON")]
Version = Annotated[Literal[1], Field(description="Of the leaf's form")]


class EarlierEvent(Shape):
    """An event that waited for the one that opened its record. Very many come without salt and content."""

    position: Position
    entity: str
    sequence: Sequence
    recorded_at: Instant
    leaf_hash: Hash
    salt: Salt | None = None
    event: Content | None = None


class EarlierEventInPart(Shape):
    """Such an event by the organisation itself, without its words."""

    position: Position
    entity: str
    sequence: Sequence
    recorded_at: Instant
    leaf_hash: Hash
    commitment: Commitment
    withheld: Withheld
    event: InPart


Earlier = Annotated[
    list[EarlierEvent | EarlierEventInPart] | None,
    Field(description="Earlier events of the record that this one opened: they are shown here alone"),
]


class FeedEvent(Shape):
    """An event."""

    position: Position
    entity: str
    sequence: Sequence
    recorded_at: Instant
    leaf_hash: Hash
    salt: Salt
    event: Content
    earlier: Earlier = None


class FeedEventInPart(Shape):
    """What an organisation itself stated, without its words, for who is not party to the record."""

    position: Position
    entity: str
    sequence: Sequence
    recorded_at: Instant
    leaf_hash: Hash
    commitment: Commitment
    withheld: Withheld
    event: InPart


class FeedNotice(Shape):
    """What time alone changed in a record, told by the service itself."""

    position: Position
    entity: str
    notice: Annotated[int, Field(ge=1, description="Its number within the entity")]
    due: Annotated[Instant, Field(description="When it took effect")]
    recorded_at: Instant
    leaf_hash: Hash
    salt: Salt
    event: Content


class EventLeaf(Shape):
    """The leaf of an event: its hash is SHA-256 of a zero byte and this in canonical JSON."""

    commitment: Hash
    entity: str
    recorded_at: Instant
    sequence: Sequence
    source: str
    v: Version


class NoticeLeaf(Shape):
    """The leaf of a notice."""

    commitment: Hash
    due: Instant
    entity: str
    notice: Annotated[int, Field(ge=1)]
    recorded_at: Instant
    v: Version


class Withdrawn(Shape):
    """By what a record was withdrawn: nothing of it may be used any more."""

    type: str
    record: str
    source: str
    time: Instant


class FeedWithdrawal(Shape):
    """That a record was withdrawn, for whoever may have been shown it before."""

    position: Position
    entity: str
    sequence: Sequence
    recorded_at: Instant
    leaf_hash: Hash
    withdrawn: Withdrawn
    leaf: Annotated[EventLeaf | None, Field(description="For auditors")] = None


class FeedEventLeaf(Shape):
    """An event that this auditor is not shown."""

    position: Position
    entity: str
    sequence: Sequence
    recorded_at: Instant
    leaf_hash: Hash
    leaf: EventLeaf


class FeedNoticeLeaf(Shape):
    """A notice that this auditor is not shown."""

    position: Position
    entity: str
    notice: Annotated[int, Field(ge=1)]
    due: Instant
    recorded_at: Instant
    leaf_hash: Hash
    leaf: NoticeLeaf


class FeedPage(Shape):
    """A page of the feed. Without items it is a sign of life: there is nothing new up to `next`."""

    items: list[FeedEvent | FeedEventInPart | FeedNotice | FeedWithdrawal | FeedEventLeaf | FeedNoticeLeaf]
    next: Annotated[int, Field(ge=0, description="The position to ask from")]
    size: Annotated[int, Field(ge=0, description="Size of the newest checkpoint: `next` goes no further")]
    complete_until: Annotated[
        Instant | None,
        Field(description="Everything recorded before stands below `size`; null when that is not known now"),
    ]
