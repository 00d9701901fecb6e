"""`creditsvc evidence`: all that a service says of an organisation, in one file to be checked offline."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import click
import orjson

from creditsvc.cli import arguments
from creditsvc.cli.progress import progress
from creditsvc.cli.remote import Document, Remote, require
from creditsvc.cli.words import counted
from creditsvc.loading.answers import NOT_CREDITSVC
from creditsvc.verifier.documents import BUNDLE
from creditsvc.verifier.log import parse_checkpoint
from creditsvc.verifier.wrong import Wrong

EVIDENCE_MAX_BYTES = 512 * 2**20
PAGES_MAX = 10_000
PAGE = 100
PAUSE_S = 1
ROUNDS_MAX = 5  # until checkpoints that came in meanwhile have been joined to the newest
CHECKPOINT, CONSISTENCY = "/v1/log/checkpoint", "/v1/log/consistency"
WELL_KNOWN = "/.well-known/creditsvc-log.json"


@click.command(
    epilog="""\b
Examples:
  creditsvc evidence siren:351680558 --output evidence.json
  CREDITSVC_KEY=... creditsvc evidence siren:351680558 --url https://credit.example.org \\
      --since january.checkpoint --output evidence.json
"""
)
@click.argument("entity")
@click.option(
    "--url", default="http://127.0.0.1:8080", show_default=True, help="The service's address, without /v1."
)
@click.option(
    "--key",
    envvar="CREDITSVC_KEY",
    help="A key, better in CREDITSVC_KEY, unseen by `ps`; without one you see what the public sees.",
)
@click.option(
    "--since",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A checkpoint kept from before, or evidence with one: the log must continue it.",
)
@click.option(
    "--patience",
    type=click.IntRange(0, 3_600),
    default=60,
    show_default=True,
    help="Seconds to wait for the log to take the newest events.",
)
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The file to write."
)
def command(entity: str, url: str, key: str | None, since: Path | None, patience: int, output: Path) -> None:
    """Save what the service says of ENTITY, with its proofs.

    All is in one file, which `creditsvc verify` checks offline: give it the log's key as you know it, not
    as the file says.
    """
    address = arguments.address(url)
    entity = arguments.organisation(entity, "ENTITY")
    older = None if since is None else _older(since)
    gathered = asyncio.run(_gather(Remote(address, key), entity, older, patience))
    output.write_bytes(orjson.dumps({"bundle": BUNDLE, "documents": gathered}, option=orjson.OPT_INDENT_2))
    click.echo(f"{output}: {counted(len(gathered), 'document')}; `creditsvc verify` checks it", err=True)
    if parted := _parted(gathered):
        click.echo(f"{counted(parted, 'statement')} of the organisation shown to you in part", err=True)


def _parted(gathered: Document) -> int:
    pages = (page for name, page in gathered.items() if name.startswith("history "))
    return sum("withheld" in item for page in pages for item in page["items"])


def _older(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(EVIDENCE_MAX_BYTES + 1)
    try:
        text = _newest(content) if content[:1] == b"{" else content.decode()
        parse_checkpoint(text)
    except (ValueError, KeyError, TypeError, Wrong) as error:
        raise click.BadParameter("this file holds no checkpoint", param_hint="--since") from error
    return text


def _newest(saved: bytes) -> str:
    """Take the checkpoint out of evidence saved before. ``ValueError`` and its like where there is none."""
    evidence = orjson.loads(saved)
    checkpoint = evidence["documents"]["checkpoint"]
    if evidence["bundle"] != BUNDLE or not isinstance(checkpoint, str):
        raise TypeError
    return checkpoint


async def _gather(service: Remote, entity: str, older: str | None, patience_s: int) -> Document:
    """Ask for all documents, each under the name that it has in the file."""
    path = f"/v1/entities/{quote(entity, safe=':')}"
    async with service.session() as session:
        profile = await service.json(session, path)
        require(isinstance(profile.get("valid_from"), str))
        gathered: Document = {"log": await service.json(session, WELL_KNOWN), "profile": profile}
        last = pages = 0
        with progress("history") as told:
            async for page in _history(service, session, path, profile["valid_from"]):
                pages += 1
                gathered[f"history {pages}"] = page
                last = max([last, *(item["sequence"] for item in page["items"])])
                told(last, last)
        checkpoints = [] if older is None else [older]
        with progress("proofs") as told:
            pages = 0
            async for page in _proofs(service, session, path, last, patience_s):
                pages += 1
                gathered[f"proofs {pages}"] = page
                checkpoints.append(page["checkpoint"])
                told(min(last, page["items"][-1]["sequence"]), last)
        if older is not None:
            gathered["older checkpoint"] = older
        gathered["checkpoint"] = await service.text(session, CHECKPOINT)
        await _join(service, session, [*checkpoints, gathered["checkpoint"]], gathered)
    return gathered


async def _history(
    service: Remote, session: aiohttp.ClientSession, path: str, as_of: str
) -> AsyncIterator[Document]:
    query = {"as_of": as_of, "limit": str(PAGE)}
    for _ in range(PAGES_MAX):
        page = await service.json(session, f"{path}/history", query)
        require(_has_items(page) and isinstance(page.get("next"), str | None))
        yield page
        if page["next"] is None:
            return
        query["cursor"] = page["next"]
    raise click.ClickException("the history does not come to an end")


async def _proofs(
    service: Remote, session: aiohttp.ClientSession, path: str, last: int, patience_s: int
) -> AsyncIterator[Document]:
    """Give pages of proofs until they reach the last event, waiting for the log to take it."""
    after, waited_s = 0, 0
    for _ in range(PAGES_MAX):
        page = await service.json(session, f"{path}/proofs", {"after": str(after), "limit": str(PAGE)})
        require(_has_items(page) and isinstance(page.get("checkpoint"), str))
        if page["items"]:
            require(page["items"][-1]["sequence"] > after)
            after = page["items"][-1]["sequence"]
            yield page
        if after >= last and page.get("next") is None:  # behind the last may be some that were erased
            return
        if not page["items"]:
            if waited_s >= patience_s:
                raise click.ClickException("the log has not taken the newest events yet: try again later")
            await asyncio.sleep(PAUSE_S)
            waited_s += PAUSE_S
    raise click.ClickException("the proofs do not come to an end")


async def _join(
    service: Remote, session: aiohttp.ClientSession, checkpoints: list[str], gathered: Document
) -> None:
    """Ask for proofs that every checkpoint is continued by the newest, while newer ones may come in."""
    sizes = {_size(checkpoint) for checkpoint in checkpoints} - {0}
    joined: set[int] = set()
    for _ in range(ROUNDS_MAX):
        waiting = sorted(size for size in sizes - joined if size < max(sizes))
        for size in waiting:
            proof = gathered[f"consistency from {size}"] = await service.text(
                session, CONSISTENCY, {"from": str(size)}
            )
            sizes.add(_size(proof.partition("\n\n")[2]))
            joined.add(size)
        if not waiting:
            return


def _size(checkpoint: str) -> int:
    try:
        return parse_checkpoint(checkpoint).size
    except Wrong as error:
        raise click.ClickException(NOT_CREDITSVC) from error


def _has_items(page: Mapping[str, Any]) -> bool:
    items = page.get("items")
    return isinstance(items, list) and all(
        isinstance(item, dict) and type(item.get("sequence")) is int for item in items
    )
