"""`creditsvc agencies`: who hands events in."""

import asyncio

import click

from creditsvc.cli import tables
from creditsvc.cli.environment import connection
from creditsvc.store import clients


@click.group()
def command() -> None:
    """Add and list the agencies that hand events in."""


@command.command(
    epilog="""\b
Example:
  creditsvc agencies add --source urn:agency:cn-tj-samr --name 天津市市场监督管理委员会
"""
)
@click.option("--source", required=True, metavar="URN", help="The CloudEvents source that its events bear.")
@click.option("--name", required=True, help="What people call it.")
def add(source: str, name: str) -> None:
    """Add an agency, or rename the one that has this source."""
    asyncio.run(_add(source, name))
    print(f"Next: creditsvc keys create --role agency --source {source}")


async def _add(source: str, name: str) -> None:
    async with connection() as opened:
        await clients.name_agency(opened, source, name)


@command.command(name="list", epilog="Tab-separated when standard output is not a terminal.")
def list_() -> None:
    """List the agencies: source, name, keys that open something."""
    found = asyncio.run(_list())
    tables.show(
        ("source", "name", "live keys"),
        [(agency.source, agency.name, str(agency.live_keys)) for agency in found],
        "No agency yet: creditsvc agencies add --help",
    )


async def _list() -> list[clients.Agency]:
    async with connection() as opened:
        return await clients.list_agencies(opened)
