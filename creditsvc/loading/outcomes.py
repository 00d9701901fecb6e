"""What became of the rows: the count of it, the report of those rejected, and how far a load has come."""

import csv
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import orjson

from creditsvc.errors import Violation
from creditsvc.loading.answers import printable
from creditsvc.loading.formulas import neutral

Fate = Literal["accepted", "duplicate", "rejected", "unchanged"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one row; ``unchanged`` repeats its record without a change, so nothing was sent."""

    fate: Fate
    violations: tuple[Violation, ...] = ()


@dataclass(slots=True)
class Tally:
    """How many rows met which fate; a row is counted once however often it was sent."""

    accepted: int = 0
    duplicate: int = 0
    rejected: int = 0
    unchanged: int = 0

    @property
    def rows(self) -> int:
        return self.accepted + self.duplicate + self.rejected + self.unchanged

    def count(self, fate: Fate) -> None:
        setattr(self, fate, getattr(self, fate) + 1)


@dataclass(slots=True)
class Standing:
    """How far a load has come: every row up to ``tally.rows`` has its answer."""

    load: str  # what is loaded where: digest of file, mapping and address
    tally: Tally = field(default_factory=Tally)
    report_bytes: int = 0  # length of the report of rejected rows by then


class StateFile:
    """Where a load keeps its standing, so that one that was cut off goes on from there."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Standing | None:
        """Give the standing that was kept; None when there is none that can be read."""
        try:
            kept = orjson.loads(self.path.read_bytes())
            return Standing(str(kept["load"]), Tally(**kept["tally"]), int(kept["report_bytes"]))
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            return None

    def write(self, standing: Standing) -> None:
        """Keep the standing durably: it is on disk, whole, when this returns."""
        fresh = self.path.with_name(self.path.name + ".new")
        with fresh.open("wb") as file:
            file.write(orjson.dumps(asdict(standing), option=orjson.OPT_INDENT_2))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)
        directory = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)


class Report:
    """The rejected rows as CSV: row number, pointer into the event, code and words; never a value.

    The file is there exactly when a row was rejected.
    """

    COLUMNS = ("row", "pointer", "code", "detail")

    def __init__(self, path: Path, length: int) -> None:
        """Go on after ``length`` bytes; what follows them was written by a run that was cut off."""
        self.path = path
        self.length = length
        if length == 0:
            path.unlink(missing_ok=True)
        else:
            os.truncate(path, length)

    def add(self, rejected: Iterable[tuple[int, Iterable[Violation]]]) -> None:
        """Write rows down durably."""
        lines = [
            (number, _cell(fault.pointer), _cell(fault.code), _cell(fault.detail))
            for number, violations in rejected
            for fault in violations
        ]
        if not lines:
            return
        with self.path.open("a", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            if self.length == 0:
                writer.writerow(self.COLUMNS)
            writer.writerows(lines)
            file.flush()
            os.fsync(file.fileno())
            self.length = file.tell()


def _cell(text: str) -> str:
    """Make a text that is only read, in a spreadsheet and in a terminal: a service may write anything."""
    return printable(neutral(text))
