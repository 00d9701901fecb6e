"""`creditsvc migrate`."""

import asyncio
from typing import Literal

import click

from creditsvc.cli.environment import settings
from creditsvc.cli.words import counted
from creditsvc.store import embedded, migrations


@click.command(
    epilog="""\b
Examples:
  creditsvc migrate                   everything that is still to do
  creditsvc migrate --phase pre       before the new version is started
  creditsvc migrate --phase post      after the last process of the old version has gone
  creditsvc migrate --rollback-to 3   undo the migrations above 0003, and lose what they hold
"""
)
@click.option(
    "--phase",
    type=click.Choice(["pre", "post", "all"]),
    default="all",
    show_default=True,
    help="Which part: what old and new code can both live with comes before, the rest after.",
)
@click.option("--rollback-to", type=click.IntRange(min=0), metavar="N", help="Undo every migration above N.")
def command(phase: Literal["pre", "post", "all"], rollback_to: int | None) -> None:
    """Bring the database's schema up to date. `serve` does so by itself."""
    if rollback_to is not None and phase != "all":
        raise click.UsageError("--rollback-to undoes both phases: leave --phase out")
    asyncio.run(_migrate(phase, rollback_to))


async def _migrate(phase: Literal["pre", "post", "all"], rollback_to: int | None) -> None:
    async with embedded.server(settings(), own=False, create=True) as dsn:
        if rollback_to is None:
            done = await migrations.migrate(dsn, phase=phase, report=print)
            print(f"{counted(len(done), 'migration')} done" if done else "the schema is up to date")
        else:
            undone = await migrations.rollback(dsn, rollback_to)
            print("".join(f"undone {label}\n" for label in undone) or "nothing to undo\n", end="")
