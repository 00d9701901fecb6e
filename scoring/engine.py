"""Scoring models as data: read, checked, and found by name, version or date.

Pure: no clock, no I/O beyond reading models' files, exact decimals. Days are the calendar days of the
authority's place; the caller turns them into instants.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from functools import cache
from operator import itemgetter
from pathlib import Path
from typing import Any

import pydantic
from pydantic import TypeAdapter
from pydantic_core import ErrorDetails

from scoring.checks import problems
from scoring.exact import ZERO
from scoring.families import AnyModel, Model, Score, Tally
from scoring.rules import Contribution

__all__ = [
    "MODELS",
    "ZERO",
    "Contribution",
    "Model",
    "ModelInvalid",
    "Score",
    "Tally",
    "content",
    "in_force",
    "load",
    "method",
    "newest",
    "read",
    "released",
]

MODELS = Path(__file__).parent / "models"
_ADAPTER: TypeAdapter[Model] = TypeAdapter(AnyModel)


class ModelInvalid(ValueError):  # noqa: N818  it says what the file is
    """A model's file is wrong; ``problems`` are (JSON pointer into the file, what is wrong there)."""

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{place or '/'}: {what}" for place, what in problems))
        self.problems = tuple(problems)


def read(content: bytes, fields: Collection[str] | None = None) -> Model:
    """Read and check a model's file; ``ModelInvalid`` names everything that is wrong with it.

    ``fields`` are the names that a model may use of a record, as the catalogue has them (of a list's items
    ``violations.severity``); null leaves that unchecked.
    """
    try:
        written = pydantic.TypeAdapter(dict[str, Any]).validate_json(content)
    except pydantic.ValidationError as error:
        raise ModelInvalid([("", one["msg"]) for one in error.errors()]) from error
    try:
        model = _ADAPTER.validate_python(written)
    except pydantic.ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        raise ModelInvalid([_problem(one, written) for one in found]) from error
    if wrong := list(problems(model, fields)):
        raise ModelInvalid([(_joined(place), what) for place, what in wrong])
    return model


def _problem(error: ErrorDetails, written: Any) -> tuple[str, str]:
    if error["type"] in {"union_tag_not_found", "union_tag_invalid"}:
        return "/family", "The family of the model: additive or ratio"
    return _pointer(error, written), error["msg"]


def _pointer(error: ErrorDetails, written: Any) -> str:
    """Write the place of an error, without the names that pydantic gives to alternatives."""
    parts: list[str | int] = []
    node = written
    for part in error["loc"]:
        held = node if isinstance(node, dict) else dict(enumerate(node)) if isinstance(node, list) else {}
        if part in held:
            node = held[part]
            parts.append(part)
    if error["type"] == "missing":
        parts.append(error["loc"][-1])
    return _joined(parts)


def _joined(parts: Sequence[str | int]) -> str:
    """Write a place as a JSON pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def load(name: str, version: str, directory: Path = MODELS) -> Model:
    """Read a released model; ``FileNotFoundError`` where there is none, ``ModelInvalid`` if unsound."""
    return _load(name, version, directory)


@cache
def _load(name: str, version: str, directory: Path) -> Model:
    model = read((directory / name / version / "model.json").read_bytes())
    if (model.name, model.version) != (name, version):
        raise ModelInvalid([("/name", f"the file lies where {name} {version} belongs")])
    return model


def method(name: str, version: str, directory: Path = MODELS) -> str:
    """Give the method of a released model in words (Markdown)."""
    return (directory / name / version / "METHOD.md").read_text(encoding="utf-8")


def content(name: str, version: str, directory: Path = MODELS) -> bytes:
    """Give the file of a released model as it is."""
    return (directory / name / version / "model.json").read_bytes()


@cache
def released(directory: Path = MODELS) -> Mapping[str, tuple[str, ...]]:
    """List the released models, each with its versions, oldest first."""
    found: dict[str, list[int]] = {}
    for file in directory.glob("*/*/model.json"):
        found.setdefault(file.parts[-3], []).append(int(file.parts[-2]))
    return {name: tuple(map(str, sorted(found[name]))) for name in sorted(found)}


def newest(name: str, directory: Path = MODELS) -> Model:
    """Load the newest version of a model; ``LookupError`` where there is none."""
    versions = released(directory).get(name)
    if versions is None:
        raise LookupError(f"there is no model {name}")
    return load(name, versions[-1], directory)


def in_force(name: str, on: date, directory: Path = MODELS) -> Model | None:
    """Find the version of a model in force on a day, null where none was yet.

    Of several the one that came into force last, and of those of one day the newest. A version without a day
    holds until one with a day does.
    """
    for since, model in _by_force(name, directory):
        if since <= on:
            return model
    return None


@cache
def _by_force(name: str, directory: Path) -> tuple[tuple[date, Model], ...]:
    """List the versions of a model, each with the day it holds from, the last first."""
    versions = released(directory).get(name, ())
    models = [load(name, version, directory) for version in reversed(versions)]
    dated = [(model.in_force_from or date.min, model) for model in models]
    return tuple(sorted(dated, key=itemgetter(0), reverse=True))
