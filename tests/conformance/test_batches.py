"""Look-ups in batches: the answers that single look-ups give, in order, sent as they are read."""

import asyncio
from dataclasses import dataclass, field

import aiohttp
import orjson
import pytest

from creditsvc.ledger.folds import SQL
from creditsvc.store.database import connect
from creditsvc.web import lookups
from creditsvc.web.lookups import HEAD
from tests.conformance.conftest import Serve, Service, with_keys
from tests.conformance.test_accesses import Written
from tests.faults import ERRORS, Faults, faulty_pools
from tests.making import ENTITY, OTHER_ENTITY, raw
from tests.processes import PATIENCE_S

PART = 100
KNOWN = [f"usdot:{number}" for number in range(100, 112)]
UNKNOWN = [f"usdot:{number}" for number in range(900_000, 900_000 + 2 * PART)]
RESIDENT = "11010519491231002X"  # the example of GB 11643
TAX = {"indicator": "010101", "occurrences": 3, "decided_on": "2026-04-20"}


@dataclass
class Held(Faults):
    """Reads of a batch, of which those from the second on wait until they may go."""

    go: asyncio.Event = field(default_factory=asyncio.Event)
    reads: int = 0

    async def pass_through(self, connection, name, call):
        if name == SQL.shared_batch:
            self.reads += 1
            if self.reads > 1:
                await self.go.wait()
        return await super().pass_through(connection, name, call)


class Failing(Faults):
    """Of the reads of batches, the n-th fails."""

    async def pass_through(self, connection, name, call):
        if name != SQL.shared_batch:
            return await call()
        return await super().pass_through(connection, name, call)


@pytest.fixture(autouse=True)
def _parts(monkeypatch):
    """Answers of three parts, the last of them short."""
    monkeypatch.setattr(lookups, "PART_ENTITIES", PART)


async def filled(service: Service) -> Service:
    events = [raw("licence.granted", one, subject=one, entity_name=f'Hats "{one}"') for one in KNOWN]
    events += [raw("tax.indicated", "T", subject=one, **TAX) for one in KNOWN[:6]]
    events += [raw("objection.opened", "T", subject=one, objection="O", ground="wrong") for one in KNOWN[:3]]
    headers = service.headers("agency") | {"Content-Type": "application/cloudevents-batch+json"}
    async with service.session.post("/v1/events", data=orjson.dumps(events), headers=headers) as answer:
        results = orjson.loads(await answer.read())["results"]
        assert {one["status"] for one in results} == {"accepted"}, results
    return service


@pytest.fixture
async def running(serve: Serve) -> Service:
    return await filled(await with_keys(await serve()))


def batch(service: Service, entities: list[str], role: str = "partner"):
    headers = service.headers(role) | {"Content-Type": "application/json"}
    return service.session.post("/v1/lookups", data=orjson.dumps({"entities": entities}), headers=headers)


async def looked_up(service: Service, entities: list[str], role: str = "partner") -> bytes:
    async with batch(service, entities, role) as answer:
        body = await answer.read()
        assert answer.status == 200, body
        return body


async def singly(service: Service, entity: str, role: str = "partner") -> bytes:
    async with service.session.get(f"/v1/entities/{entity}", headers=service.headers(role)) as answer:
        if answer.status == 404:
            return b'{"entity":"%b","found":false}' % entity.encode()
        return b'{"entity":"%b","found":true,"profile":%b}' % (entity.encode(), await answer.read())


async def expected(service: Service, entities: list[str], role: str = "partner") -> bytes:
    known = {one: await singly(service, one, role) for one in {*entities} & {*KNOWN}}
    nothing = b'{"entity":"%b","found":false}'
    results = [known[one] if one in known else nothing % one.encode() for one in entities]
    return HEAD + b",".join(results) + b"]}"


async def change(service: Service, statement: str, *given) -> None:
    connection = await connect(service.dsn)
    await connection.execute(statement, *given)
    await connection.close()


@pytest.mark.parametrize("role", ["partner", "agency", "operator"])
async def test_it_is_what_single_look_ups_give_byte_for_byte(running: Service, role: str):
    mixed = [one for pair in zip(KNOWN, UNKNOWN, strict=False) for one in pair]
    for entities in (KNOWN[:1], UNKNOWN[:1], mixed, [*mixed, *UNKNOWN, *reversed(mixed)]):
        assert await looked_up(running, entities, role) == await expected(running, entities, role)


async def test_what_asks_for_consent_is_shown_of_those_that_gave_it(running: Service):
    given = "insert into consent (entity_id, client_id, given) values ($1, 'partner', true)"
    for one in (KNOWN[0], KNOWN[4], KNOWN[8]):
        await change(running, given, one)
    bodies = {role: await looked_up(running, KNOWN, role) for role in ("partner", "operator")}
    assert bodies["partner"] == await expected(running, KNOWN)
    counts = {
        role: [
            (one["profile"]["standing"]["tax"], one["profile"]["objections"])
            for one in orjson.loads(body)["results"]
        ]
        for role, body in bodies.items()
    }
    whole = [(1, 1)] * 3 + [(1, 0)] * 3 + [(0, 0)] * 6
    assert counts["operator"] == whole
    assert counts["partner"] == [(1, 1), *[(0, 0)] * 3, (1, 0), *[(0, 0)] * 7]


async def test_nothing_is_told_by_rules_that_are_not_those_of_the_profile(running: Service):
    await change(running, "update entity set announced = 9 where entity_id = $1", KNOWN[3])
    async with batch(running, KNOWN) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "2")


async def test_one_without_anything_to_show_is_not_found(running: Service):
    # A version before any event; and a profile that is not there.
    await change(running, "insert into entity (entity_id) values ($1)", UNKNOWN[0])
    await change(
        running,
        "update entity set shared_profile = null, public_profile = null where entity_id = $1",
        KNOWN[1],
    )
    results = orjson.loads(await looked_up(running, [UNKNOWN[0], KNOWN[1]]))["results"]
    assert results == [{"entity": one, "found": False} for one in (UNKNOWN[0], KNOWN[1])]


async def test_what_is_written_twice_or_otherwise_is_answered_at_each_place(running: Service):
    odd = ["no such", f"uscc:{RESIDENT}", "USDOT: 100", "usdot:100", "no such", "usdot:100"]
    texts = [*odd, *UNKNOWN, *odd]
    body = await looked_up(running, texts)
    results = orjson.loads(body)["results"]
    assert results[: len(odd)] == results[-len(odd) :]
    assert [one["entity"] for one in results[: len(odd)]] == [
        None,
        None,
        *["usdot:100"] * 2,
        None,
        "usdot:100",
    ]
    assert results[1]["problem"]["type"] == "/problems/natural-person"
    assert RESIDENT.encode() not in body


async def test_the_first_part_leaves_before_the_rest_is_read(serve: Serve, monkeypatch):
    held = Held()
    faulty_pools(monkeypatch, held)
    service = await filled(await with_keys(await serve()))
    connection = await connect(service.dsn)
    written = Written(connection)
    await written.now()
    entities = [*KNOWN, *UNKNOWN, RESIDENT]
    async with batch(service, entities) as answer:
        first = await answer.content.readany()
        assert first.startswith(HEAD + await expected_start(service))
        assert held.reads == 2, "it waits for the second part"
        assert (
            "partner",
            "partner",
            None,
            "lookups",
            frozenset(entities) - {RESIDENT},
        ) in await written.now()
        held.go.set()
        body = first + await answer.read()
    assert [one["entity"] for one in orjson.loads(body)["results"]] == [*entities[:-1], None]
    assert await written.now() == [], "nor is it written twice"
    await connection.close()


async def expected_start(service: Service) -> bytes:
    return await singly(service, KNOWN[0])


@pytest.mark.parametrize("error", ["shut down", "timeout", "os", "interface"])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_read_that_fails_leaves_no_answer_that_looks_whole(
    serve: Serve, monkeypatch, error: str, when
):
    faults = Failing()
    faulty_pools(monkeypatch, faults)
    service = await filled(await with_keys(await serve()))
    entities = [*KNOWN, *UNKNOWN]
    whole = await looked_up(service, entities)
    for number in (1, 2, 3):
        faults.set(number, when, ERRORS[error])
        body = b""
        try:
            async with batch(service, entities) as answer:
                status = answer.status
                async for part in answer.content.iter_any():
                    body += part
        except aiohttp.ClientPayloadError:
            assert (status, number > 1) == (200, True)
            with pytest.raises(orjson.JSONDecodeError):
                orjson.loads(body)
            assert whole.startswith(body)
        else:
            assert (status, number) == (503, 1)
        assert faults.hit
        faults.heal()
        assert await looked_up(service, entities) == whole


async def test_the_older_version_cannot_tell_an_end_from_a_break_and_gets_it_at_once(
    serve: Serve, monkeypatch
):
    faults = Failing()
    faulty_pools(monkeypatch, faults)
    service = await filled(await with_keys(await serve()))
    entities = [*KNOWN, *UNKNOWN]
    whole = await looked_up(service, entities)
    for fails in (False, True):
        if fails:
            faults.set(3, "before", ERRORS["shut down"])
        head, _, body = (await by_old_version(service, entities)).partition(b"\r\n\r\n")
        assert b"chunked" not in head
        assert (b"503" in head) == fails
        assert (body == whole) != fails


async def by_old_version(service: Service, entities: list[str]) -> bytes:
    sent = orjson.dumps({"entities": entities})
    lines = ["POST /v1/lookups HTTP/1.0", "Content-Type: application/json", f"Content-Length: {len(sent)}"]
    lines += [f"{name}: {value}" for name, value in service.headers("partner").items()]
    reader, writer = await asyncio.open_connection(service.host, service.port)
    writer.write("\r\n".join([*lines, "", ""]).encode() + sent)
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await reader.read()
    finally:
        writer.close()


async def test_nothing_leaves_while_who_asks_cannot_be_written_down(running: Service):
    await change(running, "revoke insert on access_arrived from creditsvc_access")
    for entities in (KNOWN, [*KNOWN, *UNKNOWN], UNKNOWN):
        async with batch(running, entities) as answer:
            assert answer.status == 503
            assert b"usdot" not in await answer.read()


async def test_a_batch_sees_what_was_taken_before_it_began(running: Service):
    """Writers and readers at once: no batch is older than a receipt that was there when it was sent."""
    headers = running.headers("agency") | {"Content-Type": "application/cloudevents+json"}
    receipts = dict.fromkeys((ENTITY, OTHER_ENTITY), 0)

    async def write(entity: str) -> None:
        for number in range(25):
            body = orjson.dumps(raw("honour.granted", f"H{number}", subject=entity))
            async with running.session.post("/v1/events", data=body, headers=headers) as answer:
                receipts[entity] = orjson.loads(await answer.read())["sequence"]

    async def read() -> None:
        while not all(writer.done() for writer in writers):
            known = dict(receipts)
            body = await looked_up(running, [ENTITY, *UNKNOWN, OTHER_ENTITY])
            results = {one["entity"]: one for one in orjson.loads(body)["results"]}
            for entity, version in known.items():
                assert not version or results[entity]["profile"]["version"] >= version

    writers = [asyncio.create_task(write(entity)) for entity in receipts]
    await asyncio.gather(*(read() for _ in range(3)), *writers)
    assert list(receipts.values()) == [25, 25]
