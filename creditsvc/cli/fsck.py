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
    """Go from the events to the log's signatures, and compare.

    Names every record, profile, entry, tile and checkpoint that is not what it must be. Changes nothing and
    works beside a running service. Exit status 0 when clean, 1 when not.
    """
    report = asyncio.run(_check(shown=shown))
    for fault in report.faults:
        print(fault)
    for remark in report.log.remarks:
        click.echo(remark, err=True)
    if report.faults:
        click.echo(f"{counted(len(report.faults), 'fault')} found, {_checked(report)}", err=True)
        raise click.exceptions.Exit(1)
    click.echo(f"clean, {_checked(report)}", err=True)


def _checked(report: fsck.Report) -> str:
    entities = counted(report.entities, "organisation")
    if not report.log.begun:
        return f"{entities} checked; the log has not begun"
    entries = f"{report.log.entries:,} {'entry' if report.log.entries == 1 else 'entries'}"
    return f"{entities}, {entries} and {counted(report.log.checkpoints, 'checkpoint')} checked"


async def _check(*, shown: bool | None) -> fsck.Report:
    known = settings()
    with progress("checking", shown=shown) as told:
        async with embedded.server(known, own=False) as dsn:
            return await fsck.examine(dsn, known, progress=told)
