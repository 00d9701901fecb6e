"""Who sees what: one table, asked by every answer that tells anything of a record.

``docs/viewers.md`` has it as people read it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo

from creditsvc.domain import instants
from creditsvc.domain.cases import Case, procedure_of, running
from creditsvc.domain.catalogue import Catalogue
from creditsvc.domain.naming import View
from creditsvc.domain.parties import is_party
from creditsvc.domain.records import AWAITED, Record
from creditsvc.domain.standing import Evaluation

Who = Literal[
    "public", "partner", "partner-consented", "agency", "agency-own", "entity", "auditor", "operator"
]
"""As what somebody looks at a record.

``partner-consented``: a partner, at an organisation that gave it its consent. ``agency-own``: an agency, at
a record that it handed in, or with an open case of its own or before it. ``entity``: the organisation, at
what is held on itself; at others it looks as the public does.
"""

Kind = Literal["public", "shared", "consent", "withdrawn", "awaited", "retired"]
"""What a record is to those who look at it, at an instant.

``shared``: it stands or has ended, and is not public. ``consent``: it does, and its class asks for the
organisation's consent. ``withdrawn``: revoked or repaired. ``awaited``: amendments of it have come, and not
yet the record itself. ``retired``: kept no longer than the rules of retention say.
"""

WHO: tuple[Who, ...] = get_args(Who)
KINDS: tuple[Kind, ...] = get_args(Kind)
MEMBERS = (
    *("record", "source", "type", "class", "state", "time", "publicity", "objected"),
    *("cases", "cases.by", "cases.handler", "cases.words", "sequences", "data"),
)

Seen = frozenset[str]  # members of a record; of one without any nothing is told, nor that it is there
WHOLE: Seen = frozenset(MEMBERS)
# What an organisation writes in a case nobody has looked over: it is not published, nor passed on.
MOST: Seen = WHOLE - {"cases.words"}
OPEN: Seen = MOST - {"cases.by", "cases.handler"}  # the public is not told who disputes it, nor with whom
NO: Seen = frozenset()


def _row(*cells: Seen) -> Mapping[Kind, Seen]:
    return dict(zip(KINDS, cells, strict=True))


# The one table: what is not seen here is in no answer, and what is seen here is shown by every route that the
# caller may use. Withdrawn and awaited records are for those who are party to them, and retired ones for
# nobody.
TABLE: Mapping[Who, Mapping[Kind, Seen]] = {
    # in the order of KINDS: public, shared, consent, withdrawn, awaited, retired
    "public": _row(OPEN, NO, NO, NO, NO, NO),
    "partner": _row(MOST, MOST, NO, NO, NO, NO),
    "partner-consented": _row(MOST, MOST, MOST, NO, NO, NO),
    "agency": _row(MOST, MOST, MOST, NO, NO, NO),
    "agency-own": _row(WHOLE, WHOLE, WHOLE, WHOLE, WHOLE, NO),
    "entity": _row(WHOLE, WHOLE, WHOLE, WHOLE, WHOLE, NO),
    "auditor": _row(MOST, MOST, MOST, NO, NO, NO),
    "operator": _row(WHOLE, WHOLE, WHOLE, WHOLE, WHOLE, NO),
}
# What counts for anything, in a profile or a score: never a record that is withdrawn or awaited.
COUNTED: frozenset[Kind] = frozenset({"public", "shared", "consent"})
# Two views are kept of each organisation, and whoever sees more than the public is answered from the second.
# What a partner has no consent for is taken out of that as it is answered (``withheld``).
WIDEST: Mapping[View, Who] = {"public": "public", "shared": "partner-consented"}
# Of an organisation of which it counts no record this view says nothing, as of one that is not on record.
SILENT: frozenset[View] = frozenset({"public"})
# Members of an event's data that are the organisation's words (``cases.words``) where the event is its own.
# Its commitment for a repair is none of them: the law has it made in public.
WORDS = ("reason", "note", "evidence")


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks: ``sources`` are an agency's own, ``client`` is the partner that consent is given to."""

    who: Who
    sources: frozenset[str] = frozenset()
    client: str | None = None

    @property
    def view(self) -> View:
        """The view that is kept for those who see so much."""
        return "shared" if self.sees_kind("shared") else "public"

    @property
    def consented(self) -> bool:
        return self.who == "partner-consented"

    def given(self, *, consent: bool) -> "Viewer":
        """Give the viewer as it looks at an organisation, once it is known whether that consents."""
        return replace(self, who="partner-consented") if consent and self.who == "partner" else self

    def at(self, sources: Iterable[str]) -> Who:
        """Tell as what this viewer looks at a record that concerns these sources."""
        return "agency-own" if self.who == "agency" and not self.sources.isdisjoint(sources) else self.who

    def shared(self, source: str) -> Seen:
        """Tell which members are seen of what a source handed in, as far as it is shared and stands."""
        return TABLE[self.at((source,))]["shared"]

    def is_party(self, source: str) -> bool:
        """Whether records of a source are seen whatever becomes of them."""
        row = TABLE[self.at((source,))]
        return bool(row["withdrawn"] and row["awaited"])

    def sees_kind(self, kind: Kind) -> bool:
        """Whether such a record of whatever source is seen."""
        return bool(TABLE[self.who][kind])

    def seen(self, record: Record, evaluation: Evaluation, catalogue: Catalogue) -> Seen:
        """Tell which members of a record are seen; none where the record is not."""
        opened = (case for case in record.cases if case.open)
        concerned = (record.source, *(name for case in opened for name in (case.by, case.handler)))
        return TABLE[self.at(concerned)][kind_of(record, evaluation, catalogue)]

    def sees(self, record: Record, evaluation: Evaluation, catalogue: Catalogue) -> bool:
        return bool(self.seen(record, evaluation, catalogue))

    def counts(self, record: Record, evaluation: Evaluation, catalogue: Catalogue) -> bool:
        """Whether it counts in what this viewer is told of scores."""
        counted = kind_of(record, evaluation, catalogue) in COUNTED
        return counted and self.sees(record, evaluation, catalogue)


PUBLIC = Viewer("public")


def kind_of(record: Record, evaluation: Evaluation, catalogue: Catalogue) -> Kind:
    """Tell what a record is to viewers at the instant of its evaluation."""
    if evaluation.retired:
        return "retired"
    if record.state == AWAITED:
        return "awaited"
    if record.withdrawn:
        return "withdrawn"
    if record.record_class in catalogue.asking_consent:
        return "consent"
    return "public" if evaluation.public else "shared"


def kept(view: View, kind: Kind) -> bool:
    """Whether a record counts in a view that is kept."""
    return kind in COUNTED and bool(TABLE[WIDEST[view]][kind])


def record_item(
    record: Record, evaluation: Evaluation, seen: Seen, catalogue: Catalogue, zone: ZoneInfo
) -> dict[str, Any]:
    """Describe a record as answers list it, to who sees these members of it."""
    whole = {
        "record": record.number,
        "source": record.source,
        "type": record.type,
        "class": record.record_class,
        "state": evaluation.state,
        "time": instants.text_or_none(record.time),
        "publicity": {
            "public": evaluation.public,
            "from": instants.text_or_none(evaluation.publicity.public_from),
            "until": instants.text_or_none(evaluation.publicity.public_until),
            "repairable_from": instants.text_or_none(evaluation.publicity.repairable_from),
            "rule": evaluation.publicity.rule,
        },
        "objected": bool(record.objections),
        "cases": [_case(one, record, seen, catalogue, zone) for one in record.cases],
        "sequences": record.sequences,
        "data": record.data,
    }
    return {name: value for name, value in whole.items() if name in seen}


@dataclass(frozen=True, slots=True)
class Part:
    """A CloudEvent without some members of its data; ``withheld`` are JSON pointers to these."""

    event: dict[str, Any]
    withheld: tuple[str, ...]


def part(event: Mapping[str, Any], seen: Seen) -> Part | None:
    """Make what is shown of an event to who sees these members of its record; null: it is shown whole.

    All that a record is folded from is in the part.
    """
    hidden = [name for name in WORDS if name in event["data"]]
    if "cases.words" in seen or not is_party(event["source"]) or not hidden:
        return None
    data = {name: value for name, value in event["data"].items() if name not in hidden}
    return Part({**event, "data": data}, tuple(f"/data/{name}" for name in hidden))


def _case(case: Case, record: Record, seen: Seen, catalogue: Catalogue, zone: ZoneInfo) -> dict[str, Any]:
    procedure = procedure_of(case, record, catalogue, zone)
    due = running(case, procedure)
    whole = {
        "kind": case.kind,
        "number": case.number,
        "state": case.state,
        "step": None if due is None else due.step,
        "opened_at": instants.text(case.opened_at),
        "since": instants.text(case.since if due is None else due.since),
        "procedure": procedure.name,
        "ground": case.ground,
    }
    parties = {"by": case.by, "handler": case.handler}
    return whole | {name: told for name, told in parties.items() if f"cases.{name}" in seen}
