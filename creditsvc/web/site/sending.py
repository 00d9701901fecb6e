"""``/hand-in/send``: the rows of a checked sheet that are ready go the way of ``POST /v1/events``.

The page grows while they do: a line for each part once it is durable, so that whoever waits sees it without a
script. A connection that is lost loses nothing: what was taken is there, and sending again says so.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

from creditsvc.errors import Internal, Refusal, SheetUnreadable, Unavailable, Violation
from creditsvc.handin import packing
from creditsvc.handin.packing import Ready
from creditsvc.ledger.receipts import Outcome, Receipt
from creditsvc.ledger.writer import GROUP_EVENTS
from creditsvc.web import events, sessions
from creditsvc.web.capacity import BODIES, Share
from creditsvc.web.keys import SETTINGS
from creditsvc.web.routes import Response
from creditsvc.web.site import parcels
from creditsvc.web.site.answering import in_words
from creditsvc.web.site.apart import APART
from creditsvc.web.site.handin import MAY, PATH, client, later, told
from creditsvc.web.site.home import LANGUAGE, PAGE_RESPONSE, html
from creditsvc.web.site.language import LANGUAGES, language_of, words
from creditsvc.web.site.parcels import Parcel
from creditsvc.web.site.rendering import ENVIRONMENT, page
from creditsvc.web.site.session import post

ATTEMPTS: Final = 4  # of a part that the service cannot take now
SHOWN: Final = 100  # rows of those that were taken
_CUT: Final = "<!-- here the page grows -->"


@dataclass(slots=True)
class Sent:
    """What became of the rows so far."""

    rows: int
    rejected: int  # by the check
    fates: Counter[str] = field(default_factory=Counter)
    taken: list[tuple[Ready, Receipt]] = field(default_factory=list)  # those that are shown
    refused: dict[int, Sequence[Violation]] = field(default_factory=dict)

    @property
    def done(self) -> int:
        return self.fates.total()

    def add(self, part: Sequence[Ready], outcomes: Sequence[Outcome]) -> bool:
        """Count what became of a part; whether all of it was decided."""
        decided = True
        for row, outcome in zip(part, outcomes, strict=True):
            if isinstance(outcome, Receipt):
                self.fates[outcome.status] += 1
                if len(self.taken) < SHOWN:
                    self.taken.append((row, outcome))
            elif is_undecided(outcome):
                decided = False
            else:
                self.fates["rejected"] += 1
                self.refused[row.number] = outcome.violations or (
                    Violation("", outcome.slug, outcome.detail),
                )
        return decided


@in_words
async def send(request: web.Request) -> web.StreamResponse:
    """Send the rows that are ready, and tell part by part what became of them."""
    share = Share(request.app[BODIES], public=False)
    try:
        parcel, _ = await parcels.read(request)
        lines = await asyncio.to_thread(packing.inflated, parcel.packed)
        share.reach(len(lines))
    except Unavailable as unavailable:
        return await later(request, unavailable)
    sent = Sent(*packing.counts_in(lines))
    events.charge(request, sent.rows)
    answer, begin, end = _begun(request, sent)
    await answer.prepare(request)
    await answer.write((begin + _rendered(request, "step.html", sent=sent)).encode())
    for part in packing.parts(lines, min(GROUP_EVENTS, request.app[SETTINGS].batch_max_events)):
        decided = sent.add(part, await _taken(request, part))
        await answer.write(_rendered(request, "step.html", sent=sent).encode())
        if not decided:
            break
    await answer.write((await _told(request, parcel, sent) + end).encode())
    await answer.write_eof()
    return answer


def _begun(request: web.Request, sent: Sent) -> tuple[web.StreamResponse, str, str]:
    """Give the answer with the headers of a page, and what of it stands before and after what grows."""
    whole = page(request, "sending.html", keep="no-store", repeat=False, anew=PATH, cut=_CUT, rows=sent.rows)
    begin, _, end = (whole.text or "").partition(_CUT)
    answer = web.StreamResponse(headers=whole.headers)
    answer.headers["X-Accel-Buffering"] = "no"  # a proxy such as nginx is not to hold it back
    return answer, begin, end


async def _taken(request: web.Request, part: Sequence[Ready]) -> list[Outcome]:
    """Have a part taken; what the service cannot take now is tried again, a few times."""
    outcomes = await events.take_part(request, [row.event for row in part])
    for _ in range(ATTEMPTS - 1):
        again = [place for place, outcome in enumerate(outcomes) if isinstance(outcome, Unavailable)]
        if not again:
            break
        await asyncio.sleep(1)
        later = await events.take_part(request, [part[place].event for place in again])
        for place, outcome in zip(again, later, strict=True):
            outcomes[place] = outcome
    events.count(outcomes)
    return outcomes


def is_undecided(refusal: Refusal) -> bool:
    """Whether a row that was refused is as it was: the fault is none of its own."""
    return isinstance(refusal, Unavailable | Internal)


async def _told(request: web.Request, parcel: Parcel, sent: Sent) -> str:
    """Say at the end what became of all rows."""
    said: dict[str, Any] | None = None
    sealed = parcel.sealed
    if sent.refused:
        refused = {
            str(number): [(one.pointer, one.code, one.detail) for one in violations]
            for number, violations in sent.refused.items()
        }
        try:
            said, packed = await request.app[APART].perform(
                client(request), {"do": "answer", "refusals": refused}, parcel.packed
            )
        except (Refusal, SheetUnreadable):  # what was taken is taken, whatever else there is to say
            pass
        else:
            sealed = await parcels.seal(request, parcel.source, packed)
    return _rendered(
        request,
        "sent.html",
        sent=sent,
        said=said,
        told=told(request),
        sealed=sealed,
        rejected=sent.rejected + len(sent.refused),
        again=parcel.sealed if sent.done < sent.rows else None,
    )


def _rendered(request: web.Request, template: str, **context: Any) -> str:
    return (
        request.app[ENVIRONMENT]
        .get_template(template)
        .render(t=words(language_of(request)), form_token=sessions.form_token(request), **context)
    )


@in_words
async def start_over(request: web.Request) -> web.StreamResponse:
    """Lead whoever comes back by its address to where it begins."""
    language = request.query.get("language")
    raise web.HTTPSeeOther(f"{PATH}?language={language}" if language in LANGUAGES else PATH)


ROUTES = (
    post(
        f"{PATH}/send",
        send,
        name="hand-in-send",
        summary="Send what is ready of a sheet",
        roles=MAY,
        responses={200: PAGE_RESPONSE},
    ),
    *(
        html(
            f"{PATH}/{what}",
            start_over,
            name=f"hand-in-{what}-again",
            summary="Begin again",
            roles=MAY,
            parameters=(LANGUAGE,),
            responses={303: Response("The first page")},
        )
        for what in ("check", "send", "rejected")
    ),
)
