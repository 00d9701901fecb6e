"""`creditsvc fsck`."""

import asyncio
import sys

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from creditsvc.cli.environment import settings
from creditsvc.ledger import fsck
from creditsvc.store import embedded


@click.command(
    epilog="""\b
Examples:
  creditsvc fsck
  creditsvc fsck --progress && echo clean
"""
)
@click.option("--progress/--no-progress", default=None, help="Show progress; by default on a terminal.")
def command(progress: bool | None) -> None:  # noqa: FBT001  a command's parameters come by name
    """Recompute records and profiles from the events and compare; name what differs.

    Changes nothing and works beside a running service. Exit status 0 when clean, 1 when not.
    """
    faults = asyncio.run(_check(shown=sys.stderr.isatty() if progress is None else progress))
    for fault in faults:
        print(fault)
    if faults:
        click.echo(f"{len(faults)} faults found", err=True)
        raise click.exceptions.Exit(1)
    click.echo("clean", err=True)


async def _check(*, shown: bool) -> list[str]:
    console = Console(stderr=True)
    columns = (TextColumn("checking"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not shown, transient=True) as bar:
        task = bar.add_task("entities", total=None)
        async with embedded.server(settings(), own=False) as dsn:
            return await fsck.check(
                dsn, progress=lambda done, total: bar.update(task, completed=done, total=total)
            )
