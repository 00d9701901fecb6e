"""A sheet checked row by row before anything is sent: what each row becomes, or every reason why not.

A row that is found ready here is one that ingest takes: it went through the same mapping as a load and the
same decoding as a request. What only the service knows stays open: the key's rights, the records that stand.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any, Final

from creditsvc.domain import events, persons
from creditsvc.domain.canonical import canonical
from creditsvc.domain.catalogue import Catalogue
from creditsvc.errors import Refusal, Violation
from creditsvc.handin import cells, columns, people
from creditsvc.handin.cells import Cell
from creditsvc.handin.columns import Kind, KindName
from creditsvc.handin.reading import Row, Sheet
from creditsvc.handin.reasons import CellUnfit, Reason
from creditsvc.loading.mapping import EVENT_MAX_BYTES, Event, FileMapping, RowUnfit

_FILLED_MIN: Final = 2  # cells; a row with fewer is a remark or a signature, not a record
_YUAN_SPOKEN: Final = re.compile(r"([0-9][0-9,]*(?:\.[0-9]+)?) *(亿|万)?元")
_LETTERS: Final = str.maketrans("0123456789abcdef", "abcdefghijklmnop")


@dataclass(frozen=True, slots=True)
class CheckedRow:
    """A row: the event that it becomes, or the reasons why not. ``shown`` are its cells without people."""

    number: int
    event: Event | None
    reasons: tuple[Reason, ...]
    shown: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Checked:
    """A sheet. With ``reasons`` of its own, it is refused whole, without rows; ``notices`` refuse nothing."""

    kind: KindName
    headers: Mapping[str, str]
    reasons: tuple[Reason, ...]
    notices: tuple[Reason, ...]
    rows: tuple[CheckedRow, ...]

    @property
    def ready(self) -> tuple[CheckedRow, ...]:
        return tuple(row for row in self.rows if row.event is not None)

    @property
    def rejected(self) -> tuple[CheckedRow, ...]:
        return tuple(row for row in self.rows if row.event is None)


@dataclass(frozen=True, slots=True)
class _Check:
    """What rows are checked against."""

    kind: Kind
    headers: Mapping[str, str]
    source: str
    now: datetime
    catalogue: Catalogue


def check(sheet: Sheet, source: str, now: datetime, catalogue: Catalogue) -> Checked:
    """Check a sheet that the agency of ``source`` hands in at ``now``."""
    against = _Check(columns.kind(sheet.kind), sheet.headers, source, now, catalogue)
    wrong = _wrong_with_columns(sheet, against.kind)
    rows = () if wrong else _without_repeats([_checked(row, against) for row in sheet.rows], against.kind)
    return Checked(sheet.kind, sheet.headers, wrong, _notices(sheet), tuple(rows))


def answered(checked: Checked, refusals: Mapping[int, Sequence[Violation]]) -> Checked:
    """Take the service's own refusals, by row number, into what was checked: those rows are rejected, too."""
    kind = columns.kind(checked.kind)
    rows = (
        replace(row, event=None, reasons=tuple(_from_violations(refusals[row.number], kind, ())))
        if row.number in refusals and row.event is not None
        else row
        for row in checked.rows
    )
    return replace(checked, rows=tuple(rows))


def _wrong_with_columns(sheet: Sheet, kind: Kind) -> tuple[Reason, ...]:
    wrong = [Reason(key, "column-twice") for key in sheet.twice]
    for key in kind.columns:
        if key in kind.required and key not in sheet.headers:
            meant = kind.meant(key, sheet.unknown)
            wrong.append(
                Reason(key, "column-misspelt", {"header": meant}) if meant else Reason(key, "column-missing")
            )
    return tuple(wrong)


def _notices(sheet: Sheet) -> tuple[Reason, ...]:
    notices = []
    if sheet.personal:
        notices.append(Reason(None, "personal-columns", {"headers": _listed(sheet.personal)}))
    if sheet.unknown:
        notices.append(Reason(None, "unknown-columns", {"headers": _listed(sheet.unknown)}))
    if sheet.hidden_rows:
        notices.append(Reason(None, "hidden-rows", {"count": sheet.hidden_rows}))
    return tuple(notices)


def _listed(headers: Sequence[str]) -> str:
    """List headers; none if a person's number would stand in the list, each with a part of it."""
    shown = headers[:20]
    joined = "".join("".join(filter(str.isalnum, header)) for header in shown)
    listed = ", ".join(shown)
    if persons.find(listed) or persons.find(joined):
        return cells.MASK
    return listed + (" …" if len(headers) > 20 else "")


def _checked(row: Row, against: _Check) -> CheckedRow:
    kind = against.kind
    values = {key: text for key, text in row.values.items() if not cells.is_nothing(text)}
    hits = people.found(kind, values)
    subject = people.is_subject(values, hits)
    stray = len(values) < _FILLED_MIN
    if stray:
        return CheckedRow(row.number, None, (Reason(None, "stray"),), dict.fromkeys(row.values, cells.MASK))
    shown = people.masked(row.values, hits, subject=subject)
    if subject or hits:
        found = tuple(Reason(key, code) for key, code in hits.items())
        told = (Reason(_telling(values), "natural-person"),) if subject else found
        return CheckedRow(row.number, None, told, shown)
    record = _places(kind.name)["/data/record"]
    if values.get(record) == kind.example[record]:
        return CheckedRow(row.number, None, (Reason(None, "example"),), shown)
    event, reasons = _event(values, against)
    if any(reason.code in people.CODES for reason in reasons):  # what the search of the single cells missed
        shown = people.masked(row.values, {}, subject=True)
    return CheckedRow(row.number, None if reasons else event, tuple(reasons), shown)


def _telling(values: Mapping[str, str]) -> str:
    """Name the column by which a row shows that it is about a person."""
    return "subject_kind" if cells.names_people(values.get("subject_kind", "")) else "subject_code"


def _event(values: Mapping[str, str], against: _Check) -> tuple[Event | None, list[Reason]]:
    """Make the row's event and find everything that is wrong, each column's first fault alone."""
    said, reasons = _said(values, against)
    reasons += _contradictions(values, said, against)
    reasons += [Reason(key, "missing") for key in against.kind.columns if _lacks(key, values, against)]
    event: Event | None = None
    try:
        event = _mapping(against.kind.name).event({"source": against.source, **said})
        event["id"] = _identity(event)
        events.decode(event, against.catalogue, against.now, max_bytes=EVENT_MAX_BYTES)
    except RowUnfit as unfit:
        violations: Sequence[Violation] = unfit.violations
    except Refusal as refusal:
        violations = refusal.violations or (Violation("", refusal.slug, refusal.detail),)
    else:
        violations = ()
    return event, [*reasons, *_from_violations(violations, against.kind, {one.column for one in reasons})]


def _lacks(key: str, values: Mapping[str, str], against: _Check) -> bool:
    return key in against.kind.required and key not in values


def _said(values: Mapping[str, str], against: _Check) -> tuple[dict[str, str], list[Reason]]:
    said, reasons = dict[str, str](), list[Reason]()
    for key, text in values.items():
        cell = Cell(text, against.headers.get(key, ""), against.catalogue)
        try:
            says = cells.converted(against.kind.columns[key].holds, cell)
        except CellUnfit as unfit:
            swapped = unfit.code == "text-here" and cells.is_organisation(values.get("subject_name", ""))
            code, figures = ("swapped", {"other": "subject_name"}) if swapped else (unfit.code, unfit.figures)
            reasons.append(Reason(key, code, figures))
        else:
            if says is not None:
                said[key] = says
    return said, reasons


def _contradictions(values: Mapping[str, str], said: Mapping[str, str], against: _Check) -> list[Reason]:
    """Find what is well written in itself and cannot be together with the rest of the row."""
    found = [
        Reason(last, "end-before-begin", {"other": first})
        for first, last in against.kind.spans
        if first in said and last in said and said[last] < said[first]
    ]
    found += [
        Reason(key, "amount-in-yuan", {"other": "content"})
        for key in ("fine", "confiscated")
        if key in said and _is_yuan(values[key], said[key], said.get("content", ""))
    ]
    return list({reason.column: reason for reason in reversed(found)}.values())


def _is_yuan(written: str, yuan: str, content: str) -> bool:
    """Tell whether an amount in 万元 is what the decision's own words have in 元."""
    amount = cells.plain(written).replace(",", "").strip()
    spoken = [
        (figure.replace(",", ""), cells.UNITS[f"{unit}元"])
        for figure, unit in _YUAN_SPOKEN.findall(cells.plain(content))
    ]
    if not amount.replace(".", "", 1).isdecimal() or any(
        Decimal(figure) * scale == Decimal(yuan) for figure, scale in spoken
    ):
        return False
    return any(scale == 1 and Decimal(figure) == Decimal(amount) for figure, scale in spoken)


def _identity(event: Event) -> str:
    """Give the id of an event: of all that it says, so that saying it again is a duplicate.

    In letters only: figures in a row may look like a person's number.
    """
    told = {name: value for name, value in event.items() if name != "id"}
    return f"sheet/{hashlib.sha256(canonical(told)).hexdigest()[:40].translate(_LETTERS)}"


@cache
def _mapping(kind: KindName) -> FileMapping:
    text = resources.files(__package__).joinpath("mappings", f"{kind}.toml").read_text(encoding="utf-8")
    return FileMapping.parse(text)


@cache
def _places(kind: KindName) -> Mapping[str, str]:
    """Give the column that fills each place in an event, by its pointer."""
    return {
        where.removeprefix("event").replace(".", "/"): column for where, column in _mapping(kind).columns()
    }


def _from_violations(
    violations: Iterable[Violation], kind: Kind, faulty: Iterable[str | None]
) -> list[Reason]:
    """Say of the sheet's columns what is wrong with an event; a column that has a reason needs no second."""
    told = set(faulty)
    reasons = []
    for violation in violations:
        column = _column_at(violation.pointer, kind)
        if column in told or (violation.pointer == "/id" and told):
            continue
        told.add(column)
        figures: dict[str, str | int] = {"detail": violation.detail}
        if limit := re.search("[0-9]+", violation.detail):
            figures["limit"] = int(limit[0])
        reasons.append(Reason(column, people.RULES.get(violation.code, violation.code), figures))
    return reasons


def _column_at(pointer: str, kind: Kind) -> str | None:
    places = _places(kind.name)
    if pointer in places:
        found = places[pointer]
        return found if found in kind.columns else None
    return next(
        (column for place, column in places.items() if pointer and place.startswith(f"{pointer}/")), None
    )


def _without_repeats(rows: Sequence[CheckedRow], kind: Kind) -> list[CheckedRow]:
    """Refuse what a sheet says twice: the second of two equal rows, and both of two that contradict."""
    by_record: dict[tuple[str, str], list[CheckedRow]] = {}
    for row in rows:
        if row.event is not None:
            by_record.setdefault((row.event["subject"], row.event["data"]["record"]), []).append(row)
    record = _places(kind.name)["/data/record"]
    refused: dict[int, Reason] = {}
    for first, *others in by_record.values():
        for other in others:
            if _says(other) == _says(first):
                refused[other.number] = Reason(record, "repeated", {"row": first.number})
            else:
                refused[other.number] = Reason(record, "record-twice", {"row": first.number})
                refused.setdefault(first.number, Reason(record, "record-twice", {"row": other.number}))
    return [
        replace(row, event=None, reasons=(refused[row.number],)) if row.number in refused else row
        for row in rows
    ]


def _says(row: CheckedRow) -> Any:
    return row.event and row.event["id"]
