"""Processes killed in the middle of real requests: nothing acknowledged is lost, nothing is there twice."""

import asyncio
import contextlib
import os
import random
import signal
import time
from collections import defaultdict
from itertools import count

import aiohttp
import pytest

from tests.chance import CAMPAIGN, SEED
from tests.gates import gate
from tests.making import SOURCE, raw
from tests.processes import PATIENCE_S, Agency, Service, children, service

BATCH_EVENTS = 1_200
LAST = "usdot:16"  # the organisation of a batch's last event, of which nobody else sends any
_numbers = count(1)


@pytest.fixture(scope="module")
async def running(tmp_path_factory):
    """One service for all tests here: each leaves it running, whatever it did to it."""
    # Nothing that is held up here is cut off only because the machine is slow.
    patient = {"drain_timeout_s": PATIENCE_S / 2, "statement_timeout_ms": round(PATIENCE_S * 500)}
    async with service(tmp_path_factory.mktemp("faults") / "var", **patient) as one:
        yield one


@pytest.fixture(scope="module")
async def key(running):
    return await running.key("agency", sources=[SOURCE])


@pytest.fixture
async def session():
    # A connection for each request, so that every worker gets some.
    connector = aiohttp.TCPConnector(force_close=True, limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(PATIENCE_S)) as one:
        yield one


@pytest.fixture
def agency(running, key, tmp_path):
    return Agency(running.url, key, tmp_path / "receipts")


def events(chance, number):
    """Openings and amendments on a few organisations: requests meet on the same locks."""
    found = []
    for _ in range(number):
        n = next(_numbers)
        given = {"subject": f"usdot:{chance.randint(1, 15)}", "id": f"{SEED}-{n}"}
        found.append(raw("penalty.imposed", f"{SEED}-{n}", severity="serious", **given))
        if n % 5 == 0:
            found.append(
                raw("record.revoked", f"{SEED}-{n}", reason="撤销", **given | {"id": f"{SEED}-{n}-revoked"})
            )
    return found[:number]


async def push(agency, session, chance, stop):
    """Singles and small batches, until told to stop; what had no answer is sent again, or left for later."""
    while not stop.is_set():
        group = events(chance, chance.choice([1, 1, 1, 7, 60]))
        while not await agency.send(session, group) and not stop.is_set():
            await asyncio.sleep(0.05)
            if chance.random() < 0.1:
                break
        await asyncio.sleep(0.04)


class Batch:
    """A large batch on its way, held up before its last event."""

    def __init__(self, running, agency, chance):
        self.running, self.agency = running, agency
        n = next(_numbers)
        last = raw("penalty.imposed", f"{SEED}-{n}", id=f"{SEED}-{n}", subject=LAST)
        self.events = [*events(chance, BATCH_EVENTS - 1), last]
        self.port = 0

    @contextlib.asynccontextmanager
    async def held_up(self):
        """Send it, and hold it up where part of it is recorded, for the time of the block."""
        connector = aiohttp.TCPConnector(limit=1)
        timeout = aiohttp.ClientTimeout(PATIENCE_S)
        async with (
            self.running.database() as connection,
            aiohttp.ClientSession(self.running.url, connector=connector, timeout=timeout) as session,
        ):
            async with session.get("/livez"):
                pass
            ((transport, *_),) = [connection[0] for connection in connector._conns.values()]
            self.port = transport.transport.get_extra_info("sockname")[1]
            async with gate(connection, LAST) as held:
                sending = asyncio.create_task(self.agency.send(session, self.events))
                await held.reached(sending.done)
                assert await connection.fetchval("select count(*) from event") >= BATCH_EVENTS // 2
                yield
            self.answered = await sending


async def everything_holds(running: Service, agency: Agency, session):
    """Every acknowledged event is there exactly once, under its leaf hash; so is the rest, sent again."""
    there = await histories(running, {event["subject"] for event in agency.sent.values()}, session)
    for receipt in agency.receipts():
        found = there[receipt["id"]]
        assert found == [(receipt["entity"], receipt["sequence"], receipt["leaf_hash"])], receipt
    unknown = {name: places for name, places in there.items() if name in agency.unanswered}
    assert all(len(places) == 1 for places in unknown.values())
    assert await agency.send_rest(session) == len(unknown)
    there = await histories(running, {event["subject"] for event in agency.sent.values()}, session)
    receipts = {receipt["id"]: receipt for receipt in agency.receipts()}
    for name in agency.sent:
        receipt = receipts[name]
        assert there[name] == [(receipt["entity"], receipt["sequence"], receipt["leaf_hash"])]
    status, said = await running.command("fsck")
    assert status == 0, said


@contextlib.asynccontextmanager
async def patiently(session, url, headers):
    """The answer, once it is another than that the database is away for now."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            async with session.get(url, headers=headers) as answer:
                if answer.status != 503:
                    yield answer
                    return
            await asyncio.sleep(0.1)


async def histories(running, entities, session):
    """All events of the organisations by id, over HTTP; their sequences are gap-free."""
    async with running.database() as connection:
        await connection.execute("delete from api_key where client_id = 'watching'")
    operator = await running.key("operator", client_id="watching")
    found = defaultdict(list)
    for entity in sorted(entities):
        sequences, cursor = [], ""
        while cursor is not None:
            url = f"{running.url}/v1/entities/{entity}/history?limit=1000{cursor and '&cursor='}{cursor}"
            async with patiently(session, url, {"Authorization": f"Bearer {operator}"}) as answer:
                if answer.status == 404:
                    break
                assert answer.status == 200
                page = await answer.json()
            for item in page["items"]:
                sequences.append(item["sequence"])
                found[item["event"]["id"]].append((entity, item["sequence"], item["leaf_hash"]))
            cursor = page["next"]
        assert sequences == list(range(1, len(sequences) + 1)), entity
    return found


def one_backend(running, chance):
    """A process of PostgreSQL that serves a connection of ours."""
    named = children(running.postmaster)
    return chance.choice([pid for pid, command in named.items() if "creditsvc" in command])


@pytest.mark.parametrize(
    "victim",
    ["every worker", "the parent", "the postmaster", *(["the worker", "a backend"] if CAMPAIGN else [])],
)
async def test_killed_inside_a_batch(running, agency, session, victim):
    chance = random.Random(f"{SEED}/{victim}")
    stop = asyncio.Event()
    pushing = [asyncio.create_task(push(agency, session, chance, stop)) for _ in range(3)]
    batch = Batch(running, agency, chance)
    async with batch.held_up():
        match victim:
            case "the worker":
                victims = [running.worker_of(batch.port)]
            case "every worker":
                victims = running.workers
            case "the postmaster":
                victims = [running.postmaster]
            case "a backend":
                victims = [one_backend(running, chance)]
            case _:
                victims = []
        if victims:
            for pid in victims:
                os.kill(pid, signal.SIGKILL)
        else:
            await running.kill()
            await running.start()
    await running.ready()
    assert not set(victims) & set(running.workers)
    await asyncio.sleep(0.5)
    stop.set()
    await asyncio.gather(*pushing)
    if victim in {"the worker", "every worker", "the parent"}:
        assert not batch.answered
        assert agency.unanswered
    await everything_holds(running, agency, session)


@pytest.mark.skipif(not CAMPAIGN, reason="takes a minute: make campaign")
async def test_killed_again_and_again_at_random(running, agency, session):
    """Also while what was killed before is still coming back."""
    chance = random.Random(f"{SEED}/again")
    stop = asyncio.Event()
    pushing = [asyncio.create_task(push(agency, session, chance, stop)) for _ in range(4)]
    for _ in range(12):
        await asyncio.sleep(chance.choice([0.05, 0.3, 1, 3]))
        match chance.choice(["worker", "worker", "backend", "postmaster", "parent", "stop"]):
            case "parent":
                await running.kill()
                await running.start(ready=False)
            case "stop":
                await running.stop()
                await running.start(ready=False)
            case victim:
                with contextlib.suppress(LookupError, ValueError, OSError):  # it may be dead already
                    os.kill(one_of(running, victim, chance), signal.SIGKILL)
        if running.has_ended:  # it may find that it cannot start; whoever runs it starts it again
            await running.start(ready=False)
    await running.ready()
    stop.set()
    await asyncio.gather(*pushing)
    assert agency.receipts()
    await everything_holds(running, agency, session)


def one_of(running, victim, chance):
    if victim == "worker":
        return chance.choice(running.workers)
    return running.postmaster if victim == "postmaster" else one_backend(running, chance)


async def test_terminated_in_the_middle_of_requests_it_answers_what_it_has_taken(running, agency, session):
    """An event that has no answer was not taken: it is not on record, however the connection ended."""
    chance = random.Random(f"{SEED}/drain")
    stop, late = asyncio.Event(), asyncio.Event()

    async def once(kept):
        """One try for each: on fresh connections, or on ones that are kept and may close at any moment."""
        connector = aiohttp.TCPConnector(force_close=not kept, limit=0)
        async with aiohttp.ClientSession(connector=connector) as own:
            while not stop.is_set():
                answered = await agency.send(own, events(chance, chance.choice([1, 1, 20, 100])))
                if not answered and running.has_ended:
                    late.set()
                await asyncio.sleep(0.02 if answered else 0.1)

    pushing = [asyncio.create_task(once(kept=n % 2 == 0)) for n in range(8)]
    batch = Batch(running, agency, chance)
    async with batch.held_up():
        stopping = asyncio.create_task(running.stop())
        await running.refuses()
    assert await stopping == 0
    assert batch.answered, "the batch that was under way was answered whole"
    async with asyncio.timeout(PATIENCE_S):
        await late.wait()
    stop.set()
    await asyncio.gather(*pushing)
    await running.start()
    there = await histories(running, {event["subject"] for event in agency.sent.values()}, session)
    assert agency.unanswered, "some requests came too late"
    assert not [name for name in agency.unanswered if name in there], "taken, recorded, and never answered"
    await everything_holds(running, agency, session)


async def test_look_ups_are_answered_while_batches_are_taken(running, agency, session, capsys):
    chance = random.Random(f"{SEED}/latency")
    await agency.send(session, [raw("honour.granted", "H", id=f"{SEED}-latency", subject="usdot:41")])

    async def look_up(until):
        times = []
        while not until():
            started = time.perf_counter()
            async with session.get(f"{running.url}/v1/entities/usdot:41") as answer:
                assert answer.status == 200
                await answer.read()
            times.append((time.perf_counter() - started) * 1000)
        return sorted(times)

    finish = time.monotonic() + 1
    idle = await look_up(lambda: time.monotonic() > finish)
    batches = [agency.send(session, events(chance, BATCH_EVENTS)) for _ in range(2)]
    sending = asyncio.gather(*batches)
    busy = await look_up(sending.done)
    assert await sending == [True, True]
    assert len(busy) > 3
    with capsys.disabled():
        shown = ", ".join(
            f"{name}: median {found[len(found) // 2]:.1f} ms, 99 % {found[len(found) * 99 // 100]:.1f} ms, "
            f"worst {found[-1]:.1f} ms of {len(found)}"
            for name, found in (("idle", idle), (f"beside two batches of {BATCH_EVENTS:,}", busy))
        )
        print(f"\nlook-ups, {shown}")  # noqa: T201  a figure to read, not to hold anyone to
