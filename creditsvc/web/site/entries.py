"""What a form asks for an event's data: made from the catalogue, and read back as data.

Nothing is checked here: what was filled in goes through the same admission as what comes by the interface.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from creditsvc.domain.catalogue import Catalogue, EventType, Field
from creditsvc.web.site.forms import Fields
from creditsvc.web.site.language import Words

ROWS = 3  # of documents: the interface takes more
# What the page fills in: which record and case an event is about, and which decision.
FILLED = frozenset({"record", "record_source", "objection", "repair", "decision"})
# Kinds of fields of a record that a page can correct; the interface corrects all.
CORRECTED = frozenset({"text", "line", "date", "code", "money", "count"})
_LONG = 256  # from so many characters on, a text has several lines


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing to be filled in."""

    name: str
    kind: str
    title: str
    required: bool
    limit: int | None
    options: tuple[tuple[str, str], ...] = ()
    value: str = ""  # what stands there before anything is typed
    currency: str = ""

    @property
    def long(self) -> bool:
        return self.kind == "text" and (self.limit or 0) > _LONG


def asked(kind: EventType, catalogue: Catalogue, t: Words, also_required: Iterable[str] = ()) -> list[Entry]:
    """Give what is asked for an event of a type, what has to be said before what may be."""
    needed = kind.required | frozenset(also_required)
    names = [
        name for name in catalogue.fields if name in kind.required | kind.optional and name not in FILLED
    ]
    names.sort(key=lambda name: name not in needed)
    return [_entry(catalogue.fields[name], t, name, required=name in needed) for name in names]


def data_of(kind: EventType, catalogue: Catalogue, fields: Fields) -> dict[str, Any]:
    """Read what was filled in as data of an event of a type, but for what the page fills in."""
    found: dict[str, Any] = {}
    for name in sorted((kind.required | kind.optional) - FILLED):
        known = catalogue.fields[name]
        if known.kind == "documents":
            if documents := list(_documents(name, fields)):
                found[name] = documents
        elif known.kind != "changes" and name in fields:
            found[name] = fields[name]
    return found


def _documents(name: str, fields: Fields) -> Iterator[dict[str, str]]:
    for row in range(ROWS):
        parts = {part: fields.get(f"{name}.{row}.{part}") for part in ("reference", "sha256")}
        given = {part: value for part, value in parts.items() if value is not None}
        if "sha256" in given:
            given["sha256"] = given["sha256"].lower()
        if given:
            yield given


def corrected(opening: EventType, data: Mapping[str, Any], catalogue: Catalogue, t: Words) -> list[Entry]:
    """Give the fields of a record that a page can correct, with what stands there."""
    return [
        _entry(known, t, f"changes.{name}", required=name in opening.required, standing=data.get(name))
        for name, known in _corrected(opening, catalogue)
    ]


def changes_of(
    opening: EventType, data: Mapping[str, Any], catalogue: Catalogue, fields: Fields
) -> dict[str, Any]:
    """Read what is to be changed: what was filled in otherwise than it stands; null for what was emptied."""
    found: dict[str, Any] = {}
    for name, known in _corrected(opening, catalogue):
        given, standing = _given(f"changes.{name}", known, fields), data.get(name)
        if _text_of(given) != _text_of(standing):
            found[name] = given
    return found


def _corrected(opening: EventType, catalogue: Catalogue) -> Iterator[tuple[str, Field]]:
    for name in catalogue.fields:
        if name != "record" and name in opening.required | opening.optional:
            known = catalogue.fields[name]
            if known.kind in CORRECTED:
                yield name, known


def _given(name: str, known: Field, fields: Fields) -> Any:
    written = fields.get(name)
    if written is None:
        return None
    if known.kind == "money":
        return {"value": written, "currency": fields.get(f"{name}.currency", "")}
    if known.kind == "count" and written.isascii() and written.isdigit() and len(written) <= 15:
        return int(written)
    return written


def _text_of(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _entry(known: Field, t: Words, name: str, *, required: bool, standing: Any = None) -> Entry:
    value, currency = standing, ""
    if isinstance(standing, Mapping):
        value, currency = standing.get("value"), str(standing.get("currency", ""))
    return Entry(
        name=name,
        kind=known.kind,
        title=t.title(known.title),
        required=required,
        limit=next(iter(known.limits.values()), None),
        options=tuple((code, t.title(title)) for code, title in known.values.items()),
        value="" if value is None else str(value),
        currency=currency,
    )
