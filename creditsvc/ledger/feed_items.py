"""The items of a page of the feed, as they are written."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from creditsvc.domain import instants
from creditsvc.domain.views import Seen
from creditsvc.ledger.entries import Row, leaf_of, told
from creditsvc.ledger.feed_rules import Showing, Told

ITEM_BYTES = 640  # about what is written of an item beside a content
EARLIER_BYTES_MAX = 4 * 1024 * 1024  # contents that one item brings along; further ones only by name

Part = Literal["whole", "leaf", "bare"]
Place = tuple[str, str, int, Part]  # event or notice, entity, sequence or number, and what of it


@dataclass(frozen=True, slots=True)
class Pick:
    """What is to be shown at a position: what was found there, how, and what it brings along."""

    row: Row
    showing: Showing
    earlier: tuple[tuple[Told, Part], ...]
    parts: tuple[Place, ...]  # what has to be read for it
    bytes: int  # about how long it comes to be

    @classmethod
    def of(cls, row: Row, showing: Showing, earlier: tuple[Told, ...], *, leaf: bool) -> "Pick":
        """``leaf``: whoever reads is given the leaf of what is not shown whole."""
        size = ITEM_BYTES + (row["bytes"] if showing == "whole" else 0)
        parts: list[Place] = []
        if showing == "whole" or leaf:
            part: Part = "whole" if showing == "whole" else "leaf"
            parts.append((row["kind"], row["entity_id"], row["sequence"], part))
        brought: list[tuple[Told, Part]] = []
        contents = 0
        for one in earlier:
            contents += one.bytes
            share: Part = "whole" if contents <= EARLIER_BYTES_MAX else "bare"
            brought.append((one, share))
            parts.append(("event", row["entity_id"], one.sequence, share))
            size += ITEM_BYTES + (one.bytes if share == "whole" else 0)
        return cls(row, showing, tuple(brought), tuple(parts), size)


def item(pick: Pick, stored: Mapping[Place, Row], seen: Seen, *, leaf: bool) -> dict[str, Any]:
    """Write an item for who sees these members of its record; ``stored`` holds its parts.

    Raises ``LookupError`` where they are not all there.
    """
    row = pick.row
    kind, entity, number = row["kind"], row["entity_id"], row["sequence"]
    made = _head(row["position"], kind, row)
    if pick.showing == "whole":
        made |= told(stored[kind, entity, number, "whole"], seen)
    elif leaf:
        commitment = stored[kind, entity, number, "leaf"]["commitment"]
        made["leaf"] = orjson.Fragment(leaf_of((entity, kind, number), row, commitment))
    if pick.showing == "withdrawn":
        made["withdrawn"] = {
            "type": row["type"],
            "record": row["record"],
            "source": row["holder"],
            "time": instants.text(row["time"]),
        }
    if pick.earlier:
        made["earlier"] = [
            _earlier(one, part, stored["event", entity, one.sequence, part], seen)
            for one, part in pick.earlier
        ]
    return made


def _head(position: int | None, kind: str, row: Row) -> dict[str, Any]:
    made: dict[str, Any] = {"position": position, "entity": row["entity_id"]}
    if kind == "event":
        made["sequence"] = row["sequence"]
    else:
        made |= {"notice": row["sequence"], "due": instants.text(row["due"])}
    made["recorded_at"] = instants.text(row["recorded_at"])
    made["leaf_hash"] = b64encode(row["leaf_hash"]).decode()
    return made


def _earlier(earlier: Told, part: Part, row: Row, seen: Seen) -> dict[str, Any]:
    made = _head(earlier.position, "event", row)
    return made | told(row, seen) if part == "whole" else made
