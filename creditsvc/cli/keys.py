"""`creditsvc keys`: who may do what."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import click

from creditsvc.cli import tables
from creditsvc.cli.environment import connection
from creditsvc.domain import purposes
from creditsvc.errors import Refusal
from creditsvc.store import clients


@click.group()
def command() -> None:
    """Make, list and revoke keys. Works beside a running service, which follows within seconds."""


@command.command(
    epilog="""\b
Examples:
  creditsvc keys create --role agency --source urn:agency:cn-tj-samr
  creditsvc keys create --role partner --client 'First Bank' --expires 90
  creditsvc keys create --role entity --entity uscc:91350100M000100Y43
  KEY=$(creditsvc keys create --role auditor)
"""
)
@click.option("--role", required=True, type=click.Choice(clients.ROLES), help="What the key may do.")
@click.option(
    "--source", "sources", multiple=True, metavar="URN", help="What an agency may send as; may be repeated."
)
@click.option("--entity", metavar="ID", help="The organisation whose own key this is, as scheme:value.")
@click.option(
    "--client", metavar="NAME", help="Who holds the key; by default after the role and what it is for."
)
@click.option(
    "--purpose", metavar="WORD", help="What its queries are for unless they say, such as loan-review."
)
@click.option("--expires", type=click.IntRange(1, 3650), metavar="DAYS", help="Days until it ends by itself.")
def create(
    role: clients.Role,
    sources: Sequence[str],
    entity: str | None,
    client: str | None,
    purpose: str | None,
    expires: int | None,
) -> None:
    """Make a key and print it, alone, on standard output. It is shown this once.

    A client has at most two live keys: the one in use, and the next.
    """
    try:
        clients.check_binding(role, sources, entity)
        if purpose is not None:
            purposes.parse(purpose, "/purpose")
    except Refusal as refusal:
        raise click.UsageError(refusal.detail) from refusal
    binding = {"sources": sources, "entity": entity, "client_id": client, "purpose": purpose}
    print(asyncio.run(_create(role, binding, expires)))
    click.echo("Keep this key: only its digest is stored, and it cannot be shown again.", err=True)


async def _create(role: clients.Role, binding: dict[str, Any], days: int | None) -> str:
    async with connection() as opened:
        expires_at = None if days is None else await clients.expiry(opened, days)
        return await clients.create_key(opened, role, expires_at=expires_at, **binding)


@command.command(name="list", epilog="Tab-separated when standard output is not a terminal.")
def list_() -> None:
    """List every key, live or not.

    Prints id, client, role, what it is bound to, state, times. Secrets are not stored.
    """
    found = asyncio.run(_list())
    tables.show(
        ("key id", "client", "role", "bound to", "state", "made", "expires"),
        [_row(listed) for listed in found],
        "No key yet: creditsvc keys create --help",
    )


async def _list() -> list[clients.ListedKey]:
    async with connection() as opened:
        return await clients.list_keys(opened)


def _row(listed: clients.ListedKey) -> tuple[str, ...]:
    key = listed.key
    state = "live" if listed.live else "expired" if key.revoked_at is None else "revoked"
    bound_to = key.entity or " ".join(sorted(key.sources)) or "-"
    return (
        key.key_id,
        key.client_id,
        key.role,
        bound_to,
        state,
        _day(listed.created_at),
        _day(key.expires_at),
    )


def _day(at: datetime | None) -> str:
    return "-" if at is None else at.date().isoformat()


@command.command(epilog="The id is the part of the key before the dot; `creditsvc keys list` shows it.")
@click.argument("key_id")
def revoke(key_id: str) -> None:
    """Close a key for good; requests with it are refused within seconds."""
    asyncio.run(_revoke(key_id.partition(".")[0]))  # who pastes the whole key means it too
    print("revoked")


async def _revoke(key_id: str) -> None:
    async with connection() as opened:
        await clients.revoke_key(opened, key_id)
