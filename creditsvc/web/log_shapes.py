"""What answers about the log look like."""

from typing import Annotated

from pydantic import ConfigDict, Field

from creditsvc.web.feed_shapes import EventLeaf
from creditsvc.web.shapes import Hash, Note, Shape


class Proven(Shape):
    """Where an event stands in the log, and the hashes from its leaf to the root (RFC 6962, 2.1.1).

    Of one that was erased also its leaf.
    """

    sequence: int
    index: int
    leaf_hash: Hash
    hashes: Annotated[list[Hash], Field(max_length=63)]
    leaf: EventLeaf | None = None


class Proofs(Shape):
    """Proofs against one checkpoint of those events that it is over."""

    entity: str
    checkpoint: Note
    items: list[Proven]
    next: Annotated[int | None, Field(description="What `after` the next page begins; null on the last")]


class LogIdentity(Shape):
    """The log's name, its keys (C2SP signed-note), and the paths of what it publishes."""

    model_config = ConfigDict(title="Log")
    origin: str
    verifier_key: str
    receipt_verifier_key: str
    max_delay_s: Annotated[int, Field(description="What receipts promise: from recorded to in the log")]
    checkpoint: str
    tiles: str
    feed: str
    verifier: str
