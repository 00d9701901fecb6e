"""The pusher against a real HTTP server that answers as the interface says, with faults put in on purpose."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import aiohttp
import orjson
import pytest
from aiohttp import web

from creditsvc.errors import Violation
from creditsvc.loading import pushing
from creditsvc.loading.failures import LoadStopped
from creditsvc.loading.outcomes import Outcome
from creditsvc.loading.pushing import Destination, Ingest
from tests.processes import PATIENCE_S


class Ledger:
    """An ingest: keeps events by identity, answers each item by itself."""

    def __init__(self) -> None:
        self.events: dict[str, dict] = {}
        self.requests = 0
        self.faults: list[Callable[[Ledger, web.Request, list], object]] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        assert request.headers["Authorization"] == "Bearer id.secret"
        assert request.content_type == "application/cloudevents-batch+json"
        self.requests += 1
        events = orjson.loads(await request.read())
        if self.faults:
            answer = self.faults.pop(0)(self, request, events)
            if isinstance(answer, web.StreamResponse):
                return answer
        return self.answer([self.take(event) for event in events])

    def take(self, event: dict) -> dict:
        if event.get("bad"):
            error = {"pointer": "/0/data/x", "code": "required", "detail": "needed"}
            error["pointer"] = f"/{event['bad']}/data/x"
            problem = {"type": "/problems/event-invalid", "status": 422, "errors": [error]}
            return {"status": "rejected", "problem": problem}
        known = event["id"] in self.events
        self.events[event["id"]] = event
        return {"id": event["id"], "status": "duplicate" if known else "accepted"}

    def answer(self, results: list) -> web.Response:
        return web.json_response({"results": results})


@asynccontextmanager
async def ingest(
    ledger: Ledger, patience_s: float = 5.0, notices: list[str] | None = None
) -> AsyncIterator[Ingest]:
    app = web.Application(client_max_size=2**24)
    app.router.add_post("/v1/events", ledger.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    said = notices if notices is not None else []
    try:
        async with aiohttp.ClientSession() as session:
            yield Ingest(
                session, Destination(f"http://127.0.0.1:{port}/", "id.secret", patience_s), said.append
            )
    finally:
        await runner.cleanup()


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture(autouse=True)
def _brisk(monkeypatch):
    monkeypatch.setattr(pushing, "BACKOFF_FIRST_S", 0.01)


def some(*ids, **more):
    return [orjson.dumps({"id": name, **more}) for name in ids]


def status(number, **headers):
    return lambda *_: web.json_response(
        {"detail": "said so"}, status=number, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )


def fates(outcomes):
    return [outcome.fate for outcome in outcomes]


async def test_outcomes_come_in_the_order_sent(ledger):
    async with ingest(ledger) as to:
        assert fates(await to.send(some("a", "b"))) == ["accepted", "accepted"]
        outcomes = await to.send([*some("b"), *some("c", bad=1), *some("d")])
    assert fates(outcomes) == ["duplicate", "rejected", "accepted"]
    assert outcomes[1] == Outcome("rejected", (Violation("/data/x", "required", "needed"),))


async def test_send_without_answer_is_sent_again_and_arrives_once(ledger):
    def cut(ledger, request, events):
        for event in events:
            ledger.take(event)
        request.transport.close()
        return web.Response()

    ledger.faults = [cut, cut]
    async with ingest(ledger) as to:
        assert fates(await to.send(some("a", "b"))) == ["duplicate", "duplicate"]
    assert list(ledger.events) == ["a", "b"]


@pytest.mark.parametrize("number", [408, 500, 502, 503, 504])
async def test_passing_failures_are_tried_again(ledger, number):
    ledger.faults = [status(number), status(number)]
    async with ingest(ledger) as to:
        assert fates(await to.send(some("a"))) == ["accepted"]
    assert ledger.requests == 3


@pytest.mark.parametrize("text", ["1", None])
async def test_retry_after_is_honoured(ledger, text):
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    ledger.faults = [status(429, Retry_After=text or moment)]
    began = asyncio.get_running_loop().time()
    async with ingest(ledger) as to:
        assert fates(await to.send(some("a"))) == ["accepted"]
    assert asyncio.get_running_loop().time() - began >= 0.9


@pytest.mark.parametrize("number", [429, 503])
@pytest.mark.parametrize("text", ["99999999999", "9" * 400, "Fri, 31 Dec 9999 23:59:59 GMT"])
async def test_retry_after_beyond_patience_is_cut_to_it(ledger, number, text):
    ledger.faults = [status(number, Retry_After=text)]
    async with asyncio.timeout(PATIENCE_S), ingest(ledger, patience_s=0.2) as to:
        if number == 429:  # it is there, and asks for patience: that is no silence
            assert fates(await to.send(some("a"))) == ["accepted"]
        else:
            ledger.faults *= 2
            with pytest.raises(LoadStopped, match="503"):
                await to.send(some("a"))
    assert ledger.requests == 2


async def test_item_the_service_cannot_take_now_is_sent_again_alone(ledger):
    later = {"status": "rejected", "problem": {"type": "/problems/unavailable", "status": 503}}
    ledger.faults = [lambda ledger, _, events: ledger.answer([ledger.take(events[0]), later])]
    async with ingest(ledger) as to:
        assert fates(await to.send(some("a", "b"))) == ["accepted", "accepted"]
    assert ledger.requests == 2


async def test_batch_too_large_is_halved(ledger):
    ledger.faults = [status(413)]
    async with ingest(ledger) as to:
        assert fates(await to.send(some("a", "b", "c"))) == ["accepted"] * 3
    assert ledger.requests == 3


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (status(401), "said so.*creditsvc keys create"),
        (status(403), "role agency"),
        (status(400), "said so"),
        (lambda *_: web.Response(text="<html>"), "not that of an ingest"),
        (lambda *_: web.json_response({"results": []}), "not that of an ingest"),
        (lambda *_: web.json_response({"results": [{"status": "odd"}]}), "no outcome"),
    ],
)
async def test_refusal_of_the_whole_request_stops_the_load(ledger, fault, told):
    ledger.faults = [fault]
    async with ingest(ledger) as to:
        with pytest.raises(LoadStopped, match=told):
            await to.send(some("a"))
    assert ledger.requests == 1


@pytest.mark.parametrize("errors", [["x"], 5, {"pointer": "/0"}, "x", [None]])
async def test_errors_that_are_none_stop_the_load(ledger, errors):
    rejected = {"status": "rejected", "problem": {"status": 422, "errors": errors}}
    ledger.faults = [lambda ledger, *_: ledger.answer([rejected])]
    async with ingest(ledger) as to:
        with pytest.raises(LoadStopped, match="what answers there is not a creditsvc"):
            await to.send(some("a"))


@pytest.mark.parametrize("number", [301, 302, 303, 307, 308])
async def test_redirect_is_not_followed_and_its_target_not_repeated(ledger, number):
    elsewhere = Ledger()
    async with ingest(elsewhere) as other:
        ledger.faults = [status(number, Location=other._url)]
        async with ingest(ledger) as to:
            with pytest.raises(LoadStopped, match="redirect") as stopped:
                await to.send(some("a"))
    assert other._url not in str(stopped.value)
    assert (ledger.requests, elsewhere.requests) == (1, 0)


async def test_refusal_cannot_steer_the_terminal(ledger):
    ledger.faults = [lambda *_: web.json_response({"detail": "a\x1b[2J\x9b\r\u202eb"}, status=400)]
    async with ingest(ledger) as to:
        with pytest.raises(LoadStopped) as stopped:
            await to.send(some("a"))
    assert str(stopped.value).isprintable()
    assert "a\ufffd[2J" in str(stopped.value)


async def test_patience_ends_and_the_wait_was_told(ledger):
    notices: list[str] = []
    ledger.faults = [status(503)] * 1000
    async with ingest(ledger, patience_s=0.5, notices=notices) as to:
        with pytest.raises(LoadStopped, match="503"):
            await to.send(some("a"))
    assert len(notices) == 1


async def test_service_that_is_not_there_ends_patience_too():
    async with aiohttp.ClientSession() as session:
        to = Ingest(session, Destination("http://127.0.0.1:9", "k", 0.2), lambda _: None)
        with pytest.raises(LoadStopped, match="no answer"):
            await to.send(some("a"))
