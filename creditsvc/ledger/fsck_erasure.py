"""fsck of what was erased: that it was due, that all of it is gone, and that what has to be kept is there.

What an erased event said nobody can tell any more. What stands in the log still can be: its commitment gives
its leaf hash, and the notice by which the legal life of its record was over has its place there, too.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime

from creditsvc.domain.account import RecordKey
from creditsvc.domain.notices import RETIRED
from creditsvc.domain.profile import Line
from creditsvc.ledger.entries import Row, stored_line
from creditsvc.ledger.fsck_rows import Moment, Stored, key_of, place_of

Records = Mapping[RecordKey, Row]


def check_erasures(stored: Stored, moment: Moment) -> Iterator[str]:
    """Check what was erased of an organisation, and that nothing else is without content."""
    records = {(row["record"], row["source"]): row for row in stored.records if row["erased"]}
    for kind, rows in (("event", stored.events), ("notice", stored.notices)):
        for row in rows:
            if (fault := _fault(row, records)) is not None:
                yield f"{moment.name(place_of(row, kind))}: {fault}"
    for key, row in records.items():
        if stored_line(row) != _blank(key, row["retired_from"]):
            yield f"{stored.entity}: record {key[0]}: was erased, and something of it is still shown"
        if not _was_over(key, row, stored):
            yield f"{stored.entity}: record {key[0]}: was erased, and no notice says that its time was over"


def _fault(row: Row, records: Records) -> str | None:
    record = records.get(key_of(row))
    if row["content"] is not None:
        if row["erased_commitment"] is not None or record is not None:
            return "was erased, and its content is still there"
        return None
    if row["erased_commitment"] is None:
        return "its content is gone, and nothing says that it was erased"
    if record is None or (row["erased_record"], row["erased_source"]) != key_of(row):
        return "was erased, and its record was not"
    if row["retired_from"] != record["retired_from"]:
        return "was erased for another time than its record"
    return None


def _was_over(key: RecordKey, record: Row, stored: Stored) -> bool:
    """Whether the log says when its time was over. What was said of it later moves no more than the row."""
    over = record["retired_from"]
    if over is None:
        return False
    last = max((row["recorded_at"] for row in stored.events if key_of(row) == key), default=None)
    told = (row for row in stored.notices if (row["record"], row["source"]) == key and row["type"] == RETIRED)
    return any(row["due"] == over or row["due"] < over == last for row in told)


def _blank(key: RecordKey, retired_from: datetime | None) -> Line:
    return Line(
        record=key[0],
        source=key[1],
        record_class=None,
        standing=False,
        public=False,
        objected=False,
        listing=False,
        since=None,
        contribution=None,
        points_until=None,
        next_change=None,
        retired_from=retired_from,
    )
