"""What was checked, packed small: what a browser carries, sealed, from the check to the sending.

Lines of JSON, compressed: what the sheet is, then its rows, those that are ready first. Nothing is in it that
may not be shown: cells come as `CheckedRow.shown` has them.
"""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from creditsvc.errors import Malformed
from creditsvc.handin import bounds
from creditsvc.handin.bounds import unreadable
from creditsvc.handin.checking import Checked, CheckedRow
from creditsvc.handin.reasons import Reason

_LEVEL: Final = 6


@dataclass(frozen=True, slots=True)
class Ready:
    """A row that is ready: its number and its event."""

    number: int
    event: Any


def pack(checked: Checked) -> bytes:
    """Pack what was checked; ``SheetUnreadable`` for more than a browser should carry."""
    ready, rejected = checked.ready, checked.rejected
    counts = {"ready": len(ready), "rejected": len(rejected)}
    head = {"kind": checked.kind, "headers": checked.headers} | counts
    rows = (*ready, *rejected)
    lines = b"\n".join([orjson.dumps(head), *(orjson.dumps(_row(row)) for row in rows)])
    packed = zlib.compress(lines, _LEVEL)
    if len(packed) > bounds.PACKED_MAX_BYTES or len(lines) > bounds.UNPACKED_MAX_BYTES:
        raise unreadable("packed", limit=bounds.PACKED_MAX_BYTES // 2**20)
    return packed


def unpack(packed: bytes) -> Checked:
    """Give back what was checked, but for the notices, which are of the file."""
    head, *lines = inflated(packed).split(b"\n")
    about = orjson.loads(head)
    return Checked(about["kind"], about["headers"], (), (), tuple(map(_unpacked, lines)))


def inflated(packed: bytes) -> bytes:
    """Inflate, never to more than the bound; ``Malformed`` for what was not packed here."""
    stream = zlib.decompressobj()
    try:
        lines = stream.decompress(packed, bounds.UNPACKED_MAX_BYTES)
    except zlib.error:
        raise Malformed("What was packed cannot be read.") from None
    if not stream.eof:
        raise Malformed("What was packed cannot be read.")
    return lines


def counts_in(lines: bytes) -> tuple[int, int]:
    """Tell how many rows are ready and how many rejected, of what was inflated."""
    head = orjson.loads(lines.partition(b"\n")[0])
    return head["ready"], head["rejected"]


def parts(lines: bytes, most: int) -> Iterator[list[Ready]]:
    """Read the rows that are ready out of what was inflated, so many at a time."""
    found: list[Ready] = []
    begin = lines.find(b"\n") + 1
    while 0 < begin < len(lines):
        end = lines.find(b"\n", begin)
        end = len(lines) if end < 0 else end
        number, event, *_ = orjson.loads(lines[begin:end])
        if event is None:  # from here on, none is ready
            break
        found.append(Ready(number, event))
        if len(found) == most:
            yield found
            found = []
        begin = end + 1
    if found:
        yield found


def told(reasons: Sequence[Reason]) -> list[Any]:
    """Write reasons as JSON."""
    return [[one.column, one.code, dict(one.figures)] for one in reasons]


def heard(written: Sequence[Any]) -> tuple[Reason, ...]:
    return tuple(Reason(column, code, figures) for column, code, figures in written)


def _row(row: CheckedRow) -> list[Any]:
    return [row.number, row.event, told(row.reasons), dict(row.shown)]


def _unpacked(line: bytes) -> CheckedRow:
    number, event, reasons, shown = orjson.loads(line)
    return CheckedRow(number, event, heard(reasons), shown)
