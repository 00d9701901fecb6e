"""Logs that would rather be looked at for ever than be found out, or cost the witness its memory."""

import asyncio
import resource
import time

import aiohttp
import pytest
from aiohttp import web

from creditsvc.ledger import tiles
from creditsvc.verifier.notes import VerifierKey
from creditsvc.witness import state
from creditsvc.witness.remote import ITEM_MAX_BYTES, MARKS_MAX, PAGE_MAX_BYTES, Remote, Unanswered, Unreadable
from creditsvc.witness.watching import Alarmed, Manner, Unfinished, Watcher
from tests.unit.witness.making import ENTITIES, HandMadeLog, item, served

GIVEN_UP_S = 20.0


class Hostile:
    """A log, and a witness that looks at all of it; what was wrong is written down with the alarm's state."""

    def __init__(self, log, opened, session, url):
        self.log, self.opened, self.url = log, opened, url
        self.kept = opened.log(VerifierKey.parse(log.verifier_key))
        self.remote = Remote(session, url, "auditor")
        self.told = []

    def alarmed(self, fault, evidence):
        self.told.append(fault)
        assert evidence is not None
        assert self.told[0] in evidence.read_text()
        assert self.kept.alarm() is not None, "the alarm stands before anybody hears of it"

    async def look(self, patience_s=GIVEN_UP_S, *, full=True):
        manner = Manner(patience_s, self.alarmed)
        async with asyncio.timeout(2 * GIVEN_UP_S):
            return await Watcher(self.remote, self.kept, self.opened.cosigner, manner, full=full).look()


@pytest.fixture
async def hostile(tmp_path):
    log = HandMadeLog().grow(300)
    with state.opened(tmp_path / "witness") as opened:
        async with served(log) as url, aiohttp.ClientSession() as session:
            yield Hostile(log, opened, session, url)


async def without_end(request: web.Request) -> web.Response:
    after = int(request.query.get("cursor", "0"))
    return web.json_response({"items": [], "next": str(after + 1)})


async def out_of_order(request: web.Request) -> web.Response:
    items = [item(0, ENTITIES[0], 1, "2026-01-01T00:00:01.000000Z")]
    return web.json_response({"items": items, "next": "1"})


async def slow(request: web.Request) -> web.Response:
    await asyncio.sleep(2 * GIVEN_UP_S)
    return web.Response()


@pytest.mark.parametrize("pages", [without_end, out_of_order])
async def test_a_history_without_an_end_is_given_up_and_the_others_are_read(hostile, pages):
    hostile.log.pages[ENTITIES[1]] = pages
    with pytest.raises(Unanswered, match=f"the history of {ENTITIES[1]}: "):
        await hostile.look()
    assert hostile.told == []
    entity = max(ENTITIES)
    hostile.log.pages = {min(ENTITIES): pages}
    hostile.log.unlogged = [item(999, entity, 101, "2026-01-01T00:00:01.000000Z")]
    with pytest.raises(Alarmed):
        await hostile.look()
    (fault,) = hostile.told
    assert fault.startswith(f"{entity}, event 101: ")


@pytest.mark.parametrize("pages", [without_end, slow])
async def test_the_alarm_stands_before_the_histories_are_read(hostile, pages):
    hostile.log.items[2]["event"]["data"]["n"] = 8
    stood = []

    async def looking(request):
        stood.append(hostile.kept.alarm())
        return await pages(request)

    hostile.log.pages = dict.fromkeys(ENTITIES, looking)
    with pytest.raises(Alarmed) as alarmed:
        await hostile.look(2.0)
    assert stood
    assert all(stood)
    assert hostile.told == alarmed.value.faults
    assert hostile.told[0].startswith("position 2, ")


async def test_the_alarm_stands_while_the_rest_of_the_feed_is_slow(hostile):

    async def feed(request):
        if int(request.query["from"]) >= 256:
            return await slow(request)
        page = [one for one in hostile.log.items[:256] if one["position"] != 2]
        return web.json_response({"items": page, "next": 256})

    hostile.log.pages["events"] = feed
    with pytest.raises(Alarmed) as alarmed:
        await hostile.look(1.0)
    assert alarmed.value.faults[0].startswith("position 2: the feed leaves it out")


async def test_a_size_beyond_all_measure_ends_in_an_alarm(hostile):
    """A tree of 2^62 leaves has one tile at its edge, and none below that anybody could give."""
    log = hostile.log
    size, above = 2**62, bytes(32 * 64)  # of level 7: 64 times 2^56
    log.tiles |= {(7, 0): above, (0, 0): bytes(32 * 256)}
    log.shown = log.note(size, tiles.root(size, {(7, 0): above}))
    with pytest.raises(Unanswered):
        await hostile.look()
    log.missing.add(1)
    with pytest.raises(Alarmed):
        await hostile.look()


async def test_a_look_has_an_end(hostile):
    hostile.log.pages["events"] = slow
    began_s = time.monotonic()
    with pytest.raises(Unfinished, match=r"not read within 0\.5 s"):
        await hostile.look(0.5, full=False)
    assert time.monotonic() - began_s < 10
    assert hostile.kept.alarm() is None
    hostile.log.pages.clear()
    assert (await hostile.look(full=False))[0].size == 300


@pytest.mark.parametrize(
    ("count", "body"),
    [
        (2, b" " * (2 * ITEM_MAX_BYTES) + b"{}"),
        (256, b" " * PAGE_MAX_BYTES + b"{}"),
        (1, b" " * PAGE_MAX_BYTES + b"{}"),
        (256, b'{"next":3,"items":[' + b"{}," * (MARKS_MAX // 2) + b"{}]}"),
        (256, b"[" + b"[]," * (MARKS_MAX // 2) + b"[]]"),
    ],
    ids=["two", "many", "one", "objects", "lists"],
)
async def test_a_page_is_no_larger_than_what_was_asked_for(hostile, count, body):
    async def feed(request):
        return web.Response(body=body)

    hostile.log.pages["events"] = feed
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(Unreadable, match="more than"):
        await hostile.remote.entries(0, count)
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kib < 150 * 1024


async def test_entries_too_large_for_one_page_are_read_in_smaller_ones(hostile):
    """As large as events may be: 300 of 64 KiB are 19 MiB."""
    hostile.log.filler = "\N{SNOWMAN}" * 20_000
    hostile.log.grow(300)
    assert (await hostile.look())[0].size == 600
