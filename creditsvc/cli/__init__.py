"""The command line: one module for each command, imported when it is asked for."""

import importlib
from collections.abc import Mapping
from typing import Any

import click

from creditsvc import __version__
from creditsvc.cli.failures import told

_COMMANDS: Mapping[str, str] = {
    "serve": "creditsvc.cli.serve",
    "migrate": "creditsvc.cli.migrate",
    "agencies": "creditsvc.cli.agencies",
    "keys": "creditsvc.cli.keys",
    "load": "creditsvc.cli.load",
    "sheet": "creditsvc.cli.sheet",
    "show": "creditsvc.cli.show",
    "desk": "creditsvc.cli.desk",
    "score": "creditsvc.cli.score",
    "models": "creditsvc.cli.models",
    "fsck": "creditsvc.cli.fsck",
    "log": "creditsvc.cli.log",
    "evidence": "creditsvc.cli.evidence",
    "verify": "creditsvc.cli.verify",
    "witness": "creditsvc.cli.witness",
}


class _Commands(click.Group):
    """Imports a command's module only to run it or to tell about it: `keys` needs no web server."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(_COMMANDS[cmd_name]).command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        with told():
            return super().invoke(ctx)


@click.group(
    cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="creditsvc")
def main() -> None:
    """Keep the credit record of organisations, traceably, and answer for it fast.

    Settings come from the environment (CREDITSVC_HOST, CREDITSVC_PORT, CREDITSVC_DATABASE_URL,
    CREDITSVC_DATA_DIR, ...). Without a database of yours the service runs its own PostgreSQL in the
    data directory. Exit status: 0 done, 1 failed, 2 wrongly called.
    """
