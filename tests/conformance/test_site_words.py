"""Whatever data may name pages have words for, in both languages.

Each list of keys is made of what the domain may say, not of what some page happened to show.
"""

import ast
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

import creditsvc
from creditsvc import errors
from creditsvc.domain import offers, persons, violations
from creditsvc.domain.cases import _STEPS, AWAITED_OF
from creditsvc.domain.catalogue_file import State
from creditsvc.domain.catalogue_procedures import CaseKind, ClockName
from creditsvc.domain.identifiers.mistyped import Fault
from creditsvc.domain.moves import CLOSED, GRANTED, MOVES, OPENING_STATE, Decision
from creditsvc.domain.records import AWAITED, REPAIRED, REVOKED, SHIELDED, STANDING
from creditsvc.domain.standing import EXPIRED
from creditsvc.errors import NotInstalled, Refusal, SheetUnreadable
from creditsvc.ledger.releases import OFFICIAL
from creditsvc.report.number import Standing
from creditsvc.web.routes import Role
from creditsvc.web.site.language import LANGUAGES, words
from scoring import engine

ROOT = Path(creditsvc.__file__).parent
# Said of what was asked and not of what was filled in: refusals of that kind are told in one text.
OF_QUERIES = {"array", "json", "kind", "parameter-repeated", "parameter-text", "parameter-unknown", "length"}
# Where what a form hands in is judged.
JUDGES = ("domain", "ledger/append.py", "web/events.py")
OWN_FILE = {SheetUnreadable.slug, NotInstalled.slug}  # of sheets, and of what the operator installs


def model() -> dict[str, object]:
    found: dict[str, object] = json.loads(engine.content(OFFICIAL, engine.newest(OFFICIAL).version))
    return found


def states() -> Iterator[str]:
    """Of a record. One that is over and erased ("retired") is in nobody's view."""
    for state in (STANDING, SHIELDED, AWAITED, REVOKED, REPAIRED, EXPIRED, *get_args(State)):
        yield f"state.{state}"


def cases() -> Iterator[str]:
    moved = {one.after for moves in MOVES.values() for one in moves.values() if one.after}
    for state in moved | {*OPENING_STATE.values(), CLOSED, GRANTED, *get_args(Decision)}:
        yield f"case.state.{state}"
    for kind in get_args(CaseKind):
        yield from (f"case.{kind}", f"desk.kind.{kind}")


def acts() -> Iterator[str]:
    for kind, moves in MOVES.items():
        names = itertools.chain.from_iterable(
            get_args(Decision) if move == "decide" else (move,) for move in moves if move != "open"
        )
        for name in (*names, *offers._ACTS[kind]):
            yield from (f"act.{kind}.{name}", f"act.{kind}.{name}.told")


def clocks() -> Iterator[str]:
    yield from (f"clock.{name}" for name in get_args(ClockName))
    yield from (f"step.{kind}.{step}" for (kind, _), step in _STEPS.items())
    yield from (f"step.{kind}.accept" for kind in get_args(CaseKind))
    yield from (f"desk.awaits.{who}" for who in AWAITED_OF.values())
    for counted in ("working-days", "days"):
        yield from (f"days.{counted}", f"due.left.{counted}", f"due.over.{counted}")


def scores() -> Iterator[str]:
    official = model()
    yield from (f"reason.{rule['code']}" for rule in official["rules"])
    yield from (f"grade.{band['grade']}" for band in official["grades"])
    yield from (f"adjustment.cap-{group}" for group in official["groups"])
    yield from ("adjustment.scale", "adjustment.rounding", "grade.unrated")


def others() -> Iterator[str]:
    yield from (f"typed.{fault}" for fault in get_args(Fault))
    yield from (f"status.{status}" for status in ("active", "dissolved", "unknown"))
    yield from (f"role.{role}" for role in get_args(Role) if role != "public")
    for standing in get_args(Standing):
        yield from (f"check.{standing}", f"check.{standing}.told")


def kinds_of(refusal: type[Refusal]) -> Iterator[type[Refusal]]:
    for one in refusal.__subclasses__():
        yield from (one, *kinds_of(one))


def refusals() -> Iterator[str]:
    for one in kinds_of(Refusal):
        if one.__module__ == errors.__name__ and one.status < 500 and one.slug not in OWN_FILE:
            yield from (f"problem.{one.slug}", f"problem.{one.slug}.told")


def codes(file: Path) -> Iterator[str]:
    """Find the codes of violations in a file of Python."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            place = {"Violation": 1, "PydanticCustomError": 0}.get(node.func.id)
            if place is not None and isinstance(node.args[place], ast.Constant):
                yield str(node.args[place].value)


def wrongs() -> Iterator[str]:
    files = [file for judge in JUDGES for file in (ROOT / judge, *(ROOT / judge).rglob("*.py"))]
    found = {code for file in files if file.is_file() for code in codes(file)}
    found |= {code for code, _ in violations._RULES.values()} | violations._OURS | {"format"}
    found |= set(get_args(persons.Rule))
    assert len(found) > 25
    yield from (f"wrong.{code}" for code in sorted(found - OF_QUERIES - {"token"}))  # of a purpose


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("keys", [states, cases, acts, clocks, scores, others, refusals, wrongs])
def test_every_value_that_data_may_name_has_words(keys, language):
    wanted = [*keys()]
    assert len(wanted) > 5
    assert [key for key in wanted if key not in words(language).texts] == []


def test_a_state_is_called_as_in_the_report():
    for language in LANGUAGES:
        file = ROOT / "report" / "texts" / f"{language}.json"
        report = json.loads(file.read_text(encoding="utf-8"))
        told = words(language).texts
        assert [key for key in states() if key in report and report[key] != told[key]] == []


@pytest.mark.parametrize(("days", "said"), [(0, "0 days"), (1, "1 day"), (2, "2 days"), (-1, "-1 days")])
def test_one_is_not_several(days, said):
    assert words("en")("days.days", days=days) == said
    assert words("zh")("days.days", days=days) == f"{days} 日"
