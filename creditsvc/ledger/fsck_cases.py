"""fsck of the clocks of one organisation: what its events come to, against the rows of the desk."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from creditsvc.domain import instants
from creditsvc.domain.account import RecordKey
from creditsvc.domain.open_cases import open_cases
from creditsvc.domain.records import Entry, fold
from creditsvc.domain.standing import Rules
from creditsvc.ledger.entries import Row
from creditsvc.ledger.open_cases import row_of

_CLOCKS_DIFFER = timedelta(hours=1)  # ours and the database's, at most
_DUE = slice(15, 18)  # due, certain, calendar: what depends on the calendar


def check_cases(entity: str, entries: Sequence[Entry], stored: Sequence[Row], rules: Rules) -> Iterator[str]:
    """Say which clocks are not those that run; what another calendar than ours counted is not compared."""
    expected = {row[1:5]: row for row in _expected(entity, entries, rules)}
    for row in stored:
        found = (*tuple(row)[:17], " ".join(map(str, row["calendar"])))
        name = f"{row['kind']} {row['number']} on record {row['record']}"
        wanted = expected.pop(found[1:5], None)
        if wanted is None:
            yield f"{name}: no clock runs, and there is one"
        elif found[:15] != wanted[:15]:
            yield f"{name}: its clock is not what its events come to"
        elif found[17] == wanted[17] and found[_DUE] != wanted[_DUE]:
            yield f"{name}: is not due when its clock is over"
    over = datetime.now(UTC) + _CLOCKS_DIFFER
    for (record, _, kind, number), missing in expected.items():
        if missing[10] != "appeal" or missing[15] > over:  # one that is over may have been taken off
            yield f"{kind} {number} on record {record}: its clock is missing"


def _expected(entity: str, entries: Sequence[Entry], rules: Rules) -> Iterator[tuple[Any, ...]]:
    records: dict[RecordKey, list[Entry]] = {}
    moved: set[RecordKey] = set()
    for one in entries:
        key = (one.record, one.holder)
        records.setdefault(key, []).append(one)
        if rules.catalogue.types[one.type].role == "moves":
            moved.add(key)
    zone = instants.zone_of(entity)
    for key in sorted(moved):
        for case in open_cases(fold(records[key], rules.catalogue), rules, zone):
            yield row_of(entity, case)
