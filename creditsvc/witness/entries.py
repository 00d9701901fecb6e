"""Entries of the log as the feed gives them, hashed again from what they say: pure."""

from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from creditsvc.domain import instants
from creditsvc.verifier.encoding import INTEGER_MAX, canonical, decoded
from creditsvc.verifier.leaves import commitment, event_leaf, notice_leaf
from creditsvc.verifier.parts import require_part
from creditsvc.verifier.tree import HASH_BYTES, leaf_hash
from creditsvc.verifier.wrong import Wrong

Kind = Literal["event", "notice"]
ENTITY_MAX = 200


@dataclass(frozen=True, slots=True)
class Entry:
    """What stands at a position: an entity's event or notice, its number there, and its leaf's hash."""

    position: int
    entity: str
    kind: Kind
    number: int
    recorded_at: datetime
    hashed: bytes  # of the leaf that its content makes
    parted: bool = False  # shown in part: the leaf is made from its commitment

    def __str__(self) -> str:
        return f"position {self.position}, {self.entity}, {self.kind} {self.number}"


def position_of(item: Any) -> int | None:
    """Give the position that an entry claims, whatever else it says."""
    position = item.get("position") if isinstance(item, dict) else None
    return position if isinstance(position, int) and not isinstance(position, bool) else None


def read(item: Any) -> Entry:
    """Read an entry and hash its leaf from its salt and content, or from the leaf that stands for them.

    Or, where an organisation's own statement is shown in part, from its commitment.

    Raises ``Wrong`` for what is not an entry, or says different things of itself.
    """
    match item:
        case {"position": int(position), "entity": str(entity), "recorded_at": str(recorded)}:
            facts: dict[str, Any] = {"entity": entity, "recorded_at": recorded}
        case _:
            raise Wrong("this is no entry of a log")
    kind: Kind
    match item:
        case {"notice": int(number), "due": str(due)}:
            kind, facts = "notice", facts | {"notice": number, "due": due}
        case {"sequence": int(number)}:
            kind, facts = "event", facts | {"sequence": number}
        case _:
            raise Wrong("this is neither an event nor a notice")
    if not 0 <= position <= INTEGER_MAX or not 0 < number <= INTEGER_MAX:
        raise Wrong("its place is out of bounds")
    hashed, parted = _hash(item, facts), "withheld" in item
    return Entry(position, _entity(entity), kind, number, _instant(recorded), hashed, parted)


def _hash(item: Mapping[str, Any], facts: Mapping[str, Any]) -> bytes:
    match item:
        case {"salt": _, "withheld": _} | {"salt": _, "commitment": _} | {"leaf": _, "withheld": _}:
            raise Wrong("it is shown both whole and in part")
        case {"withheld": withheld, "commitment": str(given), "event": dict(event), "sequence": _}:
            _require_part(event, withheld)
            return leaf_hash(_leaf(facts, event, decoded(given, HASH_BYTES)))
        case {"salt": str(salt), "event": dict(event)}:
            committed = commitment(_decoded(salt), canonical(event))
            return leaf_hash(_leaf(facts, event, committed))
        case {"leaf": dict(leaf)}:
            told = {name: leaf.get(name) for name in facts}
            if told != facts:
                raise Wrong("its leaf says something else than the entry")
            return leaf_hash(canonical(leaf))
    raise Wrong("there is neither its content nor its leaf")


def _require_part(event: Mapping[str, Any], withheld: Any) -> None:
    try:
        require_part("it", event, withheld)
    except (KeyError, TypeError, AttributeError) as error:
        raise Wrong("it is shown in part, and not as such a part is") from error


def _leaf(facts: Mapping[str, Any], event: Mapping[str, Any], committed: bytes) -> bytes:
    entity, recorded_at = facts["entity"], facts["recorded_at"]
    if "notice" in facts:
        return notice_leaf(entity, facts["notice"], facts["due"], recorded_at, committed)
    source = event.get("source")
    if not isinstance(source, str):
        raise Wrong("its content names no source")
    if event.get("subject") != entity:
        raise Wrong("its content is about another entity")
    return event_leaf(entity, facts["sequence"], recorded_at, source, committed)


def _entity(entity: str) -> str:
    if len(entity) > ENTITY_MAX or not entity.isprintable():
        raise Wrong("its entity is not written as one")
    return entity


def _instant(text: str) -> datetime:
    try:
        found = instants.parse(text)
    except ValueError as error:
        raise Wrong("its time is not written as one") from error
    if instants.text(found) != text:
        raise Wrong("its time is not written in UTC with microseconds")
    return found


def _decoded(salt: str) -> bytes:
    try:
        return b64decode(salt, validate=True)
    except ValueError as error:
        raise Wrong("its salt is not base64") from error
