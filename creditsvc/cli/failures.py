"""Failures that are to be expected, told in a line on standard error instead of a traceback."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
import click

from creditsvc.errors import Refusal
from creditsvc.loading.failures import LoadStopped


@contextmanager
def told() -> Iterator[None]:
    """Turn what may go wrong in the field into a message and exit status 1."""
    try:
        yield
    except (Refusal, LoadStopped) as error:
        raise click.ClickException(str(error)) from error
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError) as error:
        raise click.ClickException("the database has no schema yet: run `creditsvc migrate` first") from error
    except asyncpg.InsufficientPrivilegeError as error:
        raise click.ClickException(f"the database's login role may not do that: {error}") from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise click.ClickException(f"the database: {error}") from error
    except OSError as error:
        raise click.ClickException(_of_the_system(error)) from error


def _of_the_system(error: OSError) -> str:
    what = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {what}" if error.filename else what
