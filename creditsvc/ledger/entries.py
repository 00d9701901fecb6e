"""Stored events and records as the domain reads them."""

from base64 import b64encode
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import asyncpg
import orjson
from asyncpg.pool import PoolConnectionProxy

from creditsvc.domain.canonical import canonical, commit, leaf, notice_leaf
from creditsvc.domain.parties import is_party
from creditsvc.domain.profile import Line, plain
from creditsvc.domain.records import Entry, Erased
from creditsvc.domain.views import Part, Seen, part
from scoring.engine import ZERO, Contribution

Row = asyncpg.Record
Place = tuple[str, str, int]  # entity, event or notice, sequence or number

if TYPE_CHECKING:  # generic in the stubs only
    Session = asyncpg.Connection[Row] | PoolConnectionProxy[Row]
else:
    Session = asyncpg.Connection


def entry(row: Row) -> Entry:
    """Read one stored event; its data is what was said, in the bytes that the leaf commits to.

    ``ValueError`` for one without content that nothing says was erased.
    """
    if row["content"] is None:
        return _erased(row)
    content: dict[str, Any] = orjson.loads(row["content"])
    return Entry(
        sequence=row["sequence"],
        recorded_at=row["recorded_at"],
        source=row["source"],
        id=row["id"],
        type=row["type"],
        time=row["time"],
        record=row["record"],
        data=content["data"],
        touches_public=row["touches_public"],
    )


def _erased(row: Row) -> Entry:
    """Read an event that was erased: its data are the names that it told."""
    if row["retired_from"] is None:
        raise ValueError("its content is gone, and was not erased")
    told = {"entity_name": row["name"], "status": row["status"], "record_source": row["holder"]}
    return Entry(
        sequence=row["sequence"],
        recorded_at=row["recorded_at"],
        source=row["source"],
        id=row["id"],
        type=row["type"],
        time=row["time"],
        record=row["record"],
        data={name: value for name, value in told.items() if value is not None},
        touches_public=row["touches_public"],
        erased=Erased(
            public=row["public"],
            touched_public=row["touched_public"],
            retired_from=row["retired_from"],
            public_changed_at=row["public_changed_at"],
        ),
    )


def leaf_of(place: Place, row: Row, commitment: bytes) -> bytes:
    """Write the leaf of a stored event or notice. ``ValueError`` and its like where its time makes none."""
    entity, kind, number = place
    if kind == "notice":
        return notice_leaf(entity, number, row["due"], row["recorded_at"], commitment)
    return leaf(entity, number, row["recorded_at"], row["source"], commitment)


def part_of(row: Row, seen: Seen) -> Part | None:
    """Make what is shown of a stored event to who sees these members of its record; null: all of it."""
    return part(orjson.loads(row["content"]), seen) if is_party(row["source"]) else None


def told(row: Row, seen: Seen) -> dict[str, Any]:
    """Write a stored event or notice for who sees these members of its record.

    Whole, it comes with its salt. In part it comes with its commitment instead: by the salt, what is withheld
    could be guessed and the guess be checked.
    """
    shown = part_of(row, seen)
    if shown is None:
        return {"salt": _base64(row["salt"]), "event": orjson.Fragment(row["content"])}
    return {
        "commitment": _base64(commit(row["salt"], row["content"])),
        "withheld": shown.withheld,
        "event": orjson.Fragment(canonical(shown.event)),
    }


def _base64(found: bytes) -> str:
    return b64encode(found).decode()


def stored_line(row: Row) -> Line:
    """Read the line that is stored of a record."""
    return Line(
        record=row["record"],
        source=row["source"],
        record_class=row["class"],
        standing=row["standing"],
        public=row["public"],
        objected=row["objected"],
        listing=row["listing"],
        since=row["since"],
        contribution=_contribution(row),
        points_until=row["points_until"],
        next_change=row["next_change"],
        begins=row["begins"],
        retired_from=row["retired_from"],
    )


def _contribution(row: Row) -> Contribution | None:
    if row["code"] is None:
        return None
    amounts = orjson.loads(row["amounts"]) if row["amounts"] is not None else {}
    return Contribution(
        code=row["code"],
        group=row["code_group"],
        points=row["points"],
        until=None,
        amounts={name: Decimal(amount) for name, amount in amounts.items()},
    )


def score_columns(line: Line) -> tuple[str | None, str | None, Decimal, str | None]:
    """Give what is stored of a line's contribution: code, group, points, amounts."""
    given = line.contribution
    if given is None:
        return None, None, ZERO, None
    amounts = {name: plain(amount) for name, amount in given.amounts.items()}
    written = orjson.dumps(amounts, option=orjson.OPT_SORT_KEYS).decode() if amounts else None
    return given.code, given.group, given.points, written


def columns(rows: Sequence[tuple[Any, ...]], count: int) -> list[list[Any]]:
    """Turn rows into so many columns that ``unnest`` takes, also where there is no row."""
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(count)]
