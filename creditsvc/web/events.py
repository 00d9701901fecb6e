"""``POST /v1/events``: agencies push what they decided, one event or a batch, each standing alone.

An organisation sends by it what it has to say of its own records: objections, applications for repair.
"""

import asyncio
import gc
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from aiohttp import web

from creditsvc.domain import persons
from creditsvc.domain.events import Event, decode, source_of
from creditsvc.errors import (
    Forbidden,
    Malformed,
    Refusal,
    TooLarge,
    Unavailable,
    UnsupportedMediaType,
    Violation,
)
from creditsvc.ledger import measures
from creditsvc.ledger.receipts import Outcome, Receipt
from creditsvc.ledger.turns import in_turns
from creditsvc.ledger.writer import GROUP_EVENTS
from creditsvc.web import auth, limits, problems
from creditsvc.web.bodies import read_body
from creditsvc.web.keys import APPEND, CATALOGUE, PROMISES, SETTINGS
from creditsvc.web.routes import Body, Response, Route
from creditsvc.web.shapes import PromisedReceipt, PushAnswer

ONE = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
DECODED_AT_ONCE = 4  # events between two turns of the loop: a batch must not hold up look-ups
LONGEST_ID = 256
PARSED_COLLECTING_MAX_BYTES = 64 * 1024
EVENTS_PER_UNIT = 100  # what a batch is charged against the rate limit
EVENT = {"$ref": "#/components/schemas/Event"}
# What is no event is rejected alone, and a batch that is too long answers 413: neither breaks the shape.
BATCH_SHAPE = {"type": "array", "minItems": 1, "items": {"anyOf": [EVENT, {}]}}


async def push(request: web.Request) -> web.Response:
    """Take one event or a batch, by the media type."""
    if request.content_type not in {ONE, BATCH}:
        raise UnsupportedMediaType(f"Send one event as {ONE}, or up to a batch of them as {BATCH}.")
    body = await read_body(request, most=request.app[SETTINGS].body_max_bytes)
    if request.content_type == ONE:
        return await _push_one(request, parse(body))
    return await _push_batch(request, await _packed(request, body))


def parse(body: bytes) -> Any:
    """Parse JSON; raises ``Malformed`` with where, and nothing of what, was sent."""
    try:
        return orjson.loads(body) if len(body) <= PARSED_COLLECTING_MAX_BYTES else _parse_long(body)
    except orjson.JSONDecodeError as error:
        wrong = Violation("", "json", f"Not JSON (RFC 8259) at line {error.lineno}, column {error.colno}")
    raise Malformed("The body is not JSON.", [wrong])


def _parse_long(body: bytes) -> Any:
    """Parse with the collector of cycles held off: it would walk all that is there time and again."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        return orjson.loads(body)
    finally:
        if collecting:
            gc.enable()


async def _push_one(request: web.Request, raw: Any) -> web.Response:
    receipt, promise = await take(request, raw)
    return _answer(receipt.document() | {"promise": promise}, status_of(receipt))


async def take(request: web.Request, raw: Any, *, apart: bool = False) -> tuple[Receipt, str | None]:
    """Take one event from whoever calls: gives its receipt and the promise, or raises the refusal.

    ``apart``: it is looked through in a thread.
    """
    now = datetime.now(UTC)
    event = await asyncio.to_thread(_admit, request, raw, now) if apart else _admit(request, raw, now)
    if isinstance(event, Event):
        (outcome,) = await request.app[APPEND].submit([event])
    else:
        outcome = event
    count([outcome])
    if isinstance(outcome, Refusal):
        raise outcome
    return outcome, await request.app[PROMISES].over([outcome.leaf_hash])


def status_of(receipt: Receipt) -> int:
    return 201 if receipt.status == "accepted" else 200


async def _packed(request: web.Request, body: bytes) -> list[bytes | list[Any]]:
    """Take a batch apart into the parts that are appended, each as bytes again.

    Parsed they would be tens of thousands of objects for as long as the batch takes, and the collector of
    cycles would walk them time and again, 20 milliseconds each time.
    """
    raw = parse(body)
    most = request.app[SETTINGS].batch_max_events
    if not isinstance(raw, list) or not raw:
        raise Malformed("A batch is an array of events.", [Violation("", "array", "Send [event, …]")])
    if len(raw) > most:
        raise TooLarge(
            f"A batch has at most {most} events.", [Violation("", "length", "Send several batches")]
        )
    charge(request, len(raw))
    packed = []
    while raw:
        packed.append(_pack(raw[:GROUP_EVENTS]))
        del raw[:GROUP_EVENTS]
        await asyncio.sleep(0)
    return packed


def _pack(part: list[Any]) -> bytes | list[Any]:
    try:
        return orjson.dumps(part)
    except orjson.JSONEncodeError:  # deeper than can be written: what is will be refused, and by what it is
        return part


async def _push_batch(request: web.Request, packed: Sequence[bytes | list[Any]]) -> web.Response:
    results: list[orjson.Fragment] = []
    leaf_hashes: list[bytes] = []
    unavailable: Unavailable | None = None
    for number, part in enumerate(packed):
        raw = orjson.loads(part) if isinstance(part, bytes) else part
        # Whoever waits should hear at once that nothing can be recorded, not once every part has been tried.
        outcomes = [unavailable] * len(raw) if unavailable else await take_part(request, raw)
        unavailable = next((one for one in outcomes if isinstance(one, Unavailable)), None)
        leaf_hashes += [one.leaf_hash for one in outcomes if isinstance(one, Receipt)]
        count(outcomes)
        places = enumerate(zip(raw, outcomes, strict=True), number * GROUP_EVENTS)
        told = [_told(item, outcome, place) async for place, (item, outcome) in in_turns(places)]
        results.append(orjson.Fragment(orjson.dumps(told)[1:-1]))
    promise = await request.app[PROMISES].over(leaf_hashes)
    return _answer({"results": results, "promise": promise}, 200)


def charge(request: web.Request, events: int) -> None:
    """Charge whoever calls for so many events in one request; ``RateLimited`` if it is too much."""
    limits.charge(request, events / EVENTS_PER_UNIT - 1)


async def take_part(request: web.Request, raw: Sequence[Any]) -> list[Outcome]:
    """Append what can be admitted of a part of a batch, of at most ``GROUP_EVENTS``, from whoever calls.

    Every event has its outcome, whatever happens. Charging and counting are the caller's.
    """
    admitted: list[Event | Refusal] = []
    for place, item in enumerate(raw):
        if place % DECODED_AT_ONCE == 0:
            await asyncio.sleep(0)
        admitted.append(_admit(request, item, datetime.now(UTC)))
    events = [event for event in admitted if isinstance(event, Event)]
    try:
        done = iter(await request.app[APPEND].submit(events) if events else ())
    except Unavailable as unavailable:
        # Without its traceback, which holds this frame and with it the batch until cycles are collected.
        done = iter([unavailable.with_traceback(None)] * len(events))
    return [outcome if isinstance(outcome, Refusal) else next(done) for outcome in admitted]


def _admit(request: web.Request, raw: Any, now: datetime) -> Event | Refusal:
    """Decode an event that this key may send; the binding comes first, so that a stranger learns nothing."""
    source = source_of(raw)
    if source is not None and source not in auth.caller(request).sources:
        return Forbidden(
            "This key is not bound to the source that the event names",
            [Violation("/source", "source", "Send a source that the key is bound to")],
        )
    try:
        return decode(raw, request.app[CATALOGUE], now, max_bytes=request.app[SETTINGS].event_max_bytes)
    except Refusal as refusal:
        return refusal


def _rejected(raw: Any, refusal: Refusal, place: int) -> dict[str, Any]:
    """Describe a rejection; its pointers lead into the batch."""
    problem = problems.document(refusal)
    for violation in problem["errors"]:
        violation["pointer"] = f"/{place}{violation['pointer']}"
    name = raw.get("id") if isinstance(raw, dict) else None
    return {
        "id": _repeatable(name),
        "source": _repeatable(source_of(raw)),
        "status": "rejected",
        "problem": problem,
    }


def _repeatable(text: Any) -> str | None:
    """Give back an identity so that the sender can tell its event, unless it holds a person's number."""
    if isinstance(text, str) and len(text) <= LONGEST_ID and persons.find(text) is None:
        return text
    return None


def count(outcomes: Sequence[Outcome]) -> None:
    """Count what became of events, for /metrics."""
    told = Counter(outcome.status if isinstance(outcome, Receipt) else "rejected" for outcome in outcomes)
    for outcome, times in told.items():
        measures.EVENTS.labels(outcome).inc(times)


def _told(raw: Any, outcome: Outcome, place: int) -> dict[str, Any]:
    return outcome.document() if isinstance(outcome, Receipt) else _rejected(raw, outcome, place)


def _answer(document: Any, status: int) -> web.Response:
    return web.Response(
        body=orjson.dumps(document),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


ROUTES = (
    Route(
        "POST",
        "/v1/events",
        push,
        name="push-events",
        tag="events",
        summary="Push one event or a batch of up to 5,000",
        description=(
            "Each event stands or falls alone. A receipt means durable. Sending the same event again gives "
            "the original receipt with status `duplicate`; what had no answer may be sent again. The promise "
            "is signed: the leaves of all receipts in the answer are in the log within the delay it names. "
            "An organisation's own key sends as `urn:entity:<its identifier>`, and only what the catalogue "
            "has as moves of an applicant: objections, appeals, applications for repair."
        ),
        roles=frozenset({"agency", "entity"}),
        body=Body(
            {ONE: EVENT, BATCH: BATCH_SHAPE},
            "A CloudEvent, or an array of them",
        ),
        responses={
            200: Response(
                "The original receipt of a duplicate; or a batch's results, in its order", PushAnswer
            ),
            201: Response("The event is recorded", PromisedReceipt),
        },
        also_problems=frozenset({409}),
    ),
)
