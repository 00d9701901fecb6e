"""`creditsvc score`: run a model over a file of events, without a database, and say what made the score."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import IO, Any

import click
import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from creditsvc.cli import arguments
from creditsvc.cli.models import find
from creditsvc.cli.words import counted
from creditsvc.domain import catalogue, events, instants
from creditsvc.domain.catalogue import Catalogue
from creditsvc.domain.events import Event
from creditsvc.domain.records import Entry, fold
from creditsvc.domain.scores import TakenApart, document, take_apart
from creditsvc.errors import Refusal
from creditsvc.loading.answers import printable
from creditsvc.settings import Settings
from scoring.engine import Model
from scoring.exact import rounded, written
from scoring.peers import Measured, Rank, rankings

PIPED_WIDTH = 200  # in columns, where no terminal says how wide it is
FAULTS_SHOWN_MAX = 20  # a file of another kind has one in every line
SHOWN_DECIMALS = 4  # of shares without an end, for people; --json has them exactly


@click.command(
    epilog="""\b
Examples:
  creditsvc score checks.ndjson --model eu-2022-695
  creditsvc score checks.ndjson --model fmcsa-sms@1 --as-of 2026-03-01T00:00:00Z --json
  creditsvc score - --model ./my-model.json --entity siren:552081317 < events.ndjson
"""
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option(
    "--model", required=True, metavar="NAME[@VERSION]", help="A released model, or a model's .json file."
)
@click.option(
    "--as-of", metavar="TIME", help="At this instant (RFC 3339), by what had taken effect; default: now."
)
@click.option("--entity", metavar="ID", help="Show this organisation alone; its peers are still all in FILE.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line and organisation.")
def command(file: str, model: str, as_of: str | None, entity: str | None, *, as_json: bool) -> None:
    """Score the organisations in a file of events.

    FILE has one CloudEvent a line (`-`: standard input). Each score is explained. No database is needed and
    nothing is kept. NAME alone is the version in force at the time. If any event breaks the catalogue's
    rules, each such line is named and nothing is scored; exit status 1.
    """
    now = datetime.now(UTC)
    at = arguments.instant(as_of) if as_of else now
    shown = arguments.organisation(entity, "--entity") if entity else None
    by = find(model, at.date())
    read = _File(catalogue.load(), at, now)
    with click.open_file(file, "rb") as lines:
        read.enter(lines)
    if read.faults:
        for fault in read.faults[:FAULTS_SHOWN_MAX]:
            click.echo(fault, err=True)
        if len(read.faults) > FAULTS_SHOWN_MAX:
            click.echo(f"and {len(read.faults) - FAULTS_SHOWN_MAX:,} more", err=True)
        raise click.ClickException(
            f"{counted(len(read.faults), 'fault')} found; nothing is scored. A file has one CloudEvent a line"
        )
    scores = {
        name: take_apart(
            (fold(entries, read.catalogue) for entries in records.values()),
            at,
            by,
            read.catalogue,
            instants.zone_of(name),
        )
        for name, records in sorted(read.entities.items())
    }
    ranks = _ranks(scores, by)
    if shown is not None and shown not in scores:
        raise click.ClickException("nothing in the file is about this organisation")
    for name in scores if shown is None else (shown,):
        if as_json:
            print(orjson.dumps(_document(name, scores[name], at, ranks.get(name))).decode())
        else:
            _print(name, scores[name], at, ranks.get(name))


@dataclass(slots=True)
class _File:
    """The events of a file that had taken effect by an instant, by organisation and record."""

    catalogue: Catalogue
    at: datetime
    now: datetime
    entities: dict[str, dict[tuple[str, str], list[Entry]]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    known: dict[tuple[str, str], bytes] = field(default_factory=dict)

    def enter(self, lines: IO[bytes]) -> None:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                self.faults += (f"line {number}: {fault}" for fault in self._enter(number, line))

    def _enter(self, number: int, line: bytes) -> Iterator[str]:
        try:
            raw = orjson.loads(line)
            event = events.decode(raw, self.catalogue, self.now, max_bytes=Settings().event_max_bytes)
        except orjson.JSONDecodeError:
            yield "not JSON"
            return
        except Refusal as refusal:
            yield from _told(refusal)
            return
        before = self.known.get((event.source, event.id))
        self.known[event.source, event.id] = event.content_sha256
        if before is None and event.time <= self.at:
            yield from self._keep(number, event)
        elif before not in {None, event.content_sha256}:
            yield "this source and id were used for something else"

    def _keep(self, number: int, event: Event) -> Iterator[str]:
        entries = self.entities.setdefault(event.entity, {}).setdefault((event.record, event.source), [])
        if self.catalogue.types[event.type].role == "opens" and any(
            self.catalogue.types[entry.type].role in {"opens", "states"} for entry in entries
        ):
            yield "/data/record: a record with this number stands already; correct it instead"
            return
        entries.append(
            Entry(
                sequence=number,
                recorded_at=self.now,
                source=event.source,
                id=event.id,
                type=event.type,
                time=event.time,
                record=event.record,
                data=event.data,
            )
        )


def _told(refusal: Refusal) -> Iterator[str]:
    if not refusal.violations:
        yield refusal.detail
    yield from (f"{one.pointer or '/'}: {one.detail}" for one in refusal.violations)


def _ranks(scores: Mapping[str, TakenApart], model: Model) -> dict[str, Rank]:
    peers = model.peers
    if peers is None:
        return {}
    measured = {
        name: Measured(one.explanation.score.exact, one.explanation.sums.get(peers.size, Decimal(0)))
        for name, one in scores.items()
        if one.explanation.score.exact is not None
    }
    return rankings(peers, measured)


def _document(name: str, apart: TakenApart, at: datetime, rank: Rank | None) -> dict[str, Any]:
    told = {"entity": name, "as_of": instants.text(at), **document(apart, instants.zone_of(name))}
    if rank is not None:
        told |= {
            "grade": rank.grade,
            "percentile": orjson.Fragment(written(rank.percentile)),
            "peers": rank.peers,
        }
    return told


def _print(name: str, apart: TakenApart, at: datetime, rank: Rank | None) -> None:
    explanation, score = apart.explanation, apart.explanation.score
    console = Console(width=None if sys.stdout.isatty() else PIPED_WIDTH, highlight=False)
    heading = Table(box=None, show_header=False, pad_edge=False)
    grade = rank.grade if rank is not None else score.grade
    rows = [
        ("entity", name),
        ("model", f"{explanation.model} {explanation.version}"),
        ("as of", instants.text(at)),
        ("score", "no value" if score.value is None else written(score.value)),
        ("grade", grade),
        ("holds until", instants.text_or_none(apart.until) or "an event changes it"),
    ]
    if rank is not None:
        rows.insert(5, ("percentile", f"{written(rank.percentile)} among {rank.peers} of similar size"))
    for label, value in rows:
        heading.add_row(Text(label, style="bold"), Text(value))
    console.print(heading)
    if explanation.shares:
        console.print(_shares(apart))
    console.print()


def _shares(apart: TakenApart) -> Table:
    explanation = apart.explanation
    table = Table("in the score", "points", "reason", "record", "until", "", box=None, pad_edge=False)
    table.columns[0].justify = table.columns[1].justify = "right"
    if explanation.start:
        table.add_row(_figure(explanation.start), "", "start")
    for share in explanation.shares:
        given = share.contribution
        cells = (
            _figure(share.worth),
            _figure(given.worth),
            given.code,
            printable(share.record),
            given.until.isoformat() if given.until else "-",
            "under objection" if share.objected else "",
        )
        table.add_row(*(Text(cell) for cell in cells))
    for name, amount in explanation.adjustments.items():
        table.add_row(_figure(amount), "", Text(name))
    return table


def _figure(number: Fraction) -> str:
    exact = written(number)
    return f"{rounded(number, SHOWN_DECIMALS, 'half-even'):f}…" if "/" in exact else exact
