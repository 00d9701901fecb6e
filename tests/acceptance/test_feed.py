"""The change feed over HTTP, on a service with its sequencer: pages, long polls, and stopping meanwhile."""

import asyncio
import time
from base64 import b64decode
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import aiohttp
import orjson
import pytest

from creditsvc.domain.canonical import leaf_hash
from creditsvc.ledger.feed_tips import WAITING_OF_KEY_MAX
from creditsvc.web.feed_shapes import FeedPage
from tests.feeding import leaf_of
from tests.interface import problem
from tests.making import OTHER_ENTITY, SOURCE, raw
from tests.processes import PATIENCE_S, WORKERS, service

FEED = "/v1/log/events"


async def feed(api, who, **asked):
    query = "&".join(f"{name.rstrip('_')}={value}" for name, value in asked.items())
    answer = await api.get(who, f"{FEED}?{query}")
    assert answer.status == 200, answer.body
    assert answer.headers["Cache-Control"] == "no-store"
    FeedPage.model_validate_json(answer.body)
    assert list(answer.document) == ["items", "next", "size", "complete_until"]
    return answer.document


async def end(api):
    """The position after everything that has been recorded by now."""
    before = datetime.now(UTC)
    async with asyncio.timeout(PATIENCE_S):
        while True:
            page = await feed(api, "partner", limit=1)
            if page["complete_until"] and datetime.fromisoformat(page["complete_until"]) > before:
                return page["size"]
            await asyncio.sleep(0.1)


async def test_what_is_pushed_comes_with_what_makes_it_checkable(api, subject):
    start = await end(api)
    penalty = raw("penalty.imposed", "P1", subject=subject, severity="minor", decided_on="2026-04-05")
    (receipt,) = await api.taken("agency", penalty)
    page = await feed(api, "partner", from_=start, wait=30)
    (item,) = page["items"]
    assert list(item) == ["position", "entity", "sequence", "recorded_at", "leaf_hash", "salt", "event"]
    assert (item["position"], item["entity"], item["event"]) == (start, subject, penalty)
    assert {name: item[name] for name in ("sequence", "recorded_at", "leaf_hash")} == {
        name: receipt[name] for name in ("sequence", "recorded_at", "leaf_hash")
    }
    assert leaf_hash(leaf_of(item)) == b64decode(receipt["leaf_hash"])
    assert page["next"] == page["size"] == start + 1


async def test_each_is_shown_what_they_may_see(api, subject):
    start = await end(api)
    given = {"subject": subject, "source": SOURCE}
    await api.taken("agency", raw("record.corrected", "P1", reason="更正", changes={"title": "改"}, **given))
    await api.taken("agency", raw("honour.granted", "P1", **given))
    await api.taken("agency", raw("honour.granted", "P2", **given))
    await api.taken("agency", raw("record.revoked", "P2", reason="撤销", **given))
    assert await end(api) == start + 4
    ways = {
        who: [
            next(way for way in ("event", "withdrawn", "leaf") if way in item)
            for item in (await feed(api, who, from_=start))["items"]
        ]
        for who in ("agency", "another agency", "partner", "auditor", "operator")
    }
    assert ways == {
        "agency": ["event"] * 4,
        "another agency": ["event", "withdrawn"],
        "partner": ["event", "withdrawn"],
        "auditor": ["leaf", "event", "leaf", "withdrawn"],
        "operator": ["event"] * 4,
    }
    (opened, gone) = (await feed(api, "partner", from_=start))["items"]
    assert [one["position"] for one in opened["earlier"]] == [start]
    assert gone["withdrawn"] == {
        "type": "credit.record.revoked",
        "record": "P2",
        "source": SOURCE,
        "time": "2026-03-04T16:00:00.000000Z",
    }
    for asked, found in (
        ({"entity": subject}, 2),
        ({"entity": "usdot:1"}, 0),
        ({"source": "urn:a,urn:b"}, 0),
    ):
        page = await feed(api, "partner", from_=start, **asked)
        assert (len(page["items"]), page["next"]) == (found, start + 4)
    page = await feed(api, "partner", from_=start, type="credit.record.corrected,credit.score.stepped")
    assert [item["position"] for item in page["items"]] == [start + 1, start + 3]


async def test_a_long_poll_wakes_soon_after_a_push(api, subject):
    for wait_s in (4, 30):  # the longer if the machine was too slow for the shorter to show anything
        start = await end(api)
        began_s = time.monotonic()
        asked = asyncio.create_task(
            feed(api, "partner", from_=start, wait=30, entity=f"siren:552081317,{subject}")
        )
        other = asyncio.create_task(feed(api, "partner", from_=start, wait=wait_s, entity="siren:552081317"))
        await asyncio.sleep(0.5)
        assert not asked.done()
        await api.taken("agency", raw("honour.granted", f"H{wait_s}", subject=subject))
        page = await asked
        woken_s = time.monotonic()
        assert [item["entity"] for item in page["items"]] == [subject]
        # Whoever does not care for it waits on, and learns only that there was something.
        page, waited_s = await other, time.monotonic() - began_s
        if woken_s - began_s < wait_s - 1:
            assert waited_s >= wait_s
            assert (page["items"], page["next"]) == ([], start + 1)
            return
    raise AssertionError("a checkpoint is signed every second, and looked for more often")


async def test_silence_is_told_from_staleness(api):
    start = await end(api)
    began = datetime.now(UTC)
    page = await feed(api, "partner", from_=start, wait=2)
    assert datetime.now(UTC) - began >= timedelta(seconds=2)
    assert (page["items"], page["next"], page["size"]) == ([], start, start)
    assert page["complete_until"]
    assert await end(api) == start, "how far it is complete goes on, though nothing comes"


async def test_a_reader_that_is_ahead_of_the_log_is_told(api):
    start = await end(api)
    wrong = problem(await api.get("partner", f"{FEED}?from={start + 1}&wait=30"), 404, "not-found")
    assert wrong["errors"][0]["code"] == "beyond-log"


@pytest.mark.parametrize(
    ("query", "status", "slug"),
    [
        ("from=-1", 400, "malformed"),
        ("from=1e3", 400, "malformed"),
        ("from=%D9%A1", 400, "malformed"),
        ("wait=31", 400, "malformed"),
        ("limit=0", 400, "malformed"),
        ("limit=1001", 400, "malformed"),
        ("type=credit.unheard.of", 400, "malformed"),
        ("type=", 400, "malformed"),
        ("source=a,,b", 400, "malformed"),
        ("entity=" + ",".join(["usdot:1"] * 101), 400, "malformed"),
        ("entity=nonsense", 404, "identifier-invalid"),
        ("entity=usdot:1,uscc:11010519491231002X", 422, "natural-person"),
        ("cursor=1-1", 400, "malformed"),
    ],
)
async def test_what_cannot_be_asked_is_refused(api, query, status, slug):
    problem(await api.get("partner", f"{FEED}?{query}"), status, slug)


async def test_an_identifier_is_taken_as_people_write_it(api):
    await api.taken("agency", raw("honour.granted", "H-feed", subject=OTHER_ENTITY))
    await end(api)
    written = "SIREN: 552 081 317".replace(" ", "%20")
    page = await feed(api, "operator", entity=written, limit=1)
    assert page["items"][0]["entity"] == OTHER_ENTITY


async def test_who_leaves_makes_room_for_who_comes(api):
    start = await end(api)
    headers = {"Authorization": f"Bearer {api.keys['partner']}"}
    url = f"{api.running.url}{FEED}?from={start}&wait="

    async def left():
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(0.1)) as session:
            with suppress(TimeoutError):
                while True:  # told to come again while those before have not quite left
                    answer = await session.get(url + "30", headers=headers)
                    assert answer.status == 429, "it was let wait"
                    await asyncio.sleep(0.05)

    async def asked(session, wait_s, number):
        return await asyncio.gather(*(session.get(f"{url}{wait_s}", headers=headers) for _ in range(number)))

    began_s = time.monotonic()
    for _ in range(3):
        await asyncio.gather(*(left() for _ in range(WAITING_OF_KEY_MAX)))
        await asyncio.sleep(0.3)  # that they have left is noticed soon, not at once
    async with aiohttp.ClientSession() as session:
        while 429 in {one.status for one in await asked(session, 1, WAITING_OF_KEY_MAX)}:
            assert time.monotonic() - began_s < 25, "they would have been answered by now"
        # Each worker lets so many of one key wait; the rest are told to come again.
        for wait_s in (1, 10, 30):  # the longer if the machine was too slow for them to meet
            answers = await asked(session, wait_s, 3 * WORKERS * WAITING_OF_KEY_MAX)
            if {one.status for one in answers} == {200, 429}:
                break
        assert {one.status for one in answers} == {200, 429}
        assert all(int(one.headers["Retry-After"]) >= 1 for one in answers if one.status == 429)


async def test_a_service_that_stops_answers_whoever_waits(tmp_path):
    async with service(tmp_path / "var") as running:
        key = f"Authorization: Bearer {await running.key('partner')}\r\n"

        async def wait():
            """Ask, and see that the worker has taken the question up."""
            reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
            head = f"GET {FEED}?wait=30 HTTP/1.1\r\nHost: a\r\n{key}Expect: 100-continue\r\n\r\n"
            writer.write(head.encode())
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
            return reader, writer

        async with asyncio.timeout(PATIENCE_S):
            waiting = [await wait() for _ in range(6)]
            began_s = time.monotonic()
            stopping = asyncio.create_task(running.stop())
            for reader, writer in waiting:
                head, _, body = (await reader.read()).partition(b"\r\n\r\n")
                writer.close()
                assert head.startswith(b"HTTP/1.1 200 ")
                page = orjson.loads(body)
                assert (page["items"], page["next"], page["size"]) == ([], 0, 0)
            assert time.monotonic() - began_s < 25, "sooner than they asked for"
            assert await stopping == 0
