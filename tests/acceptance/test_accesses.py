"""Who looked outlives whoever answers: workers are killed around their answers; no answer lacks its row."""

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO
from itertools import count

import aiohttp
import asyncpg
import orjson
import pytest

from tests.chance import CAMPAIGN, SEEDS
from tests.making import SOURCE, raw
from tests.processes import BATCH, PATIENCE_S, Service, alive, service

KNOWN = [f"usdot:{number}" for number in range(61, 65)]
UNKNOWN = "usdot:69"  # that nothing is on record is an answer, too
ENTITIES = [*KNOWN, UNKNOWN]
CLIENTS = 12
KILLS = 2  # the service waits longer after each before it starts a worker again

HELD_UP = """select pid from pg_stat_activity
             where $1 = any(pg_blocking_pids(pid)) and query ilike '%insert into access_arrived%'"""

_numbers = count(1)


@dataclass
class Partner:
    """Asks without a pause, each time with a purpose of its own, by which the row is found again."""

    url: str
    key: str
    chance: random.Random
    answered: dict[str, list[str]] = field(default_factory=dict)  # purpose: whom the answer was about
    unanswered: set[str] = field(default_factory=set)

    async def ask(self, session: aiohttp.ClientSession) -> None:
        """Ask once; what has come over whole counts as answered, whatever becomes of the worker then."""
        purpose = f"q{next(_numbers)}"
        entities = self.chance.sample(ENTITIES, self.chance.choice([1, 1, 1, 3]))
        self.unanswered.add(purpose)
        try:
            status = await self._status(session, purpose, entities)
        except (aiohttp.ClientError, OSError):
            await asyncio.sleep(0.02)
            return
        if status == 503:  # it was not written down
            return
        assert status in {200, 404}, status
        self.unanswered.remove(purpose)
        self.answered[purpose] = entities

    async def _status(self, session: aiohttp.ClientSession, purpose: str, entities: list[str]) -> int:
        headers = {"Authorization": f"Bearer {self.key}", "Purpose": purpose}
        if len(entities) == 1:
            rest = self.chance.choice(["", "/records", "/score"])
            asking = session.get(f"{self.url}/v1/entities/{entities[0]}{rest}", headers=headers)
        else:
            headers["Content-Type"] = "application/json"
            body = BytesIO(orjson.dumps({"entities": entities}))
            asking = session.post(f"{self.url}/v1/lookups", data=body, headers=headers)
        async with asking as answer:
            await answer.read()
        return answer.status

    @asynccontextmanager
    async def busy(self) -> AsyncIterator[None]:
        """Ask over many connections, so that every worker has some, for as long as this is open."""
        stop = asyncio.Event()

        async def on_and_on() -> None:
            connector = aiohttp.TCPConnector(force_close=True)
            async with aiohttp.ClientSession(connector=connector) as session:
                session._retry_connection = False  # a GET sent twice by itself would have two rows
                while not stop.is_set():
                    await self.ask(session)

        asking = [asyncio.create_task(on_and_on()) for _ in range(CLIENTS)]
        try:
            yield
        finally:
            stop.set()
            async with asyncio.timeout(PATIENCE_S):
                await asyncio.gather(*asking)


@pytest.fixture(scope="module")
async def running(tmp_path_factory):
    async with service(tmp_path_factory.mktemp("accesses") / "var") as one:
        key = await one.key("agency", sources=[SOURCE])
        events = [raw("licence.granted", f"L{subject}", subject=subject) for subject in KNOWN]
        headers = {"Authorization": f"Bearer {key}", "Content-Type": BATCH}
        async with (
            aiohttp.ClientSession() as session,
            session.post(one.url + "/v1/events", data=orjson.dumps(events), headers=headers) as answer,
        ):
            assert answer.status == 200, await answer.read()
        yield one


@pytest.fixture(scope="module")
async def keys(running):
    return {"partner": await running.key("partner"), "auditor": await running.key("auditor")}


async def shown(running: Service, auditor: str) -> dict[str, Counter[str]]:
    """The purposes of all partners' queries that each organisation is shown, and how often each."""
    found: dict[str, Counter[str]] = {entity: Counter() for entity in ENTITIES}
    headers = {"Authorization": f"Bearer {auditor}"}
    async with aiohttp.ClientSession(running.url, headers=headers) as session:
        for entity in ENTITIES:
            cursor = ""
            while cursor is not None:
                rest = f"accesses?limit=1000{cursor and '&cursor='}{cursor}"
                async with session.get(f"/v1/entities/{entity}/{rest}") as answer:
                    assert answer.status == 200
                    page = await answer.json()
                found[entity].update(item["purpose"] for item in page["items"] if item["role"] == "partner")
                cursor = page["next"]
    return found


async def every_answer_has_its_row(running: Service, partner: Partner, auditor: str) -> None:
    """Each organisation is shown each query that was answered about it, once."""
    found = await shown(running, auditor)
    assert partner.answered
    for purpose, entities in partner.answered.items():
        named = {entity: found[entity][purpose] for entity in ENTITIES if found[entity][purpose]}
        assert named == dict.fromkeys(entities, 1), purpose
    for rows in found.values():  # nor is one shown twice that nobody was answered
        assert set(rows.values()) <= {1}


async def kill(*pids: int) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE_S
    while any(map(alive, pids)):
        assert time.monotonic() < deadline, pids
        await asyncio.sleep(0.005)


@pytest.mark.parametrize("seed", SEEDS[:3] if CAMPAIGN else SEEDS[:1])
async def test_no_answer_is_without_its_row_whenever_a_worker_is_killed(running, keys, seed, capsys):
    chance = random.Random(f"{seed}/accesses")
    partner = Partner(running.url, keys["partner"], chance)
    async with partner.busy():
        for _ in range(KILLS):
            await asyncio.sleep(chance.uniform(0.02, 0.3))
            await kill(chance.choice(running.workers))
            await running.ready()
    await every_answer_has_its_row(running, partner, keys["auditor"])
    with capsys.disabled():
        print(  # noqa: T201  the seed, to see it again, and a figure to read
            f"\nseed {seed}: {len(partner.answered)} answers with their rows, "
            f"{len(partner.unanswered)} queries cut off"
        )


async def test_a_worker_killed_after_the_commit_and_before_the_answer(running, keys):
    """Rows are held up until every worker is frozen, so that what is committed then goes unanswered."""
    partner = Partner(running.url, keys["partner"], random.Random("frozen"))
    async with partner.busy():
        async with running.database() as connection, asyncio.timeout(PATIENCE_S):
            # Where a statement was new to a connection, it was frozen before its rows were sent: once more.
            while not (caught := await frozen(connection, running, partner)):
                for pid in running.workers:
                    os.kill(pid, signal.SIGCONT)
                await asyncio.sleep(0.5)
        await kill(*running.workers)
    await running.ready()
    assert caught <= partner.unanswered, "nobody was there to answer"
    await every_answer_has_its_row(running, partner, keys["auditor"])
    found = await shown(running, keys["auditor"])
    for purpose in caught:
        assert any(rows[purpose] for rows in found.values()), "who asked is shown, answered or not"


async def frozen(connection: asyncpg.Connection, running: Service, partner: Partner) -> set[str]:
    """Freeze all workers while a row of theirs waits to be written, and let it; whose was written then."""
    async with connection.transaction():
        await connection.execute("lock table access_arrived in share mode")
        while not await connection.fetch(HELD_UP, connection.get_server_pid()):
            await asyncio.sleep(0.02)
            await connection.execute("select pg_stat_clear_snapshot()")  # else a transaction sees what it saw
        answered = set(partner.answered)
        assert await written(connection, answered) == answered, "told before it was written down"
        for pid in running.workers:
            os.kill(pid, signal.SIGSTOP)
        waiting = partner.unanswered - await written(connection, partner.unanswered)
    for _ in range(100):
        if found := await written(connection, waiting):
            return found
        await asyncio.sleep(0.02)
    return set()


async def written(connection: asyncpg.Connection, purposes: set[str]) -> set[str]:
    """Those of the purposes that a committed row has."""
    rows = await connection.fetch(
        """select purpose from access_arrived where purpose = any ($1)
           union select purpose from access where purpose = any ($1)""",
        list(purposes),
    )
    return {row["purpose"] for row in rows}
