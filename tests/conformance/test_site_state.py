"""The operator's page and the statistics: what they tell, to whom, and what it costs."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from creditsvc.ledger import state
from creditsvc.ledger.statistics import Statistics
from creditsvc.settings import Settings
from creditsvc.store.clients import create_key, revoke_key
from creditsvc.store.database import connect, lookup_pool, sequence_pool
from creditsvc.store.migrations import read_all
from creditsvc.web.site.language import LANGUAGES, words
from creditsvc.web.site.operator import Vitals, troubles
from creditsvc.witness.cosigning import Cosigner
from tests.conformance.conftest import Service, served, with_keys
from tests.conformance.test_log import push
from tests.conformance.test_site import Outline, get
from tests.making import raw
from tests.sequencing import entity, settled

BIG = ("entity", "event", "record", "notice", "log_entry", "access", "event_identity", "entity_name")
NOW = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.fixture(scope="module")
async def site(make_database: Callable[[], Awaitable[str]]) -> AsyncIterator[Service]:
    """Some organisations: what the public sees of them, what it does not, and an objection past its time."""
    settings = Settings(workers=1, drain_timeout_s=1)
    async with served(await make_database(), settings) as service:
        await with_keys(service)
        events = [
            *(raw("inspection.completed", f"I{n}", subject=entity(n)) for n in range(8)),
            *(raw("honour.granted", f"H{n}", subject=entity(n)) for n in range(3)),
            *(
                raw("penalty.imposed", f"P{n}", subject=entity(n), severity="minor", decided_on="2026-06-01")
                for n in range(8)
            ),
            raw("objection.opened", "I1", subject=entity(1), objection="O1", ground="wrong"),
        ]
        results = await push(service, *events)
        assert {one["status"] for one in results["results"]} == {"accepted"}
        await settled(service.dsn)
        async with await sequence_pool(service.dsn, Settings()) as pool:
            counting = Statistics(pool)
            await counting.begin()
            while await counting.count_events() or await counting.count_grades():
                pass
        connection = await connect(service.dsn)
        soon = datetime.now(UTC) + timedelta(days=3)
        for client, expires_at in (("expires", soon), ("revoked", None), ("stays", None)):
            service.keys[client] = await create_key(
                connection, "partner", client_id=f"client:{client}", expires_at=expires_at
            )
        await revoke_key(connection, service.keys["revoked"].partition(".")[0])
        await connection.execute("update open_case set due = clock_timestamp() - interval '1 day'")
        await connection.close()
        yield service


def plain(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    "path", ["/operator", "/statistics", "/statistics?year=2026", "/statistics?year=1999"]
)
async def test_they_are_pages_as_others(site: Service, path: str, language: str):
    headers = site.headers("operator") | {"Accept-Language": language}
    status, answered, page = await get(site, path, **headers)
    assert (status, answered["Content-Language"][:2]) == (200, language)
    assert "unsafe" not in answered["Content-Security-Policy"]
    outline = Outline(page)
    ids = [attributes["id"] for _, attributes in outline.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in outline.tags:
        assert not {name for name in attributes if name.startswith("on") or name == "style"}
        named = attributes.get("aria-labelledby")
        assert named is None or named in ids
    for link in outline.all("a"):
        href = link["href"] or ""
        assert not href.startswith("#") or href[1:] in ids
    for table in re.findall(r"<table.*?</table>", page, re.DOTALL):
        widths = {
            row.count("<th") + row.count("<td") for row in re.findall(r"<tr>.*?</tr>", table, re.DOTALL)
        }
        assert len(widths) == 1, "as many cells in each row"


@pytest.mark.parametrize("role", ["public", "agency", "partner", "entity", "auditor"])
async def test_the_state_is_for_operators(site: Service, role: str):
    status, _, page = await get(site, "/operator", **site.headers(role))
    assert status == (401 if role == "public" else 403)
    assert "client:expires" not in page


async def test_the_state_tells_of_keys_and_never_what_opens_anything(site: Service):
    _, headers, page = await get(site, "/operator", **site.headers("operator"))
    assert headers["Cache-Control"] == "no-store"
    for client, shown in (("expires", True), ("revoked", True), ("stays", False)):
        key_id, _, secret = site.keys[client].partition(".")
        assert (key_id in page, f"client:{client}" in page) == (shown, shown)
        assert secret not in page
    connection = await connect(site.dsn)
    rows = await connection.fetch("select encode(secret_sha256, 'hex') as hashed from api_key")
    await connection.close()
    assert not [row for row in rows if row["hashed"][:16] in page]


async def test_the_state_tells_what_there_is_to_see_to(site: Service):
    _, _, page = await get(site, "/operator", **site.headers("operator"), **{"Accept-Language": "en"})
    told, t = plain(page), words("en")
    assert t("operator.trouble.overdue", count=1) in told
    assert t("operator.trouble.expiring", count=1) in told
    assert t("operator.clocks.told", open="1", overdue="1") in told
    assert "credit-baseline@1" in told
    assert max(one.label for one in read_all()).partition(".")[0] in told
    assert t("operator.calm") not in told


async def test_the_state_walks_no_table_that_grows(site: Service):
    """Whatever grows is reached by an index: with every other way forbidden none is walked whole."""
    connection = await connect(site.dsn)
    await connection.execute("set enable_seqscan = off")
    arguments = {
        "rate": (state.RATE_OVER, 10),
        "witnesses": (10,),
        "clocks": (10,),
        "keys_by_role": (state.EXPIRING_WITHIN, state.REVOKED_WITHIN),
        "keys_expiring": (state.EXPIRING_WITHIN, 10),
        "keys_revoked": (state.REVOKED_WITHIN, 10),
        "erasures": (timedelta(days=30), 10),
        "migrations": (10,),
        "rows": (state.TABLES,),
    }
    try:
        for name, query in state.SQL.items():
            given = arguments.get(name, ())
            plan = "\n".join(row[0] for row in await connection.fetch(f"explain {query}", *given))
            assert not re.findall(rf"Seq Scan on ({'|'.join(BIG)})\b", plan), f"{name}:\n{plan}"
            if re.search(r"\bon (log_entry|event|record|log_checkpoint)\b", plan):
                assert "Limit" in plan or "InitPlan" in plan, name
    finally:
        await connection.close()


async def test_the_pool_that_looks_up_may_read_it_all(site: Service):
    async with await lookup_pool(site.dsn, Settings()) as pool, pool.acquire() as connection:
        found = await state.read(connection, timedelta(days=30))
    assert (found.overdue, found.open) == (1, 1)
    assert found.log["size"] == found.log["checkpoint_size"] == 20
    assert {row["role"]: row["live"] for row in found.keys}["partner"] == 3
    assert found.migrations[0]["number"] >= 8


def standing(**given: object) -> state.State:
    """A state in which nothing is wrong, but for what is given."""
    log = {
        "size": 10, "checkpoint_size": 10, "drained_at": NOW, "signed_at": NOW, "began_at": NOW, "now": NOW,
        "oldest": None, "pending": 0,
    }  # fmt: skip
    nothing: dict[str, object] = dict.fromkeys(("clocks", "keys", "keys_expiring", "keys_revoked"), ())
    nothing |= {
        "witnesses": {},
        "erasures": {},
        "migrations": (),
        "rows": (),
        "server": {},
        "per_second": 0.0,
    }
    parts = {name: given.pop(name) for name in [*given] if name in nothing}
    return state.State(log=log | given, **(nothing | parts))


def signs(found: state.State, vitals: Vitals | None = None, missing: tuple[str, ...] = (), **given: object):
    settings = Settings(workers=2, **given)
    return [one.text.rpartition(".")[2] for one in troubles(found, vitals or Vitals(), settings, [*missing])]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, []),
        ({"drained_at": NOW - timedelta(minutes=2)}, ["silent"]),
        ({"signed_at": NOW - timedelta(days=9)}, []),  # nothing has come since
        ({"signed_at": NOW - timedelta(minutes=2), "size": 11}, ["unsigned"]),
        ({"signed_at": NOW - timedelta(seconds=2), "size": 11}, []),
        ({"oldest": timedelta(seconds=29)}, []),
        ({"oldest": timedelta(seconds=31)}, ["backlog"]),
        ({"clocks": [{"all_overdue": 2, "all_open": 3}]}, ["overdue"]),
        ({"clocks": [{"all_overdue": 0, "all_open": 3}]}, []),
        ({"keys_expiring": [{}], "keys": [{"expiring": 1}]}, ["expiring"]),
    ],
)
def test_what_the_database_tells_is_seen_to(given, expected):
    assert signs(standing(**given)) == expected


@pytest.mark.parametrize(
    ("vitals", "expected"),
    [
        (Vitals(processes={"0": {}, "1": {}, "sequencer": {}}), []),
        (Vitals(processes={"0": {}, "sequencer": {}}), ["workers"]),
        (Vitals(values={"creditsvc_log_refused": 1.0}), ["refused"]),
        (Vitals(values={"creditsvc_erasure_refused": 2.0}), ["erasure"]),
        (Vitals(calendars={"Asia/Shanghai": NOW + timedelta(days=29)}), ["calendar"]),
        (Vitals(calendars={"Asia/Shanghai": NOW + timedelta(days=31)}), []),
    ],
)
def test_what_the_processes_tell_is_seen_to(vitals, expected):
    assert signs(standing(), vitals) == expected


WITNESS = Cosigner("example.org/w", Ed25519PrivateKey.generate()).key


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (None, ["witness"]),
        ({"size": 10, "cosigned_at": NOW - timedelta(days=9)}, []),  # nothing has come since
        ({"size": 9, "cosigned_at": NOW - timedelta(minutes=9)}, []),
        ({"size": 9, "cosigned_at": NOW - timedelta(minutes=11)}, ["witness"]),
    ],
)
def test_a_witness_that_does_not_cosign_is_seen_to(last, expected):
    found = standing(witnesses={} if last is None else {"example.org/w": last})
    assert signs(found, log_witnesses=f"{WITNESS} http://127.0.0.1:9") == expected


def test_missing_migrations_are_seen_to():
    assert signs(standing(), missing=("0009_more.pre",)) == ["migrations"]


def test_every_trouble_has_words_and_a_runbook():
    keys = [key for key in words("en").texts if key.startswith("operator.trouble.")]
    assert len(keys) == 11


async def test_the_statistics_are_of_what_the_public_could_see(site: Service):
    _, _, page = await get(site, "/statistics", **{"Accept-Language": "en"})
    rows = [plain(row).split() for row in re.findall(r"<tr>.*?</tr>", page, re.DOTALL)]
    assert ["2026", "8"] in rows
    assert ["Mar", "8"] in rows
    inspections = ["Inspection", "completed", "8", *("0", "0", "8"), *["0"] * 9]
    assert inspections in rows
    assert ["Honour", "granted", "&lt;5", "0", "0", "&lt;5", *["0"] * 9] in rows, (
        "three are too few to be told"
    )
    assert "Penalty" not in page, "nobody could see any"
    assert ["Together", "8", "0", "0", "8", *["0"] * 9] in rows, "no sum gives away what is not told"


@pytest.mark.parametrize("year", ["0000", "26", "12345", "year", "２０２６", "-100"])
async def test_no_such_year(site: Service, year: str):
    assert (await get(site, f"/statistics?year={year}"))[0] == 400
