"""docs/case.md draws the machine as it is, and has every procedure with its clocks."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

from creditsvc.domain.admission import MOST_CASES
from creditsvc.domain.cases import Case, Docket, moved
from creditsvc.domain.catalogue_procedures import CaseKind, ClockName, Procedure
from creditsvc.domain.moves import MOVES, OPEN, Decision
from creditsvc.domain.records import Entry
from tests.making import CATALOGUE, SOURCE

PAGE = (Path(__file__).parents[3] / "docs/case.md").read_text(encoding="utf-8")
DRAWING = re.compile(r"^```mermaid\nstateDiagram-v2\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ARROW = re.compile(r"^  (?P<before>\S+) --> (?P<after>\w+) : (?P<what>.+)$", re.MULTILINE)
WHO = {"applicant": "applicant", "handler": "agency"}
ONCE = {"appeal", "extend"}
NOW = datetime(2026, 11, 23, tzinfo=UTC)


def case(kind: CaseKind, state: str) -> Case:
    return Case(kind, "C", "urn:entity:x", SOURCE, state, None, NOW, NOW, NOW, frozenset({SOURCE}))


def entry(event_type: str, **data: str) -> Entry:
    return Entry(2, NOW, SOURCE, "e2", event_type, NOW, "R", data)


def drawn(kind: CaseKind) -> set[tuple[str, str, str]]:
    """The arrows of the page: (from, to, words)."""
    drawing = DRAWING.findall(PAGE)[get_args(CaseKind).index(kind)]
    arrows = [arrow.group("before", "after", "what") for arrow in ARROW.finditer(drawing)]
    assert len(arrows) == len(set(arrows)) == len(drawing.splitlines())
    return {*arrows}


def arrows_of(kind: CaseKind, name: str) -> set[tuple[str, str, str]]:
    """The arrows of one move of the machine, made from every state that it may start from."""
    (event_type,) = (one for one in CATALOGUE.types.values() if (one.procedure, one.move) == (kind, name))
    move = MOVES[kind][name]
    who = WHO[move.mover]
    if not move.before:
        return {("[*]", str(move.after), f"{name} ({who})")}
    if name == "decide":
        decided = {decision: f"{name} {decision} ({who})" for decision in get_args(Decision)}
    else:
        decided = {"": f"{name}, once ({who})" if name in ONCE else f"{name} ({who})"}
    found = set()
    for before in move.before:
        for decision, words in decided.items():
            if (before, decision) in {("closed", "refused"), ("closed", "referred")}:
                continue  # refused at the door: nobody is shown the record any more
            said = entry(event_type.name, decision=decision, to="urn:agency:x")
            given = replace(case(kind, before), appealed_at=NOW if before == "appealed" else None)
            found.add((before, moved(given, said, event_type).state, words))
    return found


def ends_of(kind: CaseKind) -> set[tuple[str, str, str]]:
    """The arrows by which the end of the record ends its open cases."""
    found: dict[tuple[str, str], list[str]] = {}
    for word in ("revoked", "repaired"):
        event_type = CATALOGUE.types[f"credit.record.{word}"]
        for state in OPEN[kind]:
            docket = Docket()
            docket.cases[kind, "C"] = case(kind, state)
            docket.take(entry(event_type.name), event_type)
            found.setdefault((state, docket.cases[kind, "C"].state), []).append(word)
    return {(*arrow, f"the record is {' or '.join(words)}") for arrow, words in found.items()}


def test_the_page_draws_every_move_and_no_other():
    for kind in get_args(CaseKind):
        moves = set[tuple[str, str, str]]().union(*(arrows_of(kind, name) for name in MOVES[kind]))
        assert drawn(kind) == moves | ends_of(kind)


def test_the_page_names_the_bounds():
    assert f"at most {MOST_CASES} of each kind" in PAGE


def days(one: Procedure, name: ClockName) -> str:
    found = one.clocks.get(name)
    return "–" if found is None else f"{found.days} {found.counted.replace('-', ' ')}"


def row(kind: CaseKind, one: Procedure) -> str:
    """One row of the table, as the catalogue has it."""
    held = [*(f"class `{name}`" for name in one.classes or ()), *(f"`{name}`" for name in one.types or ())]
    held = held or ["all others"]
    if one.within_days is not None:
        held.append(f"within {one.within_days} days")
    if one.opened_from is not None:
        held.append(f"from {one.opened_from} on")
    if kind == "repair":
        held.append("after the minimum" if one.waits == "minimum" else "at any time")
    decide = days(one, "decide")
    if "extension" in one.clocks:
        decide += f", once + {days(one, 'extension')}"
    if one.undecided is not None:
        decide += f", then {one.undecided}"
    others = (days(one, name) for name in ("remedy", "appeal", "supplement"))
    cells = (
        f"`{one.name}`",
        f"{kind}: {one.title.zh}",
        ", ".join(held),
        days(one, "accept"),
        decide,
        *others,
    )
    return f"| {' | '.join(cells)} |"


def test_the_page_has_every_procedure_with_its_clocks():
    table = PAGE.partition("\n| Procedure | ")[2].partition("\n\n")[0].splitlines()[2:]
    assert table == [row(kind, one) for kind in get_args(CaseKind) for one in CATALOGUE.procedures[kind]]
