"""What a row that is ready was understood to say, and where that is not how its cells write it.

Whoever hands in sees it before anything is sent. A row is ready only when no person was found in any of its
cells, so that its cells can be shown.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from creditsvc.domain.catalogue import Catalogue
from creditsvc.handin import cells, columns
from creditsvc.handin.cells import Cell
from creditsvc.handin.checking import Checked, CheckedRow

_SHOWN_CHARS: Final = 60
_AS_USUAL: Final = frozenset(("nothing", "no-end", "amount"))
_PLAIN_AMOUNT: Final = re.compile(r"[0-9]+(\.[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Note:
    """A cell that was read otherwise than it is written: how, as what, and an amount in yuan.

    Nothing, no end, and an amount in plain figures are as sheets usually have them.
    """

    column: str
    code: str  # nothing, no-end, day, code, line, amount (in plain figures) or money (written otherwise)
    written: str
    read: str


@dataclass(frozen=True, slots=True)
class Understood:
    """A row in short."""

    number: int
    day: str
    name: str
    code: str
    document: str
    notes: tuple[Note, ...]

    @property
    def cleaned(self) -> bool:
        return any(note.code not in _AS_USUAL for note in self.notes)


def understood(row: CheckedRow, checked: Checked, catalogue: Catalogue) -> Understood:
    """Say what a row that is ready was understood to be."""
    event = row.event or {}
    data = event["data"]
    return Understood(
        row.number,
        data["decided_on"],
        data["entity_name"],
        event["subject"].partition(":")[2],
        data["record"],
        tuple(_notes(row, checked, catalogue)),
    )


def _notes(row: CheckedRow, checked: Checked, catalogue: Catalogue) -> Iterator[Note]:
    kind = columns.kind(checked.kind)
    for key, text in row.shown.items():
        holds = kind.columns[key].holds
        if cells.is_nothing(text):
            yield Note(key, "nothing", _short(text), "")
        elif holds in _READ_AS:
            read = cells.converted(holds, Cell(text, checked.headers.get(key, ""), catalogue))
            if read is None:
                yield Note(key, "no-end", _short(text), "")
            elif holds == "money":
                plain = _PLAIN_AMOUNT.fullmatch(text)
                yield Note(key, "amount" if plain else "money", _short(text), f"{Decimal(read):,}")
            elif read != text:
                yield Note(key, _READ_AS[holds], _short(text), _short(read))


_READ_AS: Final = {"date": "day", "end": "day", "code": "code", "line": "line", "money": "money"}


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"
