"""The work on a sheet in a process of its own: ``python -m creditsvc.handin.apart``.

It takes seconds of a processor, and what was handed in is hostile until it is read: so nothing of it happens
where requests are answered. One order on standard input, one answer on standard output, and the process is
gone, with all that the file held. It has nothing of the service's environment, neither its database nor its
secrets; what the writing of an .xlsx puts aside lies in a directory that goes with it. An order and an answer
are a line of JSON, and then bytes.
"""

import gc
import os
import resource
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any, Final

import orjson

from creditsvc.domain import catalogue
from creditsvc.errors import SheetUnreadable, Violation
from creditsvc.handin import bounds, packing
from creditsvc.handin.checking import Checked, CheckedRow, answered, check
from creditsvc.handin.reading import read
from creditsvc.handin.understanding import understood
from creditsvc.logs import error_fields

SHOWN_ROWS: Final = 100  # of each sort: a page of thousands cannot be used
PROCESSOR_MAX_S: Final = 60
MEMORY_MAX_BYTES: Final = 2 * 1024 * 1024 * 1024
FILE_MAX_BYTES: Final = 128 * 1024 * 1024
_NICENESS: Final = 5  # look-ups come first; it has to come along on a busy machine, too

Order = Mapping[str, Any]
Answer = tuple[dict[str, Any], bytes]


def main() -> None:
    """Do what is ordered; the status is 1 for what failed, and then the answer says where."""
    _confine()
    order, _, content = sys.stdin.buffer.read().partition(b"\n")
    try:
        said, given = perform(orjson.loads(order), content)
    except SheetUnreadable as refusal:
        said, given = _unreadable(refusal)
    except MemoryError:
        said, given = _unreadable(bounds.unreadable("memory"))
    except Exception as error:  # noqa: BLE001  its text may hold what was handed in: only places are told
        sys.stdout.buffer.write(orjson.dumps({"failed": error_fields(error)}) + b"\n")
        sys.exit(1)
    sys.stdout.buffer.write(orjson.dumps(said) + b"\n")
    sys.stdout.buffer.write(given)


def _unreadable(refusal: SheetUnreadable) -> Answer:
    return {"unreadable": [refusal.code, dict(refusal.figures)]}, b""


def perform(order: Order, content: bytes) -> Answer:
    """Check a file, give the rejected rows of what was packed, or take in what the service refused of it."""
    return _WORK[order["do"]](order, content)


def _check(order: Order, content: bytes) -> Answer:
    sheet = read(content, order["name"], order["kind"])
    rules = catalogue.load()
    checked = check(sheet, order["source"], datetime.fromisoformat(order["now"]), rules)
    ready = [understood(row, checked, rules) for row in checked.ready]
    cleaned = [row for row in ready if row.cleaned]
    shown = (cleaned + [row for row in ready if not row.cleaned])[:SHOWN_ROWS]
    said = _described(checked) | {"cleaned": len(cleaned), "understood": [asdict(row) for row in shown]}
    return said, packing.pack(checked) if checked.rows else b""


def _give(order: Order, content: bytes) -> Answer:
    from creditsvc.handin import giving  # noqa: PLC0415  what writes .xlsx takes a third of the start

    return {}, giving.rejected(packing.unpack(content), order["language"], order["form"])


def _answer(order: Order, content: bytes) -> Answer:
    """Take in the service's refusals, by row; of those rows it says why, and packs what is rejected."""
    refusals = {
        int(number): [Violation(*violation) for violation in violations]
        for number, violations in order["refusals"].items()
    }
    checked = answered(packing.unpack(content), refusals)
    rejected = replace(checked, rows=checked.rejected)
    refused = replace(checked, rows=tuple(row for row in checked.rows if row.number in refusals))
    return _described(refused), packing.pack(rejected)


def _described(checked: Checked) -> dict[str, Any]:
    rejected = checked.rejected
    return {
        "kind": checked.kind,
        "reasons": packing.told(checked.reasons),
        "notices": packing.told(checked.notices),
        "rows": len(checked.rows),
        "ready": len(checked.ready),
        "rejected": len(rejected),
        "refused_rows": [_refused(row) for row in rejected[:SHOWN_ROWS]],
    }


def _refused(row: CheckedRow) -> dict[str, Any]:
    """Say of a rejected row where it is and why, and what finds it again: its cells without people."""
    shown = row.shown
    document = shown.get("penalty_no") or shown.get("licence_decision_no") or ""
    return {
        "number": row.number,
        "name": shown.get("subject_name", "")[:256],
        "document": document[:128],
        "reasons": packing.told(row.reasons),
    }


_WORK: Mapping[str, Callable[[Order, bytes], Answer]] = {"check": _check, "give": _give, "answer": _answer}


def _confine() -> None:
    for limit, most in (
        (resource.RLIMIT_CPU, PROCESSOR_MAX_S),
        (resource.RLIMIT_AS, MEMORY_MAX_BYTES),
        (resource.RLIMIT_FSIZE, FILE_MAX_BYTES),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (most, most))
    os.nice(_NICENESS)
    gc.disable()  # it ends before a cycle matters


if __name__ == "__main__":
    main()
