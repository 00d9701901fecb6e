"""`creditsvc desk`: what awaits an agency, the earliest due first."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from urllib.parse import quote

import click
import orjson

from creditsvc.cli import arguments, tables
from creditsvc.cli.remote import Document, Remote, require
from creditsvc.domain import instants
from creditsvc.domain.catalogue_procedures import KNOWN
from creditsvc.domain.identifiers import SCHEMES
from creditsvc.loading.answers import printable

PAGE = 500
PAGES_MAX = 100
TEXTS = ("entity", "record", "kind", "number", "step", "since", "due")
COLUMNS = ("due", "state", "kind", "step", "number", "record", "entity", "ground", "since")
OVERDUE, UNCERTAIN = "overdue", "uncertain"


@click.command(
    epilog="""\b
Examples:
  CREDITSVC_KEY=... creditsvc desk --agency urn:agency:cn-tj-samr
  CREDITSVC_KEY=... creditsvc desk --agency urn:agency:cn-tj-samr --overdue --kind repair \\
      --url https://credit.example.org
  CREDITSVC_KEY=... creditsvc desk --agency urn:agency:cn-tj-samr --json | jq .number
"""
)
@click.option("--agency", metavar="URN", required=True, help="The agency, by its source.")
@click.option(
    "--url", default="http://127.0.0.1:8080", show_default=True, help="The service's address, without /v1."
)
@click.option(
    "--key",
    envvar="CREDITSVC_KEY",
    help="The agency's key or an operator's, better in CREDITSVC_KEY, unseen by `ps`.",
)
@click.option("--kind", type=click.Choice(sorted(KNOWN)), help="Only cases of this kind.")
@click.option("--overdue", is_flag=True, help="Only what is past its time.")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=500, show_default=True, help="Cases to show at most."
)
@click.option("--json", "as_json", is_flag=True, help="One object a line, as the service gives it.")
def command(
    *, agency: str, url: str, key: str | None, kind: str | None, overdue: bool, limit: int, as_json: bool
) -> None:
    """Show what awaits an agency, the earliest due first.

    That is objections to records and applications for their repair. A step is due by the end of the day
    shown, where the organisation's authorities are. It is uncertain while the working days until then are
    not laid down yet.
    """
    asked = {"kind": kind} if kind else {}
    if overdue:
        asked["overdue"] = "true"
    items, more = asyncio.run(_fetch(Remote(arguments.address(url), key), agency, asked, limit))
    if as_json:
        for item in items:
            print(orjson.dumps(item).decode())
    else:
        styles = ["red" if item["overdue"] else "" for item in items]
        tables.show(COLUMNS, map(_row, items), "nothing awaits this agency", styles)
    if more:
        click.echo("There is more: --limit shows more.", err=True)


async def _fetch(
    service: Remote, agency: str, asked: Mapping[str, str], limit: int
) -> tuple[list[Document], bool]:
    """Give the cases, and whether there are more."""
    path = f"/v1/agencies/{quote(agency, safe=':')}/desk"
    query = {**asked, "limit": str(min(limit, PAGE))}
    items: list[Document] = []
    async with service.session() as session:
        for _ in range(PAGES_MAX):
            page = await service.json(session, path, query)
            require(_is_page(page))
            items += page["items"]
            if page["next"] is None or not page["items"] or len(items) >= limit:
                break
            query["cursor"] = page["next"]
    return items[:limit], page["next"] is not None or len(items) > limit


def _is_page(answer: Mapping[str, Any]) -> bool:
    match answer:
        case {"items": list(items), "next": str() | None}:
            return all(map(_is_item, items))
    return False


def _is_item(item: Any) -> bool:
    if not isinstance(item, dict) or not all(isinstance(item.get(name), str) for name in TEXTS):
        return False
    if not all(isinstance(item.get(name), bool) for name in ("overdue", "certain")):
        return False
    try:
        _ = instants.parse(item["due"]), instants.parse(item["since"])
    except ValueError:
        return False
    return True


def _row(item: Document) -> Sequence[str]:
    state = OVERDUE if item["overdue"] else "" if item["certain"] else UNCERTAIN
    zone = _zone(item["entity"])
    last = instants.parse(item["due"]) - timedelta(microseconds=1)
    day, since = _local(last, zone)[:10], _local(instants.parse(item["since"]), zone)
    texts = (item["kind"], item["step"], item["number"], item["record"], item["entity"])
    return tuple(map(printable, (day, state, *texts, item.get("ground") or "-", since)))


def _zone(entity: str) -> tzinfo:
    return instants.zone_of(entity) if entity.partition(":")[0] in SCHEMES else UTC


def _local(instant: datetime, zone: tzinfo) -> str:
    return instant.astimezone(zone).strftime("%Y-%m-%d %H:%M")
