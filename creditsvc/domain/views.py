"""Who sees which records: one table, asked by every answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from creditsvc.domain import instants
from creditsvc.domain.naming import View
from creditsvc.domain.records import AWAITED, Record
from creditsvc.domain.standing import Evaluation

Kind = Literal["public", "shared", "withdrawn", "awaited"]

# The public sees what is public. Those that the record is shared with see what stands and what has ended,
# public or not. What is revoked or repaired, and what waits for its record, only its own parties see.
SEEN: Mapping[View, frozenset[Kind]] = {
    "public": frozenset({"public"}),
    "shared": frozenset({"public", "shared"}),
}
OWN: frozenset[Kind] = frozenset({"public", "shared", "withdrawn", "awaited"})


@dataclass(frozen=True, slots=True)
class Viewer:
    """Whose view it is: ``sources`` are an agency's own; a ``party`` sees all that is held."""

    view: View
    sources: frozenset[str] = frozenset()
    party: bool = False

    def sees(self, record: Record, evaluation: Evaluation) -> bool:
        own = self.party or record.source in self.sources
        return kind(record, evaluation) in (OWN if own else SEEN[self.view])


def kind(record: Record, evaluation: Evaluation) -> Kind:
    """Tell which kind of thing a record is to viewers at the instant of its evaluation."""
    if record.state == AWAITED:
        return "awaited"
    if record.withdrawn:
        return "withdrawn"
    return "public" if evaluation.public else "shared"


def record_item(record: Record, evaluation: Evaluation) -> dict[str, Any]:
    """Describe a record as answers list it."""
    return {
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
        "sequences": record.sequences,
        "data": record.data,
    }
