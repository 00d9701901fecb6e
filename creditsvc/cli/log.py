"""`creditsvc log`: the transparency log of this service."""

import asyncio
from base64 import b64encode
from datetime import datetime

import click

from creditsvc.cli import tables
from creditsvc.cli.environment import connection, settings
from creditsvc.domain import instants
from creditsvc.ledger.checkpoints import Checkpoints, Unsound
from creditsvc.ledger.sequencer import Standing, standing
from creditsvc.ledger.signing import Identity, checkpoint_file, identity, log_signer
from creditsvc.verifier.log import Checkpoint


@click.group()
def command() -> None:
    """Show the transparency log: its key, and where it stands."""


@command.command(
    epilog="""\b
Examples:
  creditsvc log key
  creditsvc log key --receipts
"""
)
@click.option("--receipts", is_flag=True, help="The key that the promises in receipts are signed with.")
def key(receipts: bool) -> None:  # noqa: FBT001  a command's parameters come by name
    """Print the log's verifier key (C2SP signed-note), for others to check it by.

    Publish it where the service's operator is known: whoever checks needs it from elsewhere than the service.
    """
    known, _ = asyncio.run(_read())
    print(known.receipt_verifier_key if receipts else known.verifier_key)


@command.command()
def accept() -> None:
    """Let this host go on from the last checkpoint in the database.

    For a host that is new, or whose file log/checkpoint is lost: without that file nothing tells whether the
    database was set back. Compare the size and root with a witness's, or another host's, first.
    """
    opened = asyncio.run(_accept())
    print(f"{opened.size}\t{b64encode(opened.root).decode()}")


async def _accept() -> Checkpoint:
    given = settings()
    async with connection() as opened:
        known = await identity(opened)
        if known is None:
            raise click.ClickException("the log has not begun: `creditsvc serve` begins it")
        try:
            return await Checkpoints(log_signer(given, known), checkpoint_file(given)).accept(opened)
        except Unsound as unsound:
            raise click.ClickException(str(unsound)) from unsound


@command.command()
def state() -> None:
    """Show where the log stands: its size, the last checkpoint, what waits, who cosigned."""
    known, found = asyncio.run(_read())
    rows = (
        ("origin", known.origin),
        ("began", instants.text(known.began_at)),
        ("entries", f"{found.size}"),
        ("last checkpoint", f"{found.checkpoint_size} entries, signed {_when(found.signed_at)}"),
        ("cosigned by", ", ".join(found.witnesses) or "no witness"),
        ("complete until", _when(found.complete_until)),
        ("waiting", f"{found.pending}"),
        ("sequencer at work", _when(found.drained_at)),
    )
    tables.show(("", ""), rows, "")


def _when(instant: datetime | None) -> str:
    return "not yet" if instant is None else instants.text(instant)


async def _read() -> tuple[Identity, Standing]:
    async with connection() as opened:
        known = await identity(opened)
        found = await standing(opened)
    if known is None or found is None:
        raise click.ClickException("the log has not begun: `creditsvc serve` begins it")
    return known, found
