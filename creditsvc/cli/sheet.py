"""`creditsvc sheet`: the sheets of agencies, checked row by row, sent, and given out to be filled in."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import click
import orjson

from creditsvc.cli import arguments, tables
from creditsvc.cli.progress import progress
from creditsvc.cli.words import counted
from creditsvc.domain import catalogue
from creditsvc.errors import SheetUnreadable, Violation
from creditsvc.handin import bounds, giving
from creditsvc.handin.checking import Checked, answered, check
from creditsvc.handin.columns import KIND_NAMES, KindName
from creditsvc.handin.reading import Sheet, read
from creditsvc.handin.texts import LANGUAGES, Language
from creditsvc.handin.writing import FORMATS, Format
from creditsvc.loading.pushing import REQUEST_TIMEOUT_S, Destination, Ingest

_BATCH_ROWS = 200
_FILE = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)
_NEW_FILE = click.Path(dir_okay=False, path_type=Path)
_COLUMNS = ("row", "column", "code", "what is wrong", "what to do")
_KIND = click.option("--kind", type=click.Choice(KIND_NAMES), required=True, help="What the sheet holds.")
_LANGUAGE = click.option(
    "--language", type=click.Choice(LANGUAGES), default="en", show_default=True, help="Of what is said."
)


@click.group()
def command() -> None:
    """Check, send and give out the sheets that agencies hand in."""


@command.command(
    name="check",
    epilog="""\b
Examples:
  creditsvc sheet check penalties.xlsx --kind penalty --source urn:agency:cn-tj-samr
  creditsvc sheet check licences.csv --kind licence --source urn:agency:cn-tj-samr --language zh \\
      --rejected rejected.xlsx
  CREDITSVC_KEY=... creditsvc sheet check penalties.xlsx --kind penalty --source urn:agency:cn-tj-samr --send
""",
)
@click.argument("file", type=_FILE)
@_KIND
@click.option("--source", metavar="URN", required=True, help="The agency that hands in, by its source.")
@_LANGUAGE
@click.option("--rejected", type=_NEW_FILE, help="Where to write the rejected rows: .xlsx or .csv.")
@click.option("--send", is_flag=True, help="Send the rows that are ready.")
@click.option(
    "--key", envvar="CREDITSVC_KEY", help="The agency's key; better in CREDITSVC_KEY, unseen by `ps`."
)
@click.option(
    "--url", default="http://127.0.0.1:8080", show_default=True, help="The service's address, without /v1."
)
@click.option(
    "--patience",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="Give up after so long without an answer.",
)
def check_command(
    file: Path,
    kind: KindName,
    source: str,
    language: Language,
    rejected: Path | None,
    *,
    send: bool,
    key: str | None,
    url: str,
    patience: float,
) -> None:
    """Check a sheet row by row, and say of each row that cannot be taken why.

    FILE is an .xlsx or a .csv with the columns of docs/sheets.md. No row's values are repeated on the
    terminal. Handing the same sheet in twice does no harm. Exit status 1 when a row was rejected.
    """
    if send and not key:
        raise click.UsageError("--send needs a key: --key or CREDITSVC_KEY")
    form = _format(rejected) if rejected is not None else "csv"
    if rejected is not None and rejected.resolve() == file.resolve():
        raise click.UsageError(f"{rejected} is the sheet to check: it would be overwritten")
    checked = check(_read(file, kind, language), source, datetime.now(UTC), catalogue.load())
    for reason in (*checked.reasons, *checked.notices):
        click.echo(f"{giving.sentence(reason, language)} {reason.remedy(language)}", err=True)
    if send and checked.ready:
        destination = Destination(arguments.address(url), key or "", patience)
        checked = asyncio.run(_sent(checked, destination))
    _show(checked, language)
    if rejected is not None and checked.rejected:
        rejected.write_bytes(giving.rejected(checked, language, form))
    if checked.reasons or checked.rejected:
        raise click.exceptions.Exit(1)


@command.command(
    name="template",
    epilog="""\b
Examples:
  creditsvc sheet template penalties.xlsx --kind penalty
  creditsvc sheet template licences.csv --kind licence --language zh
""",
)
@click.argument("file", type=_NEW_FILE)
@_KIND
@_LANGUAGE
def template_command(file: Path, kind: KindName, language: Language) -> None:
    """Write a sheet to fill in: headers, an example, and in an .xlsx what to write in each column."""
    file.write_bytes(giving.template(kind, language, _format(file)))


def _read(file: Path, kind: KindName, language: Language) -> Sheet:
    with file.open("rb") as opened:
        content = opened.read(bounds.SHEET_MAX_BYTES + 1)
    try:
        return read(content, file.name, kind)
    except SheetUnreadable as refusal:
        raise click.ClickException(bounds.told(refusal, language)) from refusal


def _format(file: Path) -> Format:
    form = file.suffix.lower().removeprefix(".")
    for known in FORMATS:
        if form == known:
            return known
    raise click.UsageError(f"{file}: the name of the file ends in .{' or .'.join(FORMATS)}")


def _show(checked: Checked, language: Language) -> None:
    rows = [
        (str(row.number), reason.label(language), reason.code, reason.text(language), reason.remedy(language))
        for row in checked.rejected
        for reason in row.reasons
    ]
    tables.show(_COLUMNS, rows, "every row is ready" if checked.rows else "no row was checked")
    rows_told = counted(len(checked.rows), "row")
    click.echo(f"{rows_told}: {len(checked.ready):,} ready, {len(checked.rejected):,} rejected", err=True)


async def _sent(checked: Checked, destination: Destination) -> Checked:
    """Send the rows that are ready, and give the sheet with those that the service rejected."""
    refused: dict[int, tuple[Violation, ...]] = {}
    duplicates = 0
    ready = checked.ready
    timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S, sock_connect=10)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        ingest = Ingest(session, destination, lambda text: click.echo(text, err=True))
        with progress("rows") as tell:
            for start in range(0, len(ready), _BATCH_ROWS):
                batch = ready[start : start + _BATCH_ROWS]
                outcomes = await ingest.send([orjson.dumps(row.event) for row in batch])
                for row, outcome in zip(batch, outcomes, strict=True):
                    duplicates += outcome.fate == "duplicate"
                    if outcome.fate == "rejected":
                        refused[row.number] = outcome.violations
                tell(start + len(batch), len(ready))
    accepted = len(ready) - duplicates - len(refused)
    click.echo(
        f"sent {counted(len(ready), 'row')}: {accepted:,} accepted, {duplicates:,} there already, "
        f"{len(refused):,} rejected by the service",
        err=True,
    )
    return answered(checked, refused)
