"""Rows made ready to send, in windows: how much is mapped and held at a time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import orjson

from creditsvc.loading.mapping import Event, FileMapping, RowUnfit
from creditsvc.loading.outcomes import Outcome
from creditsvc.loading.reading import SourceRow
from creditsvc.loading.repeats import Corrections, digest_of, entity_of

WINDOW_MAX_BYTES = 16 * 1024 * 1024  # of events in one window, besides its limit of rows


@dataclass(frozen=True, slots=True)
class Sending:
    """One row's event as it goes over the wire, and whose it is."""

    row: int
    entity: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Settled:
    """A row whose outcome is known without sending anything."""

    row: int
    outcome: Outcome


@dataclass(slots=True)
class Window:
    """Consecutive rows."""

    sendings: list[Sending] = field(default_factory=list)
    settled: list[Settled] = field(default_factory=list)
    size_bytes: int = 0

    @property
    def rows(self) -> int:
        return len(self.sendings) + len(self.settled)

    def take(self, row: Sending | Settled) -> None:
        if isinstance(row, Settled):
            self.settled.append(row)
        else:
            self.sendings.append(row)
            self.size_bytes += len(row.content)

    def lanes(self, count: int) -> list[list[Sending]]:
        """Deal the rows out to senders: one organisation's rows stay in one lane, in file order."""
        dealt: list[list[Sending]] = [[] for _ in range(count)]
        for sending in self.sendings:
            dealt[hash(sending.entity) % count].append(sending)
        return [lane for lane in dealt if lane]


def prepared(
    mapping: FileMapping, rows: Iterable[SourceRow], repeated: set[bytes], after: int = 0
) -> Iterator[Sending | Settled]:
    """Map the rows behind row ``after``. One that speaks again of its record becomes the correction of it.

    ``repeated`` holds the digests of the identities that occur more than once in the whole file.
    """
    corrections = Corrections(repeated)
    for row in rows:
        if row.number <= after and mapping.repeat is None:
            continue
        ready = _prepare(mapping, row, corrections)
        if row.number > after:
            yield ready


def windows(rows: Iterable[Sending | Settled], rows_max: int) -> Iterator[Window]:
    """Cut the rows into windows of at most ``rows_max`` and about ``WINDOW_MAX_BYTES``."""
    window = Window()
    for row in rows:
        window.take(row)
        if window.rows >= rows_max or window.size_bytes >= WINDOW_MAX_BYTES:
            yield window
            window = Window()
    if window.rows:
        yield window


def batches(lane: Iterable[Sending], events_max: int, bytes_max: int) -> Iterator[list[Sending]]:
    """Cut a lane into batches; an event larger than ``bytes_max`` goes alone."""
    batch: list[Sending] = []
    size = 0
    for sending in lane:
        if batch and (len(batch) >= events_max or size + len(sending.content) > bytes_max):
            yield batch
            batch, size = [], 0
        batch.append(sending)
        size += len(sending.content) + 1
    if batch:
        yield batch


def _prepare(mapping: FileMapping, row: SourceRow, corrections: Corrections) -> Sending | Settled:
    if row.fault is not None:
        return Settled(row.number, Outcome("rejected", (row.fault,)))
    try:
        event = mapping.event(row.values)
        told = _told(mapping, row, event, corrections) if mapping.repeat is not None else event
    except RowUnfit as unfit:
        return Settled(row.number, Outcome("rejected", unfit.violations))
    if told is None:
        return Settled(row.number, Outcome("unchanged"))
    return Sending(row.number, entity_of(event["subject"]), orjson.dumps(told))


def _told(mapping: FileMapping, row: SourceRow, event: Event, corrections: Corrections) -> Event | None:
    """Give the event to send for the row: its own, its record's correction, or None if it changes nothing."""
    data = event["data"]
    digest = digest_of((event["source"], event["type"], event["subject"], data["record"]))
    changes = corrections.changes(digest, data)
    told: Event | None = event
    if changes is not None:
        told = mapping.correction(row.values, event, changes) if changes else None
    corrections.tell(digest, data)
    return told
