"""`creditsvc serve`."""

import click

from creditsvc import service
from creditsvc.cli.environment import settings


@click.command(
    epilog="""\b
Examples:
  creditsvc serve
  CREDITSVC_PORT=9000 CREDITSVC_DATA_DIR=/srv/credit creditsvc serve
  CREDITSVC_DATABASE_URL=postgresql://creditsvc@db/creditsvc creditsvc serve
"""
)
def command() -> None:
    """Migrate the database, then serve until SIGTERM or Ctrl-C.

    Listens on CREDITSVC_HOST and CREDITSVC_PORT (127.0.0.1 and 8080) with CREDITSVC_WORKERS processes
    (one per core). /readyz answers 200 once it can work.
    """
    raise click.exceptions.Exit(service.serve(settings()))
