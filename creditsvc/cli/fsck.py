"""`creditsvc fsck`."""

import asyncio

import click

from creditsvc.cli.environment import settings
from creditsvc.cli.progress import progress
from creditsvc.ledger import fsck
from creditsvc.store import embedded


@click.command(
    epilog="""\b
Examples:
  creditsvc fsck
  creditsvc fsck --progress && echo clean
"""
)
@click.option(
    "--progress/--no-progress", "shown", default=None, help="Show progress; by default on a terminal."
)
def command(shown: bool | None) -> None:  # noqa: FBT001  a command's parameters come by name
    """Recompute records and profiles from the events and compare; name what differs.

    Changes nothing and works beside a running service. Exit status 0 when clean, 1 when not.
    """
    faults = asyncio.run(_check(shown=shown))
    for fault in faults:
        print(fault)
    if faults:
        click.echo(f"{len(faults)} faults found", err=True)
        raise click.exceptions.Exit(1)
    click.echo("clean", err=True)


async def _check(*, shown: bool | None) -> list[str]:
    with progress("checking", shown=shown) as told:
        async with embedded.server(settings(), own=False) as dsn:
            return await fsck.check(dsn, progress=told)
