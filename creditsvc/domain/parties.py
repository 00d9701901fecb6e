"""Who speaks of a record: the source that holds it, another, or the organisation for itself."""

from collections.abc import Mapping
from typing import Any

_PREFIX = "urn:entity:"


def party(entity: str) -> str:
    """Give the source of what an organisation itself states; an agency can never have it."""
    return _PREFIX + entity


def is_party(source: str) -> bool:
    """Tell whether a source is an organisation's own, however it is spelt (URNs begin in any case)."""
    return source.lower().startswith(_PREFIX)


def holder_of(source: str, data: Mapping[str, Any]) -> str:
    """Give the source that handed in the record that a statement is about: its own, or one that it names."""
    return str(data.get("record_source", source))
