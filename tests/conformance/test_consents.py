"""Consent: what a partner sees with it and without, from the next query on, and who may give it."""

import asyncio
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import asyncpg
import orjson
import pytest

from creditsvc.store.clients import create_key
from creditsvc.store.database import connect
from tests.conformance.conftest import Serve, Service, with_keys
from tests.making import ENTITY, OTHER_ENTITY, raw
from tests.sequencing import settled

ONE = f"/v1/entities/{ENTITY}"
GIVEN = f"{ONE}/consents/partner"
CHINA = ZoneInfo("Asia/Shanghai")
TAX = {"indicator": "010101", "occurrences": 3, "decided_on": "2026-04-20"}


@pytest.fixture
async def running(serve: Serve) -> Service:
    """Two records of one organisation: a licence, and tax conduct that is objected to."""
    service = await with_keys(await serve())
    connection = await connect(service.dsn)
    service.keys["another"] = await create_key(connection, "partner", client_id="bank/二")
    await connection.close()
    await push(
        service,
        raw("licence.granted", "L1"),
        raw("tax.indicated", "T1", **TAX),
        raw("objection.opened", "T1", objection="O1", ground="wrong"),
    )
    await settled(service.dsn)
    return service


async def push(service: Service, *events):
    headers = service.headers("agency") | {"Content-Type": "application/cloudevents-batch+json"}
    async with service.session.post("/v1/events", data=orjson.dumps(events), headers=headers) as answer:
        results = orjson.loads(await answer.read())["results"]
        assert [one["status"] for one in results] == ["accepted"] * len(events), results


async def ask(service: Service, role: str, path: str, *, method="GET", body=None, **headers: str):
    given = service.headers(role) | {name.replace("_", "-"): value for name, value in headers.items()}
    if body is not None:
        given["Content-Type"] = "application/json"
    data = None if body is None else orjson.dumps(body)
    async with service.session.request(method, path, data=data, headers=given) as answer:
        return answer.status, await answer.read(), answer.headers


async def told(service: Service, role: str, path: str = ONE, **given):
    status, body, _ = await ask(service, role, path, **given)
    assert status == 200, body
    return orjson.loads(body)


async def give(service: Service, body=None, path=GIVEN):
    return await told(service, "entity", path, method="PUT", body={} if body is None else body)


async def withdraw(service: Service, path=GIVEN):
    return await told(service, "entity", path, method="DELETE")


async def what(service: Service, role: str):
    """All that tells a caller of the tax record: each way that there is."""
    profile = await told(service, role)
    looked_up = await told(service, role, "/v1/lookups", method="POST", body={"entities": [ENTITY]})
    assert looked_up["results"][0]["profile"] == profile
    apart = await told(service, role, f"{ONE}/score?model=cn-tax-rating")
    proof, _, _ = await ask(service, role, f"{ONE}/history/2/proof")
    return (
        profile["standing"]["tax"],
        profile["objections"],
        [item["record"] for item in (await told(service, role, f"{ONE}/records"))["items"]],
        [item["sequence"] for item in (await told(service, role, f"{ONE}/history"))["items"]],
        [item["sequence"] for item in (await told(service, role, f"{ONE}/proofs"))["items"]],
        proof,
        [one["record"] for one in apart["contributions"]["items"]],
    )


WITHOUT = (0, 0, ["L1"], [1], [1], 404, [])
WITH = (1, 1, ["L1", "T1"], [1, 2, 3], [1, 2, 3], 200, ["T1"])


async def test_a_partner_sees_what_asks_for_consent_while_it_is_given(running: Service):
    assert await what(running, "operator") == WITH
    assert await what(running, "agency") == WITH
    assert await what(running, "partner") == WITHOUT
    await give(running)
    assert await what(running, "partner") == WITH
    assert await what(running, "another") == WITHOUT
    await withdraw(running)
    assert await what(running, "partner") == WITHOUT


async def test_the_same_of_the_past_by_the_consent_of_now(running: Service):
    then = (await told(running, "operator"))["valid_from"]
    await push(running, raw("licence.granted", "L2"))
    for held in (False, True):
        for path, has in (
            (f"{ONE}?as_of={then}", lambda body: body["standing"]["tax"] == body["objections"] == 1),
            (f"{ONE}/records?as_of={then}", lambda body: len(body["items"]) == 2),
            (f"{ONE}/history?as_of={then}", lambda body: len(body["items"]) == 3),
            (
                f"{ONE}/score?model=cn-tax-rating&as_of={then}",
                lambda body: bool(body["contributions"]["items"]),
            ),
        ):
            status, body, headers = await ask(running, "partner", path)
            assert (status, has(orjson.loads(body))) == (200, held), path
            kept = "private, no-cache" if held else "private, max-age="
            assert headers["Cache-Control"].startswith(kept), path
        await give(running)


async def test_an_answer_that_is_kept_holds_no_longer_than_consent(running: Service):
    for rest in ("", "/records", "/history", "/score"):
        _, without, first = await ask(running, "partner", ONE + rest)
        await give(running)
        status, given, second = await ask(running, "partner", ONE + rest, If_None_Match=first["ETag"])
        assert (status, given != without) == (200, rest != "/score")
        await withdraw(running)
        status, body, third = await ask(running, "partner", ONE + rest, If_None_Match=second["ETag"])
        assert (status, body, third["ETag"]) == (200, without, first["ETag"])


async def test_nobody_else_is_answered_otherwise(running: Service):
    roles = ("public", "agency", "entity", "auditor", "operator", "another")
    before = [(await ask(running, role, ONE + rest))[1] for role in roles for rest in ("", "/records")]
    await give(running)
    assert before == [
        (await ask(running, role, ONE + rest))[1] for role in roles for rest in ("", "/records")
    ]


async def test_the_feed_has_none_of_it_for_partners_and_all_for_who_sees_it_anyway(running: Service):
    await push(running, raw("record.revoked", "T1", reason="撤销"))
    await settled(running.dsn)
    await give(running)
    seen = {}
    for role in ("partner", "agency", "operator"):
        seen[role] = [item["sequence"] for item in (await told(running, role, "/v1/log/events"))["items"]]
    assert seen == {"partner": [1], "agency": [1, 2, 3, 4], "operator": [1, 2, 3, 4]}
    assert (await told(running, "partner", "/v1/log/events?type=credit.record.revoked"))["items"] == []


async def test_saying_it_twice_says_it_once(running: Service):
    first = await give(running)
    assert (first["client"], first["holds"], first["until"], first["withdrawn_at"]) == (
        "partner",
        True,
        None,
        None,
    )
    assert await give(running) == first
    said = await asyncio.gather(*(give(running, {"until": "2099-12-31"}) for _ in range(5)))
    assert len({one["given_at"] for one in said}) == 1
    assert (said[0]["until"], said[0]["given_at"] > first["given_at"]) == ("2099-12-31", True)
    gone = await withdraw(running)
    assert (gone["holds"], gone["given_at"], gone["until"]) == (False, said[0]["given_at"], "2099-12-31")
    assert await withdraw(running) == gone
    assert (await told(running, "entity", f"{ONE}/consents"))["items"] == [gone]


async def test_it_ends_with_its_last_day_where_the_organisation_is(running: Service):
    today = datetime.now(UTC).astimezone(CHINA).date()
    said = await give(running, {"until": today.isoformat()})
    assert said["holds"]
    connection = await connect(running.dsn)
    ends_at = await connection.fetchval("select ends_at from consent")
    assert ends_at == datetime.combine(today + timedelta(days=1), datetime.min.time(), CHINA)
    await connection.execute("alter table consent disable trigger consent_append_only")
    await connection.execute("update consent set ends_at = clock_timestamp()")
    await connection.close()
    assert await what(running, "partner") == WITHOUT
    (listed,) = (await told(running, "operator", f"{ONE}/consents"))["items"]
    assert listed == {**said, "holds": False}


async def test_the_list_goes_page_by_page(running: Service):
    await give(running)
    await give(running, path=f"{ONE}/consents/bank%2F%E4%BA%8C")
    await withdraw(running)
    first = await told(running, "entity", f"{ONE}/consents?limit=1")
    second = await told(running, "entity", f"{ONE}/consents?limit=1&cursor={first['next']}")
    names = [(item["client"], item["holds"]) for page in (first, second) for item in page["items"]]
    assert (names, second["next"]) == ([("partner", False), ("bank/二", True)], None)


@pytest.mark.parametrize("client", ["nobody", "agency:urn:agency:cn-tj-samr", "auditor", "x" * 129, "a%00b"])
async def test_only_a_partner_is_given_it(running: Service, client):
    path = f"{ONE}/consents/{client}"
    for method, body in (("PUT", {}), ("DELETE", None)):
        status, answer, _ = await ask(running, "entity", path, method=method, body=body)
        assert (status, orjson.loads(answer)["type"]) == (404, "/problems/not-found")


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"since": "2026-01-01"},
        {"until": "2020-01-01"},
        {"until": 1},
        {"until": "2200-01-01"},
        {"until": "x"},
        *({"until": "2027-1-1"}, {"until": "20271231"}, {"until": "2027-W01-1"}),
    ],
)
async def test_what_cannot_be_said_is_refused(running: Service, body):
    status, answer, _ = await ask(running, "entity", GIVEN, method="PUT", body=body)
    assert (status, orjson.loads(answer)["type"]) == (400, "/problems/malformed")
    assert (await told(running, "entity", f"{ONE}/consents"))["items"] == []


async def test_an_organisation_speaks_for_itself_alone(running: Service):
    other = f"/v1/entities/{OTHER_ENTITY}/consents"
    for method, path, body in (
        ("GET", other, None),
        ("PUT", f"{other}/partner", {}),
        ("DELETE", f"{other}/partner", None),
    ):
        status, answer, _ = await ask(running, "entity", path, method=method, body=body)
        assert (status, orjson.loads(answer)["type"]) == (404, "/problems/entity-unknown")


async def test_what_was_said_cannot_be_changed_by_the_owner_either(running: Service):
    await give(running)
    connection = await connect(running.dsn)
    for statement in ("update consent set given = false", "delete from consent", "truncate consent"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    await connection.execute("set role creditsvc_access")
    for statement in (
        "insert into consent (entity_id, client_id, given) values ('x', 'partner', true)",
        "table consent",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    await connection.close()
