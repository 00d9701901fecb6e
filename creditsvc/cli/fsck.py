"""`creditsvc fsck`."""

import asyncio

import click

from creditsvc.cli.environment import settings
from creditsvc.cli.progress import progress
from creditsvc.cli.words import counted
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
    """Recompute what is stored from the events and compare.

    Names every record and profile that differs. Changes nothing and works beside a running service. Exit
    status 0 when clean, 1 when not.
    """
    faults, checked = asyncio.run(_check(shown=shown))
    of = f"{counted(checked, 'organisation')} checked"
    for fault in faults:
        print(fault)
    if faults:
        click.echo(f"{counted(len(faults), 'fault')} found, {of}", err=True)
        raise click.exceptions.Exit(1)
    click.echo(f"clean, {of}", err=True)


async def _check(*, shown: bool | None) -> tuple[list[str], int]:
    """Give the faults, and how many organisations were checked."""
    checked = 0
    with progress("checking", shown=shown) as told:

        def count(done: int, total: int) -> None:
            nonlocal checked
            checked = done
            told(done, total)

        async with embedded.server(settings(), own=False) as dsn:
            return await fsck.check(dsn, progress=count), checked
