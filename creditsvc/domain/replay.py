"""A history entered anew, event by event: what each of its events was when it came. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from creditsvc.domain import instants
from creditsvc.domain.account import RecordKey, concerns_public
from creditsvc.domain.naming import UNNAMED, Namings, Renamed, renamed, tell, told_by
from creditsvc.domain.records import Entry, Erased, fold
from creditsvc.domain.standing import Rules, evaluate


@dataclass(frozen=True, slots=True)
class Replayed:
    """What the events come to when each is entered anew: flags, names, and how these changed."""

    opens: Sequence[bool]
    touches: Sequence[bool]
    namings: Namings
    renamed: Sequence[Renamed]


def replay(entity: str, entries: Sequence[Entry], rules: Rules) -> Replayed:
    """Work out what each event was when it came: first of its record, touching the public, naming."""
    zone = instants.zone_of(entity)
    namings = UNNAMED
    records: dict[RecordKey, list[Entry]] = {}
    opens: list[bool] = []
    touches: list[bool] = []
    changes: list[Renamed] = []
    for entry in entries:
        own = records.setdefault((entry.record, entry.holder), [])
        was = bool(own) and _concerned_public(own, entry.recorded_at, rules, zone)
        own.append(entry)
        if entry.erased is None:
            record = fold(own, rules.catalogue)
            now = evaluate(record, entry.recorded_at, rules, zone)
            told = tell(namings, own, record, rules.catalogue, public=now.public)
            touched = was or now.concerns_public
        else:
            told, touched = _told_erased(namings, own, entry.erased, rules), entry.erased.touched_public
        changes += renamed(namings, told, entry.recorded_at)
        namings = told
        opens.append(len(own) == 1)
        touches.append(touched)
    return Replayed(opens, touches, namings, changes)


def _told_erased(namings: Namings, own: Sequence[Entry], last: Erased, rules: Rules) -> Namings:
    if not any(rules.catalogue.types[entry.type].role in {"opens", "states"} for entry in own):
        return namings
    return told_by(namings, own, rules.catalogue, public=last.public)


def _concerned_public(own: Sequence[Entry], at: datetime, rules: Rules, zone: ZoneInfo) -> bool:
    """Tell whether a record concerned the public; of one that was erased its events say it themselves."""
    return own[-1].erased is None and concerns_public(own, at, rules, zone)
