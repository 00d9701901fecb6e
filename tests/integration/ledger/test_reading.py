"""Answers about the past: the same bytes for ever, while events arrive and transactions overlap."""

import asyncio
import itertools
import random
from datetime import UTC, datetime, timedelta

import asyncpg
import orjson
import pytest

from creditsvc.domain.views import Viewer
from creditsvc.errors import EntityUnknown, NotFound
from creditsvc.ledger import moments
from creditsvc.ledger.pages import Cursor
from tests.making import ENTITY, OTHER_SOURCE, event, ledger
from tests.processes import PATIENCE_S

TICK = timedelta(microseconds=1)
VIEWS = ("public", "shared")
KINDS = (
    ("penalty.imposed", {"severity": "serious", "decided_on": "2026-08-01"}),
    ("penalty.imposed", {"severity": "minor", "decided_on": "2026-08-01"}),
    ("honour.granted", {}),
    ("abnormal.listed", {}),
)


def instant(body):
    return datetime.fromisoformat(orjson.loads(body)["valid_from"])


ENTITIES = [ENTITY, "siren:552081317", "siren:732829320"]


async def write_at_random(writer, chance):
    open_records = []
    for n in range(60):
        kind, extra = chance.choice(KINDS)
        entity = chance.choice(ENTITIES)
        named = {"subject": entity, "entity_name": f"公司{n}", **extra}
        batch = [event(kind, f"{n}-{k}-{chance.random()}", **named) for k in range(chance.randint(1, 4))]
        open_records += [(entity, one.record) for one in batch]
        if chance.random() < 0.4:
            entity, record = chance.choice(open_records)
            batch.append(event("record.revoked", record, subject=entity, reason="撤销"))
        await writer.submit(batch)
        await asyncio.sleep(chance.random() * 0.005)


async def read_all(reader, kept, stop):
    while not stop.is_set():
        for entity in ENTITIES:
            for view in VIEWS:
                seen = await reader.moments.find(entity, view, None)
                if seen is not None and seen.profile is not None:
                    kept.setdefault((entity, view), set()).add(seen.profile)
        await asyncio.sleep(0)


async def test_answers_kept_while_events_arrive_come_back_byte_for_byte(database):
    chance = random.Random(20261122)
    kept: dict[tuple[str, str], set[bytes]] = {}
    stop = asyncio.Event()
    async with ledger(database) as (writer, reader), ledger(database) as (second, _):
        reading = asyncio.create_task(read_all(reader, kept, stop))
        await asyncio.gather(*(write_at_random(one, chance) for one in (writer, second, writer)))
        stop.set()
        await reading
        assert sum(map(len, kept.values())) > 50
        for (entity, view), bodies in kept.items():
            ordered = sorted(bodies, key=instant)
            assert len({instant(body) for body in ordered}) == len(ordered)
            for body, following in itertools.pairwise(ordered):
                assert (await reader.moments.at(entity, view, instant(body))).profile == body
                between = await reader.moments.at(entity, view, instant(following) - TICK)
                assert instant(body) <= between.moment.valid_from < instant(following)


async def test_any_later_instant_before_the_next_change_gives_the_same(database):
    async with ledger(database) as (writer, reader):
        bodies = []
        for n in range(6):
            await writer.submit([event("honour.granted", f"H{n}")])
            bodies.append((await reader.moments.at(ENTITY, "public", None)).profile)
            await asyncio.sleep(0.01)
        for body, following in itertools.pairwise(bodies):
            for at in (instant(body), instant(body) + TICK, instant(following) - TICK):
                assert (await reader.moments.at(ENTITY, "public", at)).profile == body
        last = bodies[-1]
        for at in (instant(last) + TICK, datetime.now(UTC)):
            assert (await reader.moments.at(ENTITY, "public", at)).profile == last
        with pytest.raises(EntityUnknown):
            await reader.moments.at(ENTITY, "public", instant(bodies[0]) - TICK)
        with pytest.raises(NotFound):
            await reader.moments.at(ENTITY, "public", datetime.now(UTC) + timedelta(minutes=1))


async def test_an_answer_for_an_instant_waits_for_what_may_still_be_recorded_then(database, monkeypatch):
    """The race first: a transaction that began earlier is in flight. No answer is given past it."""
    monkeypatch.setattr(moments, "SETTLE_ATTEMPTS", 1_000_000)
    async with ledger(database) as (writer, reader):
        await writer.submit([event("honour.granted", "H1")])
        blocker = await asyncpg.connect(
            database,
            server_settings={
                "search_path": "creditsvc",
                "role": "creditsvc_append",
                "application_name": "creditsvc append",
            },
        )
        transaction = blocker.transaction()
        await transaction.start()
        began = await blocker.fetchval("select now()")  # that of the transaction
        asked = asyncio.create_task(reader.moments.at(ENTITY, "shared", began + timedelta(milliseconds=1)))
        try:
            await asyncio.sleep(0.2)
            assert not asked.done()
            # What is asked of the time before it began needs no waiting, nor does the present.
            await asyncio.wait_for(reader.moments.at(ENTITY, "shared", began - TICK), PATIENCE_S)
            await asyncio.wait_for(reader.moments.at(ENTITY, "shared", None), PATIENCE_S)
            await transaction.commit()
            assert (await asyncio.wait_for(asked, PATIENCE_S)).moment.version == 1
        finally:  # else what is asked waits for ever, and the ledger with it
            await blocker.close()


async def test_a_page_is_of_the_instant_of_the_first_page(database):
    everything = Viewer("partner")
    async with ledger(database) as (writer, reader):
        await writer.submit([event("honour.granted", f"H{n}") for n in range(7)])
        at = (await reader.moments.at(ENTITY, "shared", None)).moment.valid_from
        first = await reader.pages.records(ENTITY, everything, at, after=0, limit=3, event_type=None)
        await writer.submit([event("honour.granted", "H9"), event("record.revoked", "H5", reason="撤销")])
        found = [item["record"] for item in first.items]
        page = first
        while page.next:
            cursor = Cursor.parse(page.next)
            assert cursor.as_of == at
            page = await reader.pages.records(
                ENTITY, everything, cursor.as_of, after=cursor.after, limit=3, event_type=None
            )
            found += [item["record"] for item in page.items]
        assert found == [f"H{n}" for n in range(7)]


async def test_what_is_withdrawn_leaves_every_view_but_its_own_parties(database):
    async with ledger(database) as (writer, reader):
        await writer.submit(
            [
                event("honour.granted", "H1"),
                event("penalty.imposed", "P1", severity="minor", decided_on="2026-06-01"),
            ]
        )
        await writer.submit([event("record.revoked", "H1", reason="撤销")])
        at = (await reader.moments.at(ENTITY, "shared", None)).moment.valid_from
        seen = {}
        for name, viewer in {
            "public": Viewer("public"),
            "partner": Viewer("partner"),
            "issuer": Viewer("agency", sources=frozenset({"urn:agency:cn-tj-samr"})),
            "another": Viewer("agency", sources=frozenset({OTHER_SOURCE})),
            "itself": Viewer("operator"),
        }.items():
            records = await reader.pages.records(ENTITY, viewer, at, after=0, limit=10, event_type=None)
            history = await reader.pages.history(ENTITY, viewer, at, after=0, limit=10)
            seen[name] = (
                [item["record"] for item in records.items],
                [item["sequence"] for item in history.items],
            )
        assert seen == {
            "public": ([], []),
            "partner": (["P1"], [2]),
            "issuer": (["H1", "P1"], [1, 2, 3]),
            "another": (["P1"], [2]),
            "itself": (["H1", "P1"], [1, 2, 3]),
        }


async def test_search_finds_chinese_and_latin_names_and_says_why(database):
    async with ledger(database) as (writer, reader):
        await writer.submit(
            [
                event("honour.granted", "1", subject="siren:552081317", entity_name="Électricité de France"),
                event(
                    "honour.granted",
                    "1",
                    subject="siren:732829320",
                    entity_name="Société du Crédit électrique",
                ),
                event("honour.granted", "1", entity_name="贵州茅台酒股份有限公司"),
                event(
                    "penalty.imposed",
                    "1",
                    subject="usdot:830331",
                    severity="minor",
                    decided_on="2026-06-01",
                    entity_name="Hidden Electric Co",
                ),
            ]
        )

        async def find(query, view="public", as_of=None, **page):
            given = {"after": 0, "limit": 20, **page}
            return await reader.search.find(query, view, as_of, **given)

        french = (await find("electricite")).page.items
        assert [(hit["name"], hit["match"]["reason"]) for hit in french] == [
            ("Électricité de France", "starts-with")
        ]
        (chinese,) = (await find("茅台")).page.items
        assert chinese["match"] == {"reason": "contains", "former_name": False, "until": None}
        assert [hit["match"]["reason"] for hit in (await find("France de")).page.items] == ["contains-parts"]
        assert len((await find("electri")).page.items) == 2
        assert len((await find("electri", "shared")).page.items) == 3
        assert (await find("没有这个")).page.items == []

        before = await find("茅台")
        await writer.submit(
            [event("honour.granted", "2", entity_name="新名股份有限公司", time="2026-06-05T00:00:00Z")]
        )
        (former,) = (await find("茅台")).page.items
        assert former["match"]["former_name"]
        assert await find("茅台", as_of=before.valid_from) == before
        first = await find("有限公司", limit=1)
        assert first.page.next is None


async def test_a_search_takes_the_horizon_that_is_known_until_something_in_it_changes(database):
    async with ledger(database) as (writer, reader):

        async def find():
            return await reader.search.find("茅台", "public", None, after=0, limit=20)

        await writer.submit([event("honour.granted", "1", entity_name="贵州茅台酒股份有限公司")])
        first = await find()
        known = reader.moments.settled
        assert len(first.page.items) == 1
        assert await find() == first
        assert reader.moments.settled == known
        await writer.submit([event("record.revoked", "1", reason="error")])
        assert (await find()).page.items == []
        assert reader.moments.settled > known


async def test_a_search_kept_while_names_arrive_comes_back_the_same(database):
    kept = []
    stop = asyncio.Event()

    async def write(writer, first):
        for n in range(first, first + 40):
            await writer.submit(
                [
                    event(
                        "honour.granted",
                        f"{n}",
                        subject=f"usdot:{1000 + n % 17}",
                        entity_name=f"Carrier {n % 5} Freight {n}",
                        time=f"2026-06-01T00:{n % 60:02d}:00Z",
                    )
                ]
            )

    async def read(reader):
        while not stop.is_set():
            kept.append(await reader.search.find("carrier", "public", None, after=0, limit=100))
            await asyncio.sleep(0)

    async with ledger(database) as (writer, reader), ledger(database) as (second, _):
        reading = asyncio.create_task(read(reader))
        await asyncio.gather(write(writer, 0), write(second, 100))
        stop.set()
        await reading
        assert len({orjson.dumps(found.page.items) for found in kept}) > 3
        for found in kept[:: max(1, len(kept) // 60)]:
            assert (
                await reader.search.find("carrier", "public", found.valid_from, after=0, limit=100) == found
            )
