"""`creditsvc models`: the scoring models there are, and whether one of your own is sound."""

import asyncio
from datetime import UTC, date, datetime
from pathlib import Path

import click

from creditsvc.cli import arguments
from creditsvc.cli.environment import connection, settings
from creditsvc.cli.progress import progress
from creditsvc.cli.tables import show
from creditsvc.cli.words import counted
from creditsvc.domain import catalogue
from creditsvc.ledger.comparison import Comparison
from creditsvc.ledger.comparison import compare as compare_all
from creditsvc.ledger.rankings import rank_all
from creditsvc.ledger.refolder import refold_all
from creditsvc.ledger.releases import OFFICIAL
from creditsvc.store import embedded
from scoring import engine
from scoring.engine import Model, ModelInvalid


@click.group(
    epilog="""\b
Examples:
  creditsvc models list
  creditsvc models check model.json
  creditsvc models compare model.json
  creditsvc models compare eu-2022-695@1 --as-of 2027-01-01T00:00:00Z
  creditsvc models refold
  creditsvc models rank fmcsa-sms
"""
)
def command() -> None:
    """List scoring models, check and compare new ones."""


@command.command("list")
def list_models() -> None:
    """List the released models.

    Prints name, version, family, the day each is in force from, title.
    """
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
    """Check the model in FILE, a model of your own.

    It must keep to the rules for models and name fields that the catalogue has. Prints a line for everything
    that is wrong: a JSON pointer into the file, and what is wrong there. Exit status 0 when it is sound, 1
    when not.
    """
    try:
        model = read(file)
    except ModelInvalid as error:
        for place, what in error.problems:
            print(f"{place or '/'}: {what}")
        click.echo(f"{counted(len(error.problems), 'fault')} found", err=True)
        raise click.exceptions.Exit(1) from error
    click.echo(f"sound: {model.name} {model.version}, {counted(len(model.rules), 'rule')}", err=True)


@command.command()
@click.argument("model")
@click.option("--with", "official", default=OFFICIAL, show_default=True, help="The model to compare with.")
@click.option("--as-of", help="At which instant; now unless given. The future is allowed.")
def compare(model: str, official: str, as_of: str | None) -> None:
    """Count whose grade would move by another model.

    Scores every organisation by MODEL and by the official one. MODEL is NAME@VERSION, NAME or a model's file.
    Nothing is stored; it works beside a running service. Prints a line for each pair of grades: now, then,
    how many organisations, and some of those that moved.
    """
    at = arguments.instant(as_of) if as_of else datetime.now(UTC)
    models = (find(official, at.date()), find(model, at.date()))
    found = asyncio.run(_compare(models, at))
    rows = [
        (now, then, f"{count:,}", ", ".join(found.examples.get((now, then), ())))
        for (now, then), count in sorted(found.grades.items())
    ]
    show(("now", "then", "organisations", "such as"), rows, "There are no organisations.")
    click.echo(f"{found.moved:,} of {found.grades.total():,} would move", err=True)


async def _compare(models: tuple[Model, Model], at: datetime) -> Comparison:
    async with connection() as opened:
        with progress("comparing") as told:
            return await compare_all(opened, models, catalogue.load(), at, told)


@command.command()
def refold() -> None:
    """Bring every profile up to the last release.

    Folds those that were folded before it was announced, and shows how far it is. The service does the same
    by itself, in the background, and a profile that is asked for is folded first; this only hurries it. It
    may be cut off at any time and goes on where it was.
    """
    folded = asyncio.run(_refold())
    click.echo(f"{counted(folded, 'profile')} folded; all are up to date", err=True)


async def _refold() -> int:
    async with embedded.server(settings(), own=False) as dsn:
        with progress("folding") as told:
            return await refold_all(dsn, settings(), told)


@command.command()
@click.argument("model")
def rank(model: str) -> None:
    """Rank every organisation among those of similar size.

    By MODEL, for the percentiles that scores tell. Made over what is public, and kept: do it as often as the
    percentiles should be new. A score about an instant is compared with the last ranking made by then.
    """
    found = find(model, datetime.now(UTC).date())
    if found.peers is None:
        raise click.BadParameter("this model compares with no peers", param_hint="MODEL")
    groups = asyncio.run(_rank(found))
    rows = [(str(group), f"{count:,}") for group, count in sorted(groups.items())]
    show(("group", "organisations"), rows, "There is nobody to rank.")


async def _rank(model: Model) -> dict[int, int]:
    async with embedded.server(settings(), own=False) as dsn:
        with progress("ranking") as told:
            return await rank_all(dsn, settings(), model, told)


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
