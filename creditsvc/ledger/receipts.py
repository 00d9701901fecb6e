"""What an agency is told of each of its events."""

from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from creditsvc.domain import instants
from creditsvc.errors import Refusal


@dataclass(slots=True)  # not frozen: one is made for each event, and the guard is half its cost
class Receipt:
    """The event is durable: this is where it stands. A duplicate gets the original's."""

    id: str
    source: str
    status: Literal["accepted", "duplicate"]
    entity: str
    sequence: int
    recorded_at: datetime
    leaf_hash: bytes
    salt: bytes | None  # with it and what was sent, the leaf can be recomputed; erased with the content

    def document(self) -> dict[str, Any]:
        told = {
            "id": self.id,
            "source": self.source,
            "status": self.status,
            "entity": self.entity,
            "sequence": self.sequence,
            "recorded_at": instants.text(self.recorded_at),
            "leaf_hash": b64encode(self.leaf_hash).decode(),
        }
        return told if self.salt is None else {**told, "salt": b64encode(self.salt).decode()}


Outcome = Receipt | Refusal
