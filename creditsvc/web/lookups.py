"""``POST /v1/lookups``: many organisations at once."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import datetime
from functools import partial
from typing import Any

import orjson
from aiohttp import HttpVersion11, web

from creditsvc.domain import identifiers
from creditsvc.domain.views import Viewer
from creditsvc.errors import (
    EntityUnknown,
    Malformed,
    Refusal,
    Unavailable,
    UnsupportedMediaType,
    Violation,
)
from creditsvc.web import asking, limits, problems, reading
from creditsvc.web.bodies import read_body
from creditsvc.web.events import parse
from creditsvc.web.keys import READER
from creditsvc.web.routes import JSON, Body, Response, Route
from creditsvc.web.shapes import LookupRequest, LookupResults

MOST_ENTITIES = 1_000
BODY_MAX_BYTES = 256 * 1024  # they take some 40 KiB
LOOKUPS_PER_UNIT = 10  # what a batch is charged against the rate limit
LONGEST_S = 20.0
PART_ENTITIES = 500  # of an answer: so many are in memory at a time, and hold up other requests
PAST_AT_ONCE = 4  # histories folded at one time for a batch about the past
HEAD, TAIL = b'{"results":[', b"]}"
UNKEPT = {"Cache-Control": "no-store"}


async def lookup(request: web.Request) -> web.StreamResponse:
    """Answer with a result for each identifier, in their order."""
    if request.content_type != JSON:
        raise UnsupportedMediaType(f"Send the identifiers as {JSON}.")
    texts, as_of = _read(parse(await read_body(request, most=BODY_MAX_BYTES)))
    limits.charge(request, len(texts) / LOOKUPS_PER_UNIT - 1)
    asked = Asked(texts, reading.viewer(request))
    if as_of is not None:
        parts = [await _past(request, asked, as_of)]
    elif len(texts) <= PART_ENTITIES or request.version < HttpVersion11:
        # Whoever could not tell that an answer ends before its end is given it in one piece.
        parts = [part async for part in _present(request, asked)]
    else:
        return await _streamed(request, asked)
    asking.about(request, asked.canonical.values())
    body = HEAD + b",".join(parts) + TAIL
    return web.Response(body=body, content_type=JSON, headers=UNKEPT)


async def _streamed(request: web.Request, asked: "Asked") -> web.StreamResponse:
    """Send part after part; the first once it is written down who asks about all of them."""
    response = web.StreamResponse(headers=UNKEPT)
    response.content_type = JSON
    before = HEAD
    async with aclosing(_present(request, asked)) as parts:
        async for part in parts:
            if not response.prepared:
                asking.about(request, asked.canonical.values())
                await asking.written(request)
                await response.prepare(request)
            await response.write(before + part)
            before = b","
    await response.write_eof(TAIL)
    return response


class Asked:
    """What a batch asks about, each identifier read once."""

    def __init__(self, texts: Sequence[str], viewer: Viewer) -> None:
        self.texts = texts
        self.viewer = viewer
        self.canonical: dict[str, str] = {}  # of each text that identifies an organisation
        self._refused: dict[str, bytes] = {}  # the results of the others
        for text in dict.fromkeys(texts):
            try:
                self.canonical[text] = identifiers.parse(text)
            except Refusal as refusal:
                told = {"entity": None, "found": False, "problem": problems.document(refusal)}
                self._refused[text] = orjson.dumps(told)

    def entities(self, texts: Sequence[str]) -> list[str]:
        """List each once."""
        return list(dict.fromkeys(self.canonical[text] for text in texts if text in self.canonical))

    def several_times(self) -> set[str]:
        """Tell which are asked about more than once."""
        times = Counter(map(self.canonical.get, self.texts))
        return {entity for entity, many in times.items() if entity is not None and many > 1}

    def written(self, texts: Sequence[str], results: Mapping[str, bytes]) -> bytes:
        """Write what each text gives."""
        canonical, refused = self.canonical, self._refused
        return b",".join([refused[one] if one in refused else results[canonical[one]] for one in texts])


async def _present(request: web.Request, asked: Asked) -> AsyncGenerator[bytes]:
    """Give the results as they stand now, some at a time; what is asked about again gets the same again."""
    assert asked.viewer.view == "shared", "the public does not ask by batches"  # noqa: S101  an invariant
    batches, client = request.app[READER].batches, asked.viewer.client
    again, kept = asked.several_times(), dict[str, bytes]()
    left_s, clock = LONGEST_S, asyncio.get_running_loop().time
    for start in range(0, len(asked.texts), PART_ENTITIES):
        _expect_reader(request)
        texts = asked.texts[start : start + PART_ENTITIES]
        wanted = [entity for entity in asked.entities(texts) if entity not in kept]
        began_s = clock()
        async with _in_time(left_s):
            profiles = await batches.profiles(wanted, client) if wanted else {}
        left_s -= clock() - began_s
        results = {entity: _result(entity, profiles.get(entity)) for entity in wanted}
        yield asked.written(texts, kept | results)
        kept |= {entity: results[entity] for entity in again.intersection(results)}


async def _past(request: web.Request, asked: Asked, as_of: datetime) -> bytes:
    """Give the results as of an instant; if one cannot be had, or whoever asks has gone, the rest is left."""
    moments, viewer = request.app[READER].moments, asked.viewer
    at_once = asyncio.Semaphore(PAST_AT_ONCE)
    charge = partial(limits.charge, request)
    results: dict[str, bytes] = {}

    async def one(entity: str) -> None:
        async with at_once:
            _expect_reader(request)
            try:
                seen = await moments.at(entity, viewer.view, as_of, charge, viewer.client)
                results[entity] = _result(entity, seen.profile)
            except EntityUnknown:
                results[entity] = _result(entity, None)

    try:
        async with _in_time(LONGEST_S), asyncio.TaskGroup() as tasks:
            for entity in asked.entities(asked.texts):
                tasks.create_task(one(entity))
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return asked.written(asked.texts, results)


@asynccontextmanager
async def _in_time(left_s: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(left_s) as limit:
            yield
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise Unavailable("That takes too long at once; ask about fewer", retry_after_s=2) from error


def _expect_reader(request: web.Request) -> None:
    if request.transport is None or request.transport.is_closing():
        raise ConnectionResetError


def _result(entity: str, profile: bytes | None) -> bytes:
    """Write what is told of one; an identifier in canonical form has nothing that JSON escapes."""
    if profile is None:
        return b'{"entity":"%b","found":false}' % entity.encode()
    return b'{"entity":"%b","found":true,"profile":%b}' % (entity.encode(), profile)


def _read(raw: Any) -> tuple[list[str], datetime | None]:
    """Read the request; raises ``Malformed`` with pointers into it."""
    if not isinstance(raw, dict) or not {"entities"} <= set(raw) <= {"entities", "as_of"}:
        raise Malformed('Send {"entities": [identifier, …]}, with "as_of" if need be.')
    entities, as_of = raw["entities"], raw.get("as_of")
    if not isinstance(entities, list) or not 1 <= len(entities) <= MOST_ENTITIES:
        wrong = Violation("/entities", "length", f"An array of 1 to {MOST_ENTITIES} identifiers")
        raise Malformed("The list of identifiers is empty or too long.", [wrong])
    for place, entity in enumerate(entities):
        if not isinstance(entity, str):
            wrong = Violation(f"/entities/{place}", "text", "Identifiers are text, `scheme:value`")
            raise Malformed("An identifier is not text.", [wrong])
    if as_of is None:
        return entities, None
    if not isinstance(as_of, str):
        raise Malformed("That is not a time.", [Violation("/as_of", "time", "A time of RFC 3339")])
    return entities, reading.instant(as_of, "/as_of")


ROUTES = (
    Route(
        "POST",
        "/v1/lookups",
        lookup,
        name="lookups",
        tag="lookups",
        summary="Look up to 1,000 organisations up at once",
        roles=frozenset({"partner", "agency", "operator"}),
        parameters=(asking.PURPOSE,),
        body=Body(
            {JSON: LookupRequest},
            "Which organisations",
            {JSON: {"entities": ["uscc:91350100M000100Y43", "siren:552081317"]}},
        ),
        also_problems=frozenset({404}),  # as_of in the future
        responses={200: Response("A result for each, in their order", LookupResults)},
    ),
)
