"""`creditsvc load`."""

import asyncio
import csv
import signal
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import click

from creditsvc.cli import arguments
from creditsvc.cli.monitor import monitor
from creditsvc.cli.words import counted
from creditsvc.domain import catalogue
from creditsvc.loading.load import Plan, load, rehearse
from creditsvc.loading.outcomes import Tally
from creditsvc.loading.pushing import Destination

_FILE = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)
_NEW_FILE = click.Path(dir_okay=False, path_type=Path)


class _Interrupted(Exception):  # noqa: N818  a wish, not an error
    def __init__(self, number: signal.Signals) -> None:
        super().__init__(number.name)
        self.number = number


@click.command(
    epilog="""\b
Examples:
  export CREDITSVC_KEY=$(creditsvc keys create --role agency --source urn:agency:fr-dgal)
  creditsvc load inspections.csv --mapping mapping.toml --dry-run
  creditsvc load inspections.csv --mapping mapping.toml
  creditsvc load penalties.ndjson.gz --mapping penalties.toml --url https://credit.example.org
"""
)
@click.argument("file", type=_FILE)
@click.option("--mapping", required=True, type=_FILE, help="How rows become events (TOML; docs/mapping.md).")
@click.option(
    "--key", envvar="CREDITSVC_KEY", help="The agency's key; better in CREDITSVC_KEY, unseen by `ps`."
)
@click.option(
    "--url", default="http://127.0.0.1:8080", show_default=True, help="The service's address, without /v1."
)
@click.option(
    "--batch", type=click.IntRange(1, 5000), default=500, show_default=True, help="Events in a request."
)
@click.option(
    "--concurrency", type=click.IntRange(1, 64), default=4, show_default=True, help="Requests at a time."
)
@click.option("--resume/--no-resume", default=True, show_default=True, help="Go on where a load was cut off.")
@click.option("--state", type=_NEW_FILE, help="Where to keep how far it came.  [default: FILE.loading]")
@click.option("--rejected", type=_NEW_FILE, help="Report of rejected rows.  [default: FILE.rejected.csv]")
@click.option(
    "--patience",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="Give up after so long without an answer.",
)
@click.option("--dry-run", is_flag=True, help="Map every row, show the first event, send nothing.")
def command(
    file: Path,
    mapping: Path,
    key: str | None,
    url: str,
    batch: int,
    concurrency: int,
    *,
    resume: bool,
    state: Path | None,
    rejected: Path | None,
    patience: float,
    dry_run: bool,
) -> None:
    """Push a file's rows as events, as a mapping says.

    FILE is a CSV or NDJSON (also .gz), sent through the ingest interface. Rows of one organisation arrive in
    file order. A row that cannot be taken is reported, with its number and the reasons but never with its
    values, and the rest goes on. A load that was cut off goes on where it was when the same command is given
    again; sending twice does no harm. Row 1 is the first row under a CSV's header.

    Exit status 1 when a row was rejected or the load could not finish.
    """
    if not dry_run and not key:
        raise click.UsageError(
            "a key is needed: --key or CREDITSVC_KEY (`creditsvc keys create --role agency`)"
        )
    plan = Plan(
        file=file,
        mapping_text=_text(mapping),
        destination=Destination(arguments.address(url), key or "", patience),
        state_file=_beside(file, state, ".loading"),
        report_file=_beside(file, rejected, ".rejected.csv"),
        batch=batch,
        concurrency=concurrency,
        resume=resume,
    )
    tally = _rehearse(plan) if dry_run else _load(plan)
    if tally.rejected:
        click.echo(f"most often: {_commonest(plan.report_file)}", err=True)
        click.echo(f"why rows were rejected: {plan.report_file}", err=True)
        raise click.exceptions.Exit(1)


def _load(plan: Plan) -> Tally:
    began = time.monotonic()
    try:
        tally, answered = asyncio.run(_watched(plan))
    except _Interrupted as interrupted:
        click.echo("interrupted; give the same command again to go on from there", err=True)
        raise click.exceptions.Exit(128 + interrupted.number) from None
    elapsed_s = max(time.monotonic() - began, 1e-3)
    unchanged = f", {tally.unchanged:,} unchanged" if tally.unchanged else ""
    print(
        f"{counted(tally.rows, 'row')}: {tally.accepted:,} accepted, {tally.duplicate:,} duplicates"
        f"{unchanged}, "
        f"{tally.rejected:,} rejected; {answered / elapsed_s:,.0f} rows/s"
    )
    return tally


async def _watched(plan: Plan) -> tuple[Tally, int]:
    """Load under a progress bar; SIGINT and SIGTERM end it cleanly."""
    loop = asyncio.get_running_loop()
    caught: list[signal.Signals] = []
    with monitor() as watching:
        task = asyncio.ensure_future(load(plan, watching))

        def end(number: signal.Signals) -> None:
            caught.append(number)
            task.cancel()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, end, number)
        try:
            return await task, watching.answered
        except asyncio.CancelledError:
            if caught:
                raise _Interrupted(caught[0]) from None
            raise


def _rehearse(plan: Plan) -> Tally:
    rehearsal = rehearse(plan, catalogue.load(), datetime.now(UTC))
    if rehearsal.first is not None:
        print(rehearsal.first.decode())
    tally = rehearsal.tally
    click.echo(
        f"dry run: {counted(tally.rows, 'row')}: {tally.accepted:,} would be sent, "
        f"{tally.unchanged:,} unchanged, {tally.rejected:,} rejected by the mapping or the catalogue",
        err=True,
    )
    return tally


def _commonest(report: Path) -> str:
    """Say which reason of rejection a report names most often; no value of a row is in it."""
    with report.open(encoding="utf-8", newline="") as file:
        reasons = Counter((row["pointer"], row["detail"]) for row in csv.DictReader(file))
    ((pointer, detail), times), *_ = reasons.most_common(1)
    return f"{pointer or '/'}: {detail.rstrip('.')} ({counted(times, 'row')})"


def _text(mapping: Path) -> str:
    try:
        return mapping.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{mapping}: a mapping file is TOML in UTF-8") from error


def _beside(file: Path, given: Path | None, suffix: str) -> Path:
    path = given or file.with_name(file.name + suffix)
    if path.resolve() == file.resolve():
        raise click.UsageError(f"{path} is the file to load: it would be overwritten")
    return path
