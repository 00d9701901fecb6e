"""A profile sums up one organisation at an instant for a kind of viewer: the fold of the records it sees.

It is kept as a summary that single records are added to and taken from, so that keeping it costs the same
however long the history is; folding a whole history comes to the same bytes.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any, Literal, Protocol, Self, TypeVar

import orjson

from creditsvc.domain import instants
from creditsvc.domain.catalogue import Catalogue
from creditsvc.domain.naming import Naming
from creditsvc.domain.records import Record
from creditsvc.domain.standing import Evaluation
from scoring.engine import ZERO, Contribution, Model, Tally

MOST_FACTORS = 4
MOST_LISTINGS = 10


@dataclass(slots=True)  # not frozen: one is made for each event, and the guard is half its cost
class Line:
    """What the profile needs of one record at an instant; the row that is stored of it."""

    record: str
    source: str
    record_class: str | None
    standing: bool
    public: bool
    objected: bool
    listing: bool
    since: datetime | None
    contribution: Contribution | None  # without its day: points_until is the instant
    points_until: datetime | None
    next_change: datetime | None
    begins: bool = False  # not public yet, but time alone makes it so
    retired_from: datetime | None = None  # from then on it is in no view, and may be erased

    @property
    def counted(self) -> bool:
        """Only a record that has arrived and isn't withdrawn is seen by anybody but its own parties."""
        return self.record_class is not None

    @property
    def points(self) -> Decimal:
        return self.contribution.points if self.contribution is not None else ZERO

    @property
    def code(self) -> str | None:
        return None if self.contribution is None else self.contribution.code


class Factor(Protocol):
    """What a profile shows of a record for its points."""

    @property
    def record(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def code(self) -> str | None: ...
    @property
    def points(self) -> Decimal: ...
    @property
    def points_until(self) -> datetime | None: ...


class Listing(Protocol):
    """What a profile shows of a record that lists the organisation."""

    @property
    def record(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def record_class(self) -> str | None: ...
    @property
    def since(self) -> datetime | None: ...
    @property
    def listing(self) -> bool: ...


OneFactor = TypeVar("OneFactor", bound=Factor)
OneListing = TypeVar("OneListing", bound=Listing)


def line(record: Record, evaluation: Evaluation, catalogue: Catalogue) -> Line:
    seen = None if record.withdrawn or evaluation.retired else record.record_class
    over = evaluation.retired_from
    return Line(
        record=record.number,
        source=record.source,
        record_class=seen,
        standing=evaluation.standing,
        public=evaluation.public,
        objected=bool(record.objections) and seen is not None,
        listing=evaluation.standing and seen is not None and catalogue.classes[seen].listing,
        since=record.time if seen is not None else None,
        contribution=undated(evaluation.contribution),
        points_until=evaluation.points_until,
        next_change=evaluation.next_change,
        begins=evaluation.begins,
        retired_from=None if over is None else max(over, record.recorded_at),
    )


def undated(given: Contribution | None) -> Contribution | None:
    """Give a contribution without its day, which is an instant once it is known whose it is."""
    if given is None or given.until is None:
        return given
    return Contribution(given.code, given.group, given.points, None, given.amounts)


@dataclass(slots=True)
class Summary:
    """Counts and sums over the records that a view sees."""

    records: int = 0
    objections: int = 0
    standing: dict[str, int] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)

    def add(self, seen: Line, sign: Literal[1, -1] = 1) -> None:
        """Add a record, or take it away again with ``sign=-1``."""
        if not seen.counted:
            return
        self.records += sign
        self.objections += sign * seen.objected
        if seen.standing and seen.record_class is not None:
            _count(self.standing, seen.record_class, sign)
        if seen.contribution is not None:
            self.tally.add(seen.contribution, sign)

    def dump(self) -> bytes:
        """Write the summary so that equal summaries are equal bytes."""
        return orjson.dumps(
            {
                "records": self.records,
                "objections": self.objections,
                "standing": self.standing,
                "codes": self.tally.codes,
                "sums": {name: plain(total) for name, total in self.tally.sums.items()},
            },
            option=orjson.OPT_SORT_KEYS,
        )

    @classmethod
    def parse(cls, stored: bytes | None) -> Self:
        if stored is None:
            return cls()
        read: dict[str, Any] = orjson.loads(stored)
        sums = {name: Decimal(total) for name, total in read["sums"].items()}
        tally = Tally(sums, read["codes"])
        return cls(read["records"], read["objections"], read["standing"], tally)


def _count(counts: dict[str, int], name: str, sign: int) -> None:
    counts[name] = counts.get(name, 0) + sign
    if counts[name] == 0:
        del counts[name]


def plain(number: Decimal) -> str:
    """Write a decimal without exponent or idle zeros."""
    written = format(number, "f")
    return written.rstrip("0").rstrip(".") if "." in written else written


def number(value: Decimal) -> orjson.Fragment:
    """Give a decimal as a JSON number, exactly."""
    return orjson.Fragment(plain(value).encode())


@dataclass(frozen=True, slots=True)
class Moment:
    """Where a view stands: its version, and the instants from and until which it holds."""

    version: int
    valid_from: datetime
    valid_until: datetime | None


def strongest(factors: Collection[OneFactor]) -> list[OneFactor]:
    """Pick the factors a profile shows: the four that weigh most, adverse ones first among equals."""
    adverse = [x for x in factors if x.points < 0]
    good = [x for x in factors if x.points > 0]
    adverse.sort(key=_WEIGHT)
    good.sort(key=_WEIGHT, reverse=True)
    if not adverse or not good:
        return (adverse or good)[:MOST_FACTORS]
    return sorted(adverse[:MOST_FACTORS] + good[:MOST_FACTORS], key=_strength)[:MOST_FACTORS]


_NAME = attrgetter("record", "source")
_WEIGHT = attrgetter("points", "record", "source")  # what weighs most is at one end, or at the other


def _strength(factor: Factor) -> tuple[Decimal, bool]:
    return (-abs(factor.points), factor.points > 0)


def newest_listings(seen: Iterable[OneListing]) -> list[OneListing]:
    listed = sorted((x for x in seen if x.listing), key=_NAME)
    listed.sort(key=lambda x: instants.microseconds(x.since) if x.since else 0, reverse=True)
    return listed[:MOST_LISTINGS]


def render(
    entity: str,
    naming: Naming,
    moment: Moment,
    summary: Summary,
    shown: tuple[Sequence[Factor], Sequence[Listing]],
    by: tuple[Catalogue, Model],
) -> bytes:
    """Write a profile as it is served; ``shown`` holds the factors and the listings."""
    factors, listings = shown
    catalogue, model = by
    score = model.total(summary.tally.sums, summary.tally.codes)
    return orjson.dumps(
        {
            "entity": entity,
            "name": naming.name,
            "status": naming.status or "unknown",
            "version": moment.version,
            "valid_from": instants.text(moment.valid_from),
            "valid_until": instants.text_or_none(moment.valid_until),
            "score": {
                "model": model.name,
                "version": model.version,
                "value": None if score.value is None else number(score.value),
                "grade": score.grade,
                "factors": [
                    {
                        "code": factor.code,
                        "points": number(factor.points),
                        "record": factor.record,
                        "until": instants.text_or_none(factor.points_until),
                    }
                    for factor in factors
                ],
            },
            "standing": {**catalogue.without_records, **summary.standing},
            "listings": [_listing(listed) for listed in listings],
            "objections": summary.objections,
            "records": f"/v1/entities/{entity}/records",
        }
    )


def _listing(listed: Listing) -> Mapping[str, str | None]:
    return {
        "class": listed.record_class,
        "record": listed.record,
        "source": listed.source,
        "since": instants.text_or_none(listed.since),
    }
