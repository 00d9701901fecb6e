"""The desk of an agency and the open cases of an organisation, as each caller gets them."""

from datetime import datetime, timedelta
from urllib.parse import quote

import orjson
import pytest
from prometheus_client import REGISTRY

from creditsvc.domain.parties import party
from creditsvc.ledger import reckoning
from creditsvc.ledger.calendars import CHINA, kept
from creditsvc.store.clients import create_key
from creditsvc.store.database import connect
from tests.conformance.conftest import Serve, Service, with_keys
from tests.making import ENTITY, OTHER_ENTITY, OTHER_SOURCE, SOURCE, raw

DESK = f"/v1/agencies/{quote(SOURCE, safe='')}/desk"
CASES = f"/v1/entities/{ENTITY}/cases"
NUMBERS = ["O1", "O2", "O3"]
BATCH = {"Content-Type": "application/cloudevents-batch+json"}


async def push(service: Service, *events, role="agency"):
    headers = service.headers(role) | BATCH
    async with service.session.post("/v1/events", data=orjson.dumps(events), headers=headers) as answer:
        results = orjson.loads(await answer.read())["results"]
    assert [one["status"] for one in results] == ["accepted"] * len(events), results


async def get(service: Service, role: str, path: str):
    async with service.session.get(path, headers=service.headers(role)) as answer:
        return answer.status, orjson.loads(await answer.read()), answer.headers


async def numbers(service: Service, role: str, path: str):
    status, body, _ = await get(service, role, path)
    assert status == 200, body
    return sorted(item["number"] for item in body["items"])


@pytest.fixture
async def running(serve: Serve) -> Service:
    """An organisation's record with three objections, of which one was referred to another agency."""
    service = await with_keys(await serve())
    connection = await connect(service.dsn)
    for role, source in [("another agency", OTHER_SOURCE), ("stranger", "urn:agency:fr-dgal")]:
        service.keys[role] = await create_key(connection, "agency", client_id=role, sources=[source])
    await connection.close()
    refer = {"decision": "referred", "to": OTHER_SOURCE}
    await push(
        service,
        raw("penalty.imposed", "P1"),
        *(raw("objection.opened", "P1", objection=number, ground="wrong") for number in NUMBERS),
        raw("objection.decided", "P1", objection="O3", **refer),
    )
    return service


async def test_the_desk_is_what_awaits_that_agency(running: Service):
    status, body, headers = await get(running, "agency", DESK)
    assert (status, headers["Cache-Control"]) == (200, "no-store")
    assert (body["agency"], body["next"]) == (SOURCE, None)
    assert body["calendars"] == {CHINA: kept()[CHINA].known_until.isoformat()}
    first, second = body["items"]
    assert (first["number"], second["number"]) == ("O1", "O2")
    assert first["due"] <= second["due"]
    fixed = ("entity", "record", "source", "handler", "kind", "step", "awaits", "ground", "overdue")
    assert tuple(first[name] for name in fixed) == (
        *(ENTITY, "P1", SOURCE, SOURCE, "objection", "decide", "agency", "wrong", False),
    )
    assert first["procedure"] == "objection-general"
    assert first["opened_at"] == first["since"]
    assert datetime.fromisoformat(first["due"]) >= datetime.fromisoformat(first["since"]) + timedelta(days=5)
    assert await numbers(running, "operator", DESK) == ["O1", "O2"]
    assert await numbers(running, "another agency", DESK.replace("cn-tj", "cn-fj")) == ["O3"]


async def test_another_agency_gets_nothing_of_a_desk_and_no_role_that_has_none(running: Service):
    for role, status in [
        ("another agency", 403),
        ("stranger", 403),
        ("partner", 403),
        ("entity", 403),
        ("auditor", 403),
        ("public", 401),
    ]:
        found, body, _ = await get(running, role, DESK)
        assert found == status, role
        assert ENTITY not in str(body)
    assert await numbers(running, "operator", "/v1/agencies/urn%3Anobody/desk") == []


async def test_the_open_cases_of_an_organisation_for_itself_and_whom_they_concern(running: Service):
    for role, expected in [
        ("entity", NUMBERS),
        ("operator", NUMBERS),
        ("agency", NUMBERS),
        ("another agency", ["O3"]),
        ("stranger", []),
    ]:
        assert await numbers(running, role, CASES) == expected, role
    _, body, _ = await get(running, "entity", CASES)
    assert body["entity"] == ENTITY
    for role, status in [("public", 401), ("partner", 403), ("auditor", 403)]:
        assert (await get(running, role, CASES))[0] == status
    status, body, _ = await get(running, "entity", f"/v1/entities/{OTHER_ENTITY}/cases")
    assert (status, body["type"]) == (404, "/problems/entity-unknown")
    assert await numbers(running, "operator", f"/v1/entities/{OTHER_ENTITY}/cases") == []


async def test_what_an_organisation_opens_is_on_the_desk_at_once(running: Service):
    own = {"source": party(ENTITY), "record_source": SOURCE}
    await push(running, raw("objection.opened", "P1", objection="O4", ground="wrong", **own), role="entity")
    _, body, _ = await get(running, "agency", DESK)
    assert {item["number"]: item["opened_by"] for item in body["items"]} == {
        **dict.fromkeys(["O1", "O2"], SOURCE),
        "O4": party(ENTITY),
    }
    assert await numbers(running, "entity", CASES) == [*NUMBERS, "O4"]
    await push(running, raw("objection.withdrawn", "P1", objection="O4", **own), role="entity")
    assert await numbers(running, "agency", DESK) == ["O1", "O2"]


async def test_what_is_wanted_of_a_desk_page_by_page(running: Service):
    repair = {"commitment": "we keep the law", "evidence": [{"reference": "receipt 7"}]}
    await push(running, raw("repair.applied", "P1", repair="X1", **repair))
    connection = await connect(running.dsn)
    await connection.execute("update open_case set due = now() - interval '1 day' where number = 'O2'")
    await connection.close()
    assert await numbers(running, "agency", f"{DESK}?kind=repair") == ["X1"]
    assert await numbers(running, "agency", f"{DESK}?kind=objection&overdue=true") == ["O2"]
    assert await numbers(running, "agency", f"{DESK}?overdue=false") == ["O1", "X1"]
    found, path = [], f"{DESK}?limit=1"
    for _ in range(4):
        _, body, _ = await get(running, "agency", path)
        found += [item["number"] for item in body["items"]]
        if body["next"] is None:
            break
        path = f"{DESK}?limit=1&cursor={body['next']}"
    assert (found[0], sorted(found)) == ("O2", ["O1", "O2", "X1"])
    (first, *_) = (await get(running, "entity", f"{CASES}?limit=2"))[1]["items"]
    assert (first["number"], first["overdue"]) == ("O2", True)


@pytest.mark.parametrize(
    "query", ["kind=wish", "overdue=yes", "overdue=", "limit=0", "limit=1001", "cursor=x", "as_of=2026-01-01"]
)
async def test_a_query_that_cannot_be(service: Service, query):
    status, body, _ = await get(service, "agency", f"{DESK}?{query}")
    assert (status, body["type"]) == (400, "/problems/malformed")


async def test_what_the_applicant_is_to_do_is_on_no_desk(running: Service):
    await push(running, raw("objection.decided", "P1", objection="O1", decision="refused", reason="as it is"))
    assert await numbers(running, "agency", DESK) == ["O2"]
    _, body, _ = await get(running, "entity", CASES)
    assert [(one["step"], one["awaits"]) for one in body["items"] if one["number"] == "O1"] == [
        ("appeal", "applicant")
    ]


async def test_desks_are_counted(serve: Serve, monkeypatch):
    monkeypatch.setattr(reckoning, "COUNT_PAUSE_S", 0.05)
    service = await with_keys(await serve())
    events = [raw("objection.opened", "P1", objection=number, ground="wrong") for number in NUMBERS]
    await push(service, raw("penalty.imposed", "P1"), *events)
    connection = await connect(service.dsn)
    await connection.execute("update open_case set due = now() - interval '1 day' where number = 'O2'")
    labels = {"agency": "all", "kind": "objection", "step": "decide"}
    counted = None
    for _ in range(1_000):
        await connection.execute("select pg_sleep(0.05)")
        counted = [
            REGISTRY.get_sample_value(f"creditsvc_cases_{name}", labels) for name in ("open", "overdue")
        ]
        if counted == [3, 1]:
            break
    await connection.close()
    assert counted == [3, 1]
    until = REGISTRY.get_sample_value("creditsvc_calendar_known_until_timestamp_seconds", {"zone": CHINA})
    assert until == datetime.fromisoformat(f"{kept()[CHINA].known_until}T00:00:00Z").timestamp()
