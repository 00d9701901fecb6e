"""fsck of one organisation: what its events come to, against what is stored. Rows in, faults out.

Every fault begins with whose it is: of the organisation, or of one of its entries, with its position in the
log where it has one.
"""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import zip_longest
from typing import Any

import orjson

from creditsvc.domain import instants, names
from creditsvc.domain.account import Past, account_at
from creditsvc.domain.canonical import canonical, leaf_hash
from creditsvc.domain.notices import Notice, expected, told_until
from creditsvc.domain.records import Entry
from creditsvc.domain.replay import Replayed, replay
from creditsvc.domain.standing import Rules
from creditsvc.ledger.entries import Place, Row, entry, leaf_of, stored_line
from creditsvc.ledger.fsck_cases import check_cases
from creditsvc.ledger.fsck_erasure import check_erasures
from creditsvc.ledger.fsck_rows import Moment, Stored, key_of, place_of
from creditsvc.ledger.profiles import written

MOST_MISSING = 10  # events of one organisation that are named each
ALTERED = "its leaf hash is not that of its content, place and time"
UNCOMMITTED = "its leaf hash is not that of the commitment that was kept of it, its place and time"


def check_entity(stored: Stored, moment: Moment, rules: Rules) -> Iterator[str]:
    """Check one organisation. Raises what folding rows raises that somebody made senseless."""
    yield from _check_sequence(stored, moment)
    yield from check_erasures(stored, moment)
    for kind, rows in (("event", stored.events), ("notice", stored.notices)):
        yield from _check_places(rows, kind, moment)
    for row in stored.events:
        yield from (f"{moment.name(place_of(row, 'event'))}: {fault}" for fault in _check_event(row))
    found = [row["sequence"] for row in stored.events]
    if not found or found != [*range(1, len(found) + 1)]:
        return
    entries = [entry(row) for row in stored.events]
    replayed = replay(stored.entity, entries, rules)
    for row in _flagged_otherwise(stored.events, replayed):
        yield f"{moment.name(place_of(row, 'event'))}: its flags are not what it comes to"
    yield from _check_notices(stored, entries, moment, rules)
    whole = [one for one in entries if one.erased is None]
    past = account_at(stored.entity, entries, replayed.namings, stored.row["shared_from"], rules)
    for fault in (
        *_check_records(past, stored.records, stored.events),
        *_check_profile(stored.row, past, rules),
        *_check_names(stored.names, replayed),
        *check_cases(stored.entity, whole, stored.cases, rules),
    ):
        yield f"{stored.entity}: {fault}"


def _check_sequence(stored: Stored, moment: Moment) -> Iterator[str]:
    """Check that the events are numbered from 1, without a gap, up to the version."""
    version, found = stored.row["version"], [row["sequence"] for row in stored.events]
    if version != len(found):
        yield f"{stored.entity}: has {len(found)} events where its version says {version}"
    known, missing = set(found), []
    for sequence in range(1, max(version, 0, *found) + 1):
        if sequence not in known:
            missing.append(sequence)
            if len(missing) > MOST_MISSING:
                break
    for sequence in missing[:MOST_MISSING]:
        yield f"{moment.name((stored.entity, 'event', sequence))}: is missing"
    if len(missing) > MOST_MISSING:
        yield f"{stored.entity}: so are more of its events"
    for row, before in zip(stored.events[1:], stored.events, strict=False):
        if row["recorded_at"] <= before["recorded_at"]:
            yield f"{moment.name(place_of(row, 'event'))}: recorded no later than the one before it"


def _check_places(rows: Sequence[Row], kind: str, moment: Moment) -> Iterator[str]:
    """Check that each entry has one position, in their order, or waits for one and may."""
    last = -1
    for row in rows:
        place = place_of(row, kind)
        found = moment.places.get(place, ())
        if len(found) > 1:
            yield f"{moment.name(place)}: stands there more than once"
        elif found and found[0] < last:
            yield f"{moment.name(place)}: stands before an earlier one, which is at position {last}"
        elif not found and (fault := _waits_wrongly(row, place, moment)):
            yield f"{moment.name(place)}: {fault}"
        last = max(last, *found) if found else last


def _waits_wrongly(row: Row, place: Place, moment: Moment) -> str | None:
    if place not in moment.waiting:
        return "has no position in the log, nor does it wait for one"
    if moment.complete_until is None or row["recorded_at"] >= moment.complete_until:
        return None
    if _leaf_hash(row, place) != row["leaf_hash"]:
        return "the log refuses it: it was altered before it had its position"
    recorded_at, until = instants.text(row["recorded_at"]), instants.text(moment.complete_until)
    return f"the log refuses it: it is back-dated, to {recorded_at}, and the log was complete until {until}"


def _leaf_hash(row: Row, place: Place) -> bytes | None:
    """Compute a leaf hash from the stored row; null where nothing is left to make it of."""
    commitment = row["commitment"]
    return None if commitment is None else leaf_hash(leaf_of(place, row, commitment))


def _check_event(row: Row) -> Iterator[str]:
    content = row["content"]
    if _leaf_hash(row, place_of(row, "event")) != row["leaf_hash"]:
        yield ALTERED if content is not None else UNCOMMITTED
    identity = (row["identity_entity"], row["identity_sequence"], row["content_sha256"])
    held = None if content is None else hashlib.sha256(content).digest()
    if identity != (row["entity_id"], row["sequence"], held):
        yield "its identity is missing or is another's, or tells another content"
    if content is None:
        return
    try:
        said: Any = orjson.loads(content)
    except orjson.JSONDecodeError:
        yield "its content is not JSON"
        return
    if not isinstance(said, dict):
        yield "its content is not an event"
        return
    if canonical(said) != content:
        yield "its content is not in canonical form"
    told = tuple(said.get(name) for name in ("source", "id", "type", "subject"))
    data = said.get("data")
    named = data.get("record_source", row["source"]) if isinstance(data, dict) else None
    told += (named,)
    if told != (row["source"], row["id"], row["type"], row["entity_id"], row["holder"] or row["source"]):
        yield "its columns say other than its content"


def _check_notices(stored: Stored, entries: Sequence[Entry], moment: Moment, rules: Rules) -> Iterator[str]:
    """Check that what time alone changed was told, once, and nothing else; as far as the profile goes."""
    due: Sequence[Notice] = ()
    # What took effect is the instant since which the profile holds, or before it.
    if moment.began_at is not None and stored.row["shared_from"] > moment.began_at:
        until = told_until(stored.row["shared_until"], stored.row["announced"], rules.schedule)
        due = expected(stored.entity, entries, moment.began_at, until, rules)
        due = sorted([*due, *_erased(stored)], key=lambda notice: notice.order)
    for number, (row, notice) in enumerate(zip_longest(stored.notices, due), 1):
        name = moment.name((stored.entity, "notice", number))
        if row is None:
            what = f"{notice.type} of record {notice.record}, at {instants.text(notice.due)}"
            yield f"{name}: is missing: {what}"
        elif row["number"] != number:
            yield f"{name}: is missing, and notice {row['number']} stands in its place"
            return
        else:
            if _leaf_hash(row, place_of(row, "notice")) != row["leaf_hash"]:
                yield f"{name}: {ALTERED if row['content'] is not None else UNCOMMITTED}"
            told = tuple(row[column] for column in ("due", "type", "record", "source", "content"))
            if notice is None:
                yield f"{name}: time alone did not change this"
            elif told != _row_of(notice, row):
                yield f"{name}: is not what time alone changed"
            elif row["recorded_at"] < row["due"]:
                yield f"{name}: was recorded before it was due"


def _erased(stored: Stored) -> Iterator[Notice]:
    """Take what was erased as it is stored: from the events it cannot be worked out any more."""
    for row in stored.notices:
        if row["content"] is None:
            yield Notice(stored.entity, row["due"], row["type"], row["record"], row["source"])


def _row_of(notice: Notice, row: Row) -> tuple[Any, ...]:
    content = None if row["content"] is None else notice.content
    return notice.due, notice.type, notice.record, notice.source, content


def _flagged_otherwise(events: Sequence[Row], replayed: Replayed) -> Iterator[Row]:
    for row, opens, touches in zip(events, replayed.opens, replayed.touches, strict=True):
        if (row["opens"], row["touches_public"]) != (opens, touches):
            yield row


def _check_names(borne: Sequence[Row], replayed: Replayed) -> Iterator[str]:
    following: dict[str, datetime] = {}
    expected: set[tuple[Any, ...]] = set()
    for one in reversed(replayed.renamed):
        expected.add((one.view, one.since, following.get(one.view), one.name, one.status))
        following[one.view] = one.since
    if expected != {(row["view"], row["since"], row["until"], row["name"], row["status"]) for row in borne}:
        yield "the names in the search index are not those it bears and bore"
    elif any(set(row["grams"] or ()) != names.grams(row["name"] or "") for row in borne):
        yield "the bigrams in the search index are not those of its names"


def _check_records(past: Past, stored: Sequence[Row], events: Sequence[Row]) -> Iterator[str]:
    sequences: dict[tuple[str, str], list[int]] = {}
    for row in events:
        sequences.setdefault(key_of(row), []).append(row["sequence"])
    expected = {(line.record, line.source): line for line in past.lines}
    for row in stored:
        key = (row["record"], row["source"])
        line = stored_line(row) if row["erased"] and key in sequences else expected.pop(key, None)
        if line is None:
            yield f"record {row['record']}: no event made it"
        elif line != stored_line(row):
            yield f"record {row['record']}: is not what its events come to"
        elif list(row["sequences"]) != sequences[key]:
            yield f"record {row['record']}: does not list its events"
    yield from (f"record {number}: is missing" for number, _ in expected)


def _check_profile(stored: Row, past: Past, rules: Rules) -> Iterator[str]:
    account = past.account
    shared, public = account.views["shared"], account.views["public"]
    expected = {
        "version": account.version,
        "recorded_at": account.recorded_at,
        "shared_naming": written(account.namings["shared"]),
        "public_naming": written(account.namings["public"]),
        "model": account.model,
        "announced": account.announced,
        "shared_summary": shared.summary.dump(),
        "shared_from": shared.since,
        "shared_until": shared.until,
        "shared_profile": past.profile("shared", rules),
        "public_summary": public.summary.dump(),
        "public_version": public.version,
        "public_from": public.since,
        "public_until": public.until,
        "public_profile": past.profile("public", rules),
    }
    for name, value in expected.items():
        if stored[name] != value:
            yield f"its {name} is not what its events come to"
