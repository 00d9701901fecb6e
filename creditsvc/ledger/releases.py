"""The scoring models as released: announced once, never changed, in force by date.

What comes with the software is announced when it first starts against a database. A version of a model that
scores already must come into force on a later day, so that no answer given before can change.
"""

import hashlib
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path

from creditsvc.domain.schedule import Release
from creditsvc.errors import Refusal
from creditsvc.ledger.entries import Row, Session
from creditsvc.store.database import load_queries
from scoring import engine

SQL = load_queries("releases")
OFFICIAL = "credit-baseline"
# Processes that run already find out (see Refolder) and start anew before the announcement holds.
NOTICE = timedelta(seconds=20)


class ReleaseRefused(Refusal):
    """A model's files are not what may be released; the detail says which and what to do."""

    slug, status, title = "release-refused", 409, "This model cannot be released so"


async def announce(
    connection: Session,
    report: Callable[[str], None],
    directory: Path = engine.MODELS,
    notice: timedelta = NOTICE,
) -> list[Release]:
    """Announce what is new among the models on disk; gives all releases. Raises ``ReleaseRefused``."""
    async with connection.transaction():
        await connection.execute(SQL.lock)
        rows = await connection.fetch(SQL.releases)
        known = {(row["name"], row["version"]): row["sha256"] for row in rows}
        scoring_already = {row["name"] for row in rows}
        number = len(rows)
        today = await connection.fetchval(SQL.today)
        for name, version, digest in _on_disk(directory):
            if (name, version) in known:
                _refuse_change(name, version, digest, known[name, version])
                continue
            model = engine.load(name, version, directory)
            first = name not in scoring_already
            if not first:
                _refuse_past(model, today)
            number += 1
            await connection.execute(
                SQL.announce, number, name, version, digest, model.in_force_from, first, notice
            )
            if not first:
                report(f"announced {name} {version}, in force from {model.in_force_from}")
        return await load(connection, directory)


def _on_disk(directory: Path) -> list[tuple[str, str, bytes]]:
    return [
        (name, version, _digest(name, version, directory))
        for name, versions in engine.released(directory).items()
        for version in versions
    ]


def _digest(name: str, version: str, directory: Path) -> bytes:
    return hashlib.sha256(engine.content(name, version, directory)).digest()


def _refuse_change(name: str, version: str, digest: bytes, announced: bytes) -> None:
    if digest != announced:
        raise ReleaseRefused(
            f"The file of {name} {version} is not the one that was announced. A released version never "
            "changes: put the old file back, and the change into a new version."
        )


def _refuse_past(model: engine.Model, today: date) -> None:
    if model.in_force_from is None or model.in_force_from <= today:
        raise ReleaseRefused(
            f"{model.name} {model.version} must say in_force_from, a day after {today}: answers given until "
            "then must stay as they are."
        )


async def load(connection: Session, directory: Path = engine.MODELS) -> list[Release]:
    """Load what has been announced; where nothing has, what is on disk as from the beginning."""
    rows: Sequence[Row] = await connection.fetch(SQL.releases)
    if not rows:
        return [Release(engine.load(name, version, directory)) for name, version, _ in _on_disk(directory)]
    return [Release(_released(row, directory), row["announced_at"]) for row in rows]


def _released(row: Row, directory: Path) -> engine.Model:
    name, version = row["name"], row["version"]
    try:
        _refuse_change(name, version, _digest(name, version, directory), row["sha256"])
        return engine.load(name, version, directory)
    except FileNotFoundError as error:
        raise ReleaseRefused(
            f"{name} {version} has been announced, and this software does not have it: run the newer one."
        ) from error
