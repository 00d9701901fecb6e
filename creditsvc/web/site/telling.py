"""What people are told of what they handed in: the receipt, or why it was not taken."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from creditsvc.domain import instants
from creditsvc.domain.catalogue import Catalogue
from creditsvc.errors import NaturalPerson, Refusal, Violation
from creditsvc.ledger.receipts import Receipt
from creditsvc.web import auth, events
from creditsvc.web.keys import CATALOGUE
from creditsvc.web.routes import Role
from creditsvc.web.site import forms
from creditsvc.web.site.answering import local
from creditsvc.web.site.language import Words, language_of, words
from creditsvc.web.site.rendering import page

SPEAKERS: frozenset[Role] = frozenset({"agency", "entity"})  # who pushes events, as `push-events` has it


@dataclass(frozen=True, slots=True)
class Wrong:
    """One thing that is wrong: with which field, if with one, and what to do."""

    field: str | None  # as it is named in the form
    title: str | None
    told: str


@dataclass(frozen=True, slots=True)
class Told:
    """A refusal in words."""

    status: int
    title: str
    told: str
    wrong: tuple[Wrong, ...]

    def about(self, field: str) -> list[str]:
        return [one.told for one in self.wrong if one.field == field]


def in_words(request: web.Request, refusal: Refusal) -> Told:
    """Say why something was not taken; English has the interface's words, which are the more exact ones."""
    t, catalogue = words(language_of(request)), request.app[CATALOGUE]
    person = isinstance(refusal, NaturalPerson)
    key = f"problem.{refusal.slug}." + ("sent" if person else "told")
    return Told(
        refusal.status,
        t.maybe(f"problem.{refusal.slug}", refusal.title),
        refusal.detail if t.language == "en" and not person else t.maybe(key, refusal.detail),
        tuple(_wrong(one, t, catalogue) for one in refusal.violations),
    )


def _wrong(violation: Violation, t: Words, catalogue: Catalogue) -> Wrong:
    told = violation.detail if t.language == "en" else t.maybe(f"wrong.{violation.code}", violation.detail)
    parts = violation.pointer.split("/")
    if parts[:2] != ["", "data"] or len(parts) < 3:
        return Wrong(None, None, told)
    inner = parts[2:]
    name = inner[1] if inner[0] == "changes" and len(inner) > 1 else inner[0]
    known = catalogue.fields.get(name)
    title = None if known is None else t.title(known.title)
    return Wrong(".".join(inner), title, told)


async def push(request: web.Request, raw: Mapping[str, Any]) -> tuple[Receipt, str | None]:
    """Hand in an event as ``POST /v1/events`` does; raises what it is refused with."""
    auth.require(auth.caller(request), SPEAKERS)
    return await events.take(request, raw, apart=(request.content_length or 0) > forms.IN_LOOP_MAX_BYTES)


def receipt_page(
    request: web.Request, raw: Mapping[str, Any], receipt: Receipt, promise: str | None, back: str
) -> web.Response:
    """Show a receipt."""
    zone = instants.zone_of(receipt.entity)
    return page(
        request,
        "receipt.html",
        status=events.status_of(receipt),
        keep="no-store",
        entity=receipt.entity,
        raw=raw,
        receipt=receipt.document(),
        recorded_at=local(zone, receipt.recorded_at),
        promise=promise,
        back=back,
    )
