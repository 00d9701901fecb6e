"""What commands share: the settings, and a connection to the database, whether or not a service runs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import click

from creditsvc.settings import Settings
from creditsvc.store import embedded
from creditsvc.store.database import Connection, connect


def settings() -> Settings:
    """Read the settings; a variable that cannot be read is a wrong call, exit status 2."""
    try:
        return Settings.from_environment()
    except ValueError as error:
        raise click.UsageError(str(error)) from error


@asynccontextmanager
async def connection() -> AsyncIterator[Connection]:
    """Connect as the login role to the configured database, or to the embedded one whoever runs it."""
    async with embedded.server(settings(), own=False) as dsn:
        opened = await connect(dsn)
        try:
            yield opened
        finally:
            await opened.close()
