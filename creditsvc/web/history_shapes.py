"""What a history looks like: events as recorded, whole or in part."""

from typing import Annotated, Any, Literal

from pydantic import Field

from creditsvc.web.shapes import Hash, Instant, Next, Salt, Shape, View

Withheld = Annotated[
    list[Literal["/data/reason", "/data/note", "/data/evidence"]],
    Field(min_length=1, description="Members of the event that are not shown: JSON pointers"),
]
Commitment = Annotated[Hash, Field(description="What the leaf has: SHA-256 of the salt and the whole event")]
InPart = Annotated[
    dict[str, Any], Field(description="The CloudEvent without what is withheld, in canonical JSON")
]


class Recorded(Shape):
    """One event as recorded."""

    sequence: int
    recorded_at: Instant
    leaf_hash: Hash
    salt: Salt
    event: Annotated[dict[str, Any], Field(description="The CloudEvent, in canonical JSON")]


class RecordedInPart(Shape):
    """What an organisation itself stated, without its words, for who is not party to the record.

    No salt comes with it: what is withheld could be guessed by that. What is shown of it nothing proves but
    its organisation, its sequence, its source and its time, which are in the leaf.
    """

    sequence: int
    recorded_at: Instant
    leaf_hash: Hash
    commitment: Commitment
    withheld: Withheld
    event: InPart


class History(Shape):
    """A page of events, oldest first."""

    entity: str
    valid_from: View
    valid_until: Instant | None
    items: list[Recorded | RecordedInPart]
    next: Next
