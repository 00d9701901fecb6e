"""What is kept of a record whose content is erased: what it did to names and views still follows. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from creditsvc.domain.account import last_public_change
from creditsvc.domain.records import Entry, fold
from creditsvc.domain.standing import Rules, evaluate


@dataclass(frozen=True, slots=True)
class Trace:
    """What is kept of one event: what it called the organisation, and whether its record was public then."""

    sequence: int
    name: str | None
    status: str | None
    public: bool


@dataclass(frozen=True, slots=True)
class Residue:
    """What is kept of one record: its events' traces, and when time last changed what the public saw."""

    traces: tuple[Trace, ...]
    public_changed_at: datetime | None


def residue(entries: Sequence[Entry], at: datetime, rules: Rules, zone: ZoneInfo) -> Residue:
    """Work out what is kept of a record (its events, by sequence), as it stands at an instant."""
    traces = tuple(_trace(entries[:length], rules, zone) for length in range(1, len(entries) + 1))
    return Residue(traces, last_public_change([*entries], at, None, rules, zone))


def _trace(entries: Sequence[Entry], rules: Rules, zone: ZoneInfo) -> Trace:
    last = entries[-1]
    data = {**last.data, **(last.data.get("changes") or {})}
    public = evaluate(fold(entries, rules.catalogue), last.recorded_at, rules, zone).public
    return Trace(last.sequence, data.get("entity_name"), data.get("status"), public)
