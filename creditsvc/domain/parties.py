"""An organisation as one who speaks for itself: the source under which its own statements are recorded."""

_PREFIX = "urn:entity:"


def party(entity: str) -> str:
    """Give the source of what an organisation itself states; an agency can never have it."""
    return _PREFIX + entity


def is_party(source: str) -> bool:
    """Tell whether a source is an organisation's own, however it is spelt (URNs begin in any case)."""
    return source.lower().startswith(_PREFIX)
