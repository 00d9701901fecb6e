"""Who looked: what every route writes down for every role, before it answers, and who is shown it."""

import asyncio
from dataclasses import dataclass
from typing import Any

import asyncpg
import orjson
import pytest

from creditsvc.store.clients import create_key
from creditsvc.store.database import connect
from creditsvc.web.app import ROUTES
from tests.conformance.conftest import ROLES, Serve, Service, with_keys
from tests.conformance.test_roles import ALLOWED
from tests.faults import ERRORS, Faults, faulty_pools
from tests.making import ENTITY, OTHER_ENTITY, SOURCE, raw
from tests.sequencing import settled

UNKNOWN = "usdot:777123"
RESIDENT = "11010519491231002X"  # the example of GB 11643
ONE = f"/v1/entities/{ENTITY}"


@dataclass(frozen=True)
class Query:
    """A request, and whom its answer is about for whoever sees more than the public."""

    path: str
    about: frozenset[str] = frozenset()
    body: Any = None
    foreign: str | None = None  # the same about an organisation that is not the caller's own


def of_one(rest: str = "", body: Any = None) -> Query:
    return Query(ONE + rest, frozenset({ENTITY}), body, f"/v1/entities/{OTHER_ENTITY}{rest}")


def page_of_one(rest: str = "") -> Query:
    """A page that shows more than the public's to whoever has a key."""
    return Query(f"/entities/{ENTITY}{rest}", frozenset({ENTITY}), None, f"/entities/{OTHER_ENTITY}{rest}")


RECORD = f"record=L1&source={SOURCE}"
BOTH = frozenset({ENTITY, OTHER_ENTITY})

# Every route, so that a new one cannot forget to say whether it answers about organisations.
QUERIES = {
    "profile": of_one(),
    "records": of_one("/records?limit=1"),
    "history": of_one("/history"),
    "score": of_one("/score"),
    "score-what-if": of_one("/score/what-if", {}),
    "proof": of_one("/history/1/proof"),
    "proofs": of_one("/proofs"),
    "accesses": of_one("/accesses"),
    "cases": of_one("/cases"),
    "desk": Query(f"/v1/agencies/{SOURCE}/desk", frozenset({ENTITY})),
    "consents": of_one("/consents"),
    "consent-give": Query(f"{ONE}/consents/partner", body={}),
    "consent-withdraw": Query(f"{ONE}/consents/partner"),
    "lookups": Query(
        "/v1/lookups", BOTH | {UNKNOWN}, {"entities": [OTHER_ENTITY, UNKNOWN, "no such", ENTITY, ENTITY]}
    ),
    "search": Query("/v1/entities?name=Hats", BOTH),
    "feed": Query("/v1/log/events", BOTH),
    "push-events": Query("/v1/events", body=[]),
    "log-checkpoint": Query("/v1/log/checkpoint"),
    "log-tile": Query("/v1/log/tile/0/000.p/1"),
    "log-consistency": Query("/v1/log/consistency?from=0"),
    "log-verifier": Query("/v1/log/verifier.py"),
    "log-identity": Query("/.well-known/creditsvc-log.json"),
    "models": Query("/v1/models"),
    "catalogue": Query("/v1/catalogue"),
    "openapi": Query("/openapi.json"),
    "docs": Query("/docs"),
    "problem": Query("/problems/malformed"),
    "livez": Query("/livez"),
    "readyz": Query("/readyz"),
    "metrics": Query("/metrics"),
    "home-page": Query("/?q=Hats"),  # pages of the public show everybody what the public sees
    "organisation-page": Query(f"/entities/{ENTITY}"),
    "about-page": Query("/about"),
    "methods-page": Query("/methods"),
    "statistics-page": Query("/statistics"),
    "operator-page": Query("/operator"),  # it names no organisation
    "asset": Query("/assets/site.css"),
    "report-page": Query(f"/entities/{ENTITY}/report"),
    "report-pdf": Query(f"/entities/{ENTITY}/report.pdf"),
    "report-check": Query("/reports"),
    "report-check-page": Query("/reports/uscc:91350100M000100Y43-065W"),
    "report-style": Query("/assets/report.css"),
    "sign-in-page": Query("/sign-in"),
    "sign-in": Query("/sign-in", body={}),
    "sign-out": Query("/sign-out", body={}),
    "objection-page": page_of_one(f"/objection?{RECORD}"),
    "objection-form": Query(f"/entities/{ENTITY}/objection?{RECORD}", body={}),
    "repair-page": page_of_one(f"/repair?{RECORD}"),
    "repair-form": Query(f"/entities/{ENTITY}/repair?{RECORD}", body={}),
    "event-page": page_of_one("/events/1"),
    "event-evidence": page_of_one("/events/1/evidence"),
    "desk-page": Query(f"/desk?agency={SOURCE}", frozenset({ENTITY})),
    "cases-page": page_of_one("/cases"),
    "case-page": page_of_one(f"/case?{RECORD}&kind=objection&number=O1"),
    "case-form": Query(f"/entities/{ENTITY}/case?{RECORD}&number=O1", body={}),
    "hand-in-page": Query("/hand-in"),  # what an agency hands in is its own
    "hand-in-template": Query("/hand-in/template?kind=penalty&form=csv"),
    **{f"hand-in-{what}": Query(f"/hand-in/{what}", body={}) for what in ("check", "send", "rejected")},
    **{f"hand-in-{what}-again": Query(f"/hand-in/{what}") for what in ("check", "send", "rejected")},
}
METHODS = {route.name: route.method for route in ROUTES}

WRITTEN = """
select number, client_id, role, purpose, what, entities from access_arrived where number > $1
union all
select number, client_id, role, purpose, what, array_agg(entity_id) from access where number > $1
group by number, client_id, role, purpose, what
order by number
"""
LAST = "select greatest((select max(number) from access_arrived), (select max(number) from access), 0)"


class Written:
    """What has been written down since the last look."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.connection = connection
        self._last = 0

    async def now(self) -> list[tuple[Any, ...]]:
        rows = await self.connection.fetch(WRITTEN, self._last)
        self._last = max([self._last, *(row["number"] for row in rows)])
        for row in rows:
            assert len(set(row["entities"])) == len(row["entities"])
        return [(*tuple(row)[1:5], frozenset(row["entities"])) for row in rows]


@pytest.fixture
async def running(serve: Serve) -> Service:
    return await filled(await with_keys(await serve()))


async def filled(service: Service) -> Service:
    """Have two organisations of a like name on record, in the log."""
    events = [
        raw("licence.granted", "L1", entity_name="Hats and Sons"),
        raw("objection.opened", "L1", objection="O1", ground="wrong"),
        raw("licence.granted", "L2", subject=OTHER_ENTITY, entity_name="Hats for All"),
    ]
    headers = service.headers("agency") | {"Content-Type": "application/cloudevents-batch+json"}
    async with service.session.post("/v1/events", data=orjson.dumps(events), headers=headers) as answer:
        assert answer.status == 200
    await settled(service.dsn)
    return service


@pytest.fixture
async def written(running: Service):
    connection = await connect(running.dsn)
    yield Written(connection)
    await connection.close()


async def ask(service: Service, role: str, path: str, *, method="GET", body=None, **headers: str):
    given = service.headers(role) | {name.replace("_", "-"): value for name, value in headers.items()}
    if body is not None:
        given["Content-Type"] = "application/json"
    data = None if body is None else orjson.dumps(body)
    async with service.session.request(method, path, data=data, headers=given) as answer:
        return answer.status, await answer.read(), answer.headers


def client_of(role: str) -> str:
    return {"agency": "agency:urn:agency:cn-tj-samr", "entity": f"entity:{ENTITY}"}.get(role, role)


def test_every_route_stands_in_the_table():
    assert set(QUERIES) == {route.name for route in ROUTES}


async def test_each_role_leaves_on_each_route_what_it_must(running: Service, written: Written):
    for name, query in QUERIES.items():
        for role in ("public", *ROLES):
            asked = {"method": METHODS[name], "body": query.body}
            status, body, _ = await ask(running, role, query.path, **asked)
            found = await written.now()
            whole = role in {"partner", "agency", "auditor", "operator"}
            own = role == "entity" and query.foreign is not None
            if query.about and role in ALLOWED[name] and (whole or own):
                assert status == 200, (name, role, body)
                assert found == [(client_of(role), role, None, name, query.about)], (name, role)
            else:
                assert found == [], (name, role)
            if role == "entity" and query.foreign is not None:
                await ask(running, role, query.foreign, **asked)
                assert await written.now() == [], name


async def test_what_was_not_found_or_not_new_was_asked_too(running: Service, written: Written):
    status, _, headers = await ask(running, "partner", ONE)
    assert status == 200
    kept = {"If_None_Match": headers["ETag"]}
    for method, path, given, expected, about in [
        ("GET", ONE, kept, 304, ENTITY),
        ("HEAD", ONE, {}, 200, ENTITY),
        ("GET", f"/v1/entities/{UNKNOWN}", {}, 404, UNKNOWN),
        ("GET", f"{ONE}/history/9/proof", {}, 404, ENTITY),
        ("GET", f"/v1/entities/{UNKNOWN}/accesses", {}, 403, None),
        ("GET", f"{ONE}?as_of=x", {}, 400, ENTITY),
        ("GET", f"{ONE}?nothing=x", {}, 400, None),
        ("GET", "/v1/entities/siren:1", {}, 404, None),
        ("GET", f"/v1/entities/uscc:{RESIDENT}", {}, 422, None),
        ("GET", "/v1/entities?name=nobody", {}, 200, None),
        ("GET", "/v1/log/events?entity=usdot:1", {}, 200, None),
    ]:
        await written.now()
        assert (await ask(running, "partner", path, method=method, **given))[0] == expected, path
        assert [row[4] for row in await written.now()] == ([{about}] if about else []), path


async def test_what_is_refused_for_its_number_tells_nothing_and_is_not_written(serve: Serve):
    service = await with_keys(await serve(other_per_minute=1))
    connection = await connect(service.dsn)
    found = Written(connection)
    statuses = [(await ask(service, "auditor", ONE))[0] for _ in range(2)]
    assert statuses == [404, 429]
    assert len(await found.now()) == 1
    await connection.close()


async def test_purpose_is_what_the_request_says_or_else_the_client(running: Service, written: Written):
    for role in ROLES:
        await ask(running, role, ONE, Purpose="loan-review")
    await written.connection.execute("update client set purpose = 'kyc'")
    await asyncio.sleep(2.1)  # keys are remembered for two seconds
    for role in ROLES:
        await ask(running, role, ONE, Purpose="audit")
        await ask(running, role, ONE)
    expected = ["loan-review"] * len(ROLES) + ["audit", "kyc"] * len(ROLES)
    assert [row[2] for row in await written.now()] == expected


@pytest.mark.parametrize(
    ("given", "status", "slug"),
    [
        ("a b", 400, "malformed"),
        ("", 400, "malformed"),
        ("a,b", 400, "malformed"),
        ("x" * 65, 400, "malformed"),
        ("贷款", 400, "malformed"),
        (RESIDENT, 422, "natural-person"),
        ("loan-13812345678", 422, "natural-person"),
    ],
)
@pytest.mark.parametrize("role", ["public", "partner"])
async def test_a_purpose_is_one_word_about_nobody(service: Service, role, given, status, slug):
    found, body, _ = await ask(service, role, ONE, Purpose=given)
    assert (found, orjson.loads(body)["type"]) == (status, f"/problems/{slug}")
    assert not given or given.encode() not in body


async def test_partners_can_be_made_to_say_what_for(serve: Serve):
    service = await filled(await with_keys(await serve(purpose_required=True)))
    for path in (ONE, "/v1/entities?name=Hats", "/v1/log/events"):
        status, body, _ = await ask(service, "partner", path)
        assert (status, orjson.loads(body)["type"]) == (403, "/problems/purpose-missing")
        assert "Purpose" in orjson.loads(body)["detail"]
        assert (await ask(service, "partner", path, Purpose="kyc"))[0] == 200
    lookup = {"method": "POST", "body": {"entities": [ENTITY]}}
    assert (await ask(service, "partner", "/v1/lookups", **lookup))[0] == 403
    assert (await ask(service, "partner", "/v1/catalogue"))[0] == 200
    for role in ("public", "agency", "entity", "auditor", "operator"):
        assert (await ask(service, role, ONE))[0] == 200
    connection = await connect(service.dsn)
    key = await create_key(connection, "partner", client_id="said", purpose="kyc")
    await connection.close()
    service.keys["said"] = key
    assert (await ask(service, "said", ONE))[0] == 200


async def test_no_answer_while_it_is_not_written(running: Service, written: Written):
    """Writing is held up: the public is answered, a partner is not, and then is at once."""
    async with written.connection.transaction():
        await written.connection.execute("lock table access_arrived in exclusive mode")
        waiting = asyncio.create_task(ask(running, "partner", ONE))
        for _ in range(5):
            assert (await ask(running, "public", ONE))[0] == 200
        await asyncio.sleep(0.2)
        assert not waiting.done()
    assert (await waiting)[0] == 200
    assert [row[:2] for row in await written.now()] == [("partner", "partner")]


@pytest.mark.parametrize("name", [name for name, query in QUERIES.items() if query.about])
async def test_what_cannot_be_written_is_not_answered(running: Service, written: Written, name):
    query = QUERIES[name]
    (role, *_) = sorted(ALLOWED[name] & {"partner", "operator"}, reverse=True)
    asked = {"method": METHODS[name], "body": query.body}
    _, told, _ = await ask(running, role, query.path, **asked)
    await written.connection.execute("revoke insert on access_arrived from creditsvc_access")
    status, body, headers = await ask(running, role, query.path, **asked)
    assert (status, headers["Retry-After"]) == (503, "1")
    assert orjson.loads(body)["type"] == "/problems/unavailable"
    assert ENTITY.encode() not in body
    assert (await ask(running, role, f"/v1/entities/{UNKNOWN}"))[0] == 503, "nor that nothing is there"
    assert (await ask(running, "public", ONE))[0] == 200
    again = "grant insert (client_id, role, purpose, what, entities) on access_arrived to creditsvc_access"
    await written.connection.execute(again)
    status, body, _ = await ask(running, role, query.path, **asked)
    assert status == 200
    assert name in {"accesses", "feed"} or body == told


@pytest.mark.parametrize("when", ["before", "after"])
async def test_whichever_call_fails_there_is_no_answer_that_was_not_written(serve: Serve, monkeypatch, when):
    faults = Faults()
    faulty_pools(monkeypatch, faults)
    service = await filled(await with_keys(await serve()))
    connection = await connect(service.dsn)
    found = Written(connection)
    statuses = []
    for number in range(1, 7):
        faults.set(number, when, ERRORS["shut down"])
        status, body, _ = await ask(service, "partner", ONE)
        hit = faults.hit
        faults.heal()
        rows = await found.now()
        assert status in {200, 503}
        if status == 200:
            assert len(rows) == 1
        else:
            assert hit
            assert ENTITY.encode() not in body
        statuses.append(status)
    assert 503 in statuses
    assert (await ask(service, "partner", ONE))[0] == 200
    await connection.close()


async def test_the_organisation_is_shown_who_asked_page_by_page(running: Service):
    for purpose in ("one", "two", "three"):
        await ask(running, "partner", ONE, Purpose=purpose)
    await ask(running, "agency", f"{ONE}/history")
    await ask(running, "public", ONE)
    await ask(running, "auditor", f"/v1/entities/{OTHER_ENTITY}")
    items, path = [], f"{ONE}/accesses?limit=2"
    while True:
        status, body, headers = await ask(running, "entity", path)
        assert (status, headers["Cache-Control"]) == (200, "no-store")
        page = orjson.loads(body)
        assert page["entity"] == ENTITY
        items += page["items"]
        if page["next"] is None:
            break
        path = f"{ONE}/accesses?limit=2&cursor={page['next']}"
    told = [(item["client"], item["role"], item["purpose"], item["asked"]) for item in items]
    assert told == [
        ("agency:urn:agency:cn-tj-samr", "agency", None, "history"),
        *(("partner", "partner", purpose, "profile") for purpose in ("three", "two", "one")),
    ]
    times = [item["time"] for item in items]
    assert times == sorted(times, reverse=True)
    _, body, _ = await ask(running, "operator", f"{ONE}/accesses?limit=1")
    (newest,) = orjson.loads(body)["items"]
    assert (newest["role"], newest["asked"]) == ("entity", "accesses")


async def test_nobody_else_is_shown_it(running: Service):
    for path in (f"/v1/entities/{OTHER_ENTITY}/accesses", f"/v1/entities/{UNKNOWN}/accesses"):
        status, body, _ = await ask(running, "entity", path)
        assert (status, orjson.loads(body)["type"]) == (404, "/problems/entity-unknown")
        assert (await ask(running, "operator", path))[0] == 200
    for role, status in [("public", 401), ("partner", 403), ("agency", 403)]:
        assert (await ask(running, role, f"{ONE}/accesses"))[0] == status


@pytest.mark.parametrize(
    "query", ["cursor=x", "cursor=1", "limit=0", "limit=1001", "as_of=2026-01-01T00:00:00Z"]
)
async def test_a_page_that_cannot_be(service: Service, query):
    status, _, _ = await ask(service, "operator", f"{ONE}/accesses?{query}")
    assert status == 400


async def test_it_is_counted(running: Service):
    await ask(running, "partner", ONE)
    _, body, _ = await ask(running, "public", "/metrics")
    counted = dict(line.rsplit(" ", 1) for line in body.decode().splitlines() if not line.startswith("#"))
    assert float(counted["creditsvc_accesses_total"]) >= 1
    assert float(counted["creditsvc_access_seconds_count"]) >= 1
