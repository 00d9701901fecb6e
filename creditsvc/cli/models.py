"""`creditsvc models`: the scoring models there are, and whether one of your own is sound."""

from datetime import date
from pathlib import Path

import click

from creditsvc.cli.tables import show
from creditsvc.domain import catalogue
from scoring import engine
from scoring.engine import Model, ModelInvalid


@click.group(
    epilog="""\b
Examples:
  creditsvc models list
  creditsvc models check model.json
"""
)
def command() -> None:
    """List scoring models and check new ones."""


@command.command("list")
def list_models() -> None:
    """List the released models: name, version, family, the day each is in force from, title."""
    rows = [
        _row(engine.load(name, version))
        for name, versions in engine.released().items()
        for version in versions
    ]
    show(("name", "version", "family", "in force from", "title"), rows, "There are no models.")


def _row(model: Model) -> tuple[str, ...]:
    title = model.title.get("en") or next(iter(model.title.values()))
    since = model.in_force_from.isoformat() if model.in_force_from else "-"
    return (model.name, model.version, model.family, since, title)


@command.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def check(file: Path) -> None:
    """Check the model in FILE against the rules for models and the fields of the catalogue.

    Prints a line for everything that is wrong: a JSON pointer into the file, and what is wrong there. Exit
    status 0 when it is sound, 1 when not.
    """
    try:
        model = read(file)
    except ModelInvalid as error:
        for place, what in error.problems:
            print(f"{place or '/'}: {what}")
        click.echo(f"{len(error.problems)} faults found", err=True)
        raise click.exceptions.Exit(1) from error
    click.echo(f"sound: {model.name} {model.version}, {len(model.rules)} rules", err=True)


def read(file: Path) -> Model:
    """Read a model's file and check it against the catalogue; ``ModelInvalid`` says what is wrong where."""
    return engine.read(file.read_bytes(), catalogue.load().scoring_names)


def find(named: str, on: date) -> Model:
    """Find a model by NAME@VERSION, by NAME as in force on a day, or by its file; else a wrong call."""
    if named.endswith(".json"):
        return _of_file(Path(named))
    name, _, version = named.partition("@")
    versions = engine.released().get(name)
    if versions is None:
        known = ", ".join(engine.released())
        raise click.BadParameter(f"there is no such model; there are: {known}", param_hint="--model")
    if version and version not in versions:
        raise click.BadParameter(
            f"{name} has no such version; it has: {', '.join(versions)}", param_hint="--model"
        )
    model = engine.load(name, version) if version else engine.in_force(name, on)
    if model is None:
        raise click.BadParameter(
            f"no version of {name} was in force then; name one: {name}@{versions[0]}", param_hint="--model"
        )
    return model


def _of_file(file: Path) -> Model:
    try:
        return read(file)
    except ModelInvalid as error:
        place, what = error.problems[0]
        raise click.ClickException(
            f"{file}: {place or '/'}: {what} (`creditsvc models check {file}` lists everything)"
        ) from error
