"""`creditsvc show`: an organisation's profile and history in the terminal."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from creditsvc.cli import arguments
from creditsvc.cli.remote import Remote, require
from creditsvc.loading.answers import printable

PAGE_EVENTS = 100
PAGES_MAX = 200  # twice what the highest --limit takes in full pages
PIPED_WIDTH = 200  # in columns, where no terminal says how wide it is


@click.command(
    epilog="""\b
Examples:
  creditsvc show siren:351680558
  creditsvc show uscc:91350100M000100Y43 --as-of 2026-03-01T00:00:00+08:00
  CREDITSVC_KEY=... creditsvc show siren:351680558 --url https://credit.example.org
"""
)
@click.argument("entity")
@click.option(
    "--url", default="http://127.0.0.1:8080", show_default=True, help="The service's address, without /v1."
)
@click.option("--as-of", metavar="TIME", help="As it stood then; RFC 3339 with an offset.")
@click.option(
    "--key",
    envvar="CREDITSVC_KEY",
    help="A key, better in CREDITSVC_KEY, unseen by `ps`; without one you see what the public sees.",
)
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="Events to show at most."
)
def command(entity: str, url: str, as_of: str | None, key: str | None, limit: int) -> None:
    """Show the profile and history of ENTITY, written as scheme:value."""
    service = Remote(arguments.address(url), key)
    entity = arguments.organisation(entity, "ENTITY")
    if as_of is not None:
        arguments.instant(as_of)
    profile, events, notice = asyncio.run(_fetch(service, entity, as_of, limit))
    console = Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)
    console.print(_profile(profile))
    factors = (profile.get("score") or {}).get("factors")
    if factors:
        console.print(_factors(factors))
    console.print(_history(events))
    if notice:
        click.echo(notice, err=True)


async def _fetch(
    service: Remote, entity: str, as_of: str | None, limit: int
) -> tuple[dict[str, Any], list[dict[str, Any]], str]:
    """Give the profile, the events, and what to say of events that are missing; "" when none are."""
    path = f"/v1/entities/{quote(entity, safe=':')}"
    query = {"as_of": as_of} if as_of else {}
    events: list[dict[str, Any]] = []
    async with service.session() as session:
        profile = await service.json(session, path, query)
        require(_is_profile(profile))
        # The same instant for both, so that the history is that of the profile.
        query["as_of"] = as_of or profile["valid_from"]
        page = {"limit": str(min(limit, PAGE_EVENTS))}
        for _ in range(PAGES_MAX):
            answer = await service.json(session, f"{path}/history", query | page)
            require(_is_history(answer))
            events += answer["items"]
            if answer["next"] is None or not answer["items"] or len(events) >= limit:
                break
            page["cursor"] = answer["next"]
    notice = ""
    if len(events) > limit or (len(events) == limit and answer["next"] is not None):
        notice = "There are more events: --limit shows more."
    elif answer["next"] is not None:
        notice = "The service speaks of more events but does not give them."
    return profile, events[:limit], notice


def _is_profile(answer: Mapping[str, Any]) -> bool:
    """Whether an answer has the form of a profile, as far as it is shown."""
    score = answer.get("score") or {}
    return (
        isinstance(answer.get("valid_from"), str)
        and isinstance(score, dict)
        and _are_objects(score.get("factors") or [])
        and isinstance(answer.get("standing") or {}, dict)
        and isinstance(answer.get("listings") or [], list)
    )


def _is_history(answer: Mapping[str, Any]) -> bool:
    """Whether an answer has the form of a page of events, as far as it is shown."""
    match answer:
        case {"items": list(items), "next": str() | None}:
            return all(map(_is_item, items))
    return False


def _is_item(item: Any) -> bool:
    match item:
        case {
            "sequence": int(),
            "recorded_at": str(),
            "event": {"time": str(), "type": str(), "source": str(), **more},
        }:
            return isinstance(more.get("data") or {}, dict)
    return False


def _are_objects(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, dict) for value in values)


def _profile(profile: Mapping[str, Any]) -> Table:
    table = _table("", "")
    score = profile.get("score") or {}
    standing = ", ".join(
        f"{name} {count}" for name, count in (profile.get("standing") or {}).items() if count
    )
    grade = f"{score.get('grade', '-')}"
    if score.get("value") is not None:
        grade += f" ({score['value']}, {score.get('model')} {score.get('version')})"
    rows = (
        ("entity", profile.get("entity")),
        ("name", profile.get("name")),
        ("status", profile.get("status")),
        ("grade", grade),
        ("standing", standing or "nothing on record"),
        ("listings", len(profile.get("listings") or ())),
        ("objections", profile.get("objections")),
        ("version", profile.get("version")),
        ("holds from", profile.get("valid_from")),
        ("holds until", profile.get("valid_until")),
    )
    for label, value in rows:
        table.add_row(Text(label, style="bold"), _plain("-" if value is None else value))
    return table


def _factors(factors: Sequence[Mapping[str, Any]]) -> Table:
    table = _table("what weighs most in the score", "points", "record", "until")
    for factor in factors:
        points = factor.get("points")
        table.add_row(
            _plain(factor.get("code")),
            _plain(points),
            _plain(factor.get("record") or "-"),
            _plain(factor.get("until") or "-"),
        )
    return table


def _history(events: Sequence[Mapping[str, Any]]) -> Table:
    table = _table("#", "took effect", "recorded", "what", "record", "by")
    for item in events:
        event = item["event"]
        data = event.get("data") or {}
        table.add_row(
            _plain(item["sequence"]),
            _plain(event["time"][:10]),
            _plain(item["recorded_at"][:19].replace("T", " ")),
            _plain(f"{event['type'].removeprefix('credit.')}: {_told(data)}{_apart(item)}"),
            _plain(data.get("record") or "-"),
            _plain(event["source"]),
        )
    return table


def _told(data: Mapping[str, Any]) -> str:
    """Say in a few words what an event tells: the fields corrected, else its first plain statement."""
    if isinstance(data.get("changes"), dict):
        return "; ".join(f"{name} = {value}" for name, value in data["changes"].items())
    names = ("outcome", "severity", "grade", "decision", "status", "title", "reason", "ground")
    return next((str(data[name]) for name in names if data.get(name)), "-")


def _apart(item: Mapping[str, Any]) -> str:
    """Say that what an organisation wrote is not shown to this caller."""
    return " (shown in part)" if item.get("withheld") else ""


def _table(*columns: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, show_header=any(columns))
    for number, name in enumerate(columns):
        # Numbers and times stay whole; what is long goes on in the next line.
        table.add_column(name, no_wrap=number < 3 and len(columns) > 4, overflow="fold")
    return table


def _plain(value: object) -> Text:
    """Make a text that cannot be taken for markup."""
    return Text(printable(value))
