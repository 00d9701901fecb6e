"""Notices in the database: each boundary once, numbered without gaps, hashed as anybody can."""

import asyncio
import random
from collections import Counter
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from creditsvc.domain import instants
from creditsvc.domain.notices import TICK, expected, told_until
from creditsvc.ledger.accounts import SQL
from creditsvc.ledger.append import append, refold
from creditsvc.ledger.entries import entry
from creditsvc.settings import Settings
from creditsvc.store.database import append_pool, connect
from creditsvc.verifier import leaves, tree
from tests.chance import SEEDS
from tests.making import ENTITY, RULES, event
from tests.notices import BEFORE, DUE, FAR, START, correction, penalty, with_release

NOW = SQL["now"]
DAY = timedelta(days=1)


@asynccontextmanager
async def connection_to(dsn):
    """Appending, as the service does."""
    async with await append_pool(dsn, Settings()) as pool, pool.acquire() as connection:
        yield connection


@pytest.fixture
def clock(monkeypatch):
    """Sets the clock that appending reads; what else its query says stays."""

    def show(instant):
        monkeypatch.setitem(
            SQL._texts, "now", NOW.replace("clock_timestamp()", f"timestamptz '{instants.text(instant)}'")
        )

    return show


async def begin(dsn, began_at=BEFORE - DAY):
    owner = await connect(dsn)
    await owner.execute("insert into log_state default values")
    await owner.execute(
        """insert into log_identity (origin, verifier_key, receipt_verifier_key, began_at)
           values ('log.example', 'log.example+0', 'log.example+1', $1)""",
        began_at,
    )
    await owner.close()


async def notices(dsn, rules=RULES):
    """The stored notices, each held against what the events come to and hashed again."""
    owner = await connect(dsn)
    began_at = await owner.fetchval("select began_at from log_identity")
    rows = await owner.fetch("select * from notice order by entity_id, number")
    entities = await owner.fetch("select entity_id, shared_until, announced from entity")
    events = await owner.fetch("select * from event order by entity_id, sequence")
    pending = await owner.fetch("select * from log_pending where kind = 'notice'")
    placed = await owner.fetch("select * from log_pending where kind = 'event'")
    await owner.close()
    for row in entities:
        entity = row["entity_id"]
        own = [one for one in rows if one["entity_id"] == entity]
        history = [entry(one) for one in events if one["entity_id"] == entity]
        until = told_until(row["shared_until"], row["announced"], rules.schedule)
        wanted = [] if began_at is None else expected(entity, history, began_at, until, rules)
        assert [one["number"] for one in own] == [*range(1, len(own) + 1)]
        assert [(one["due"], one["type"], one["record"], one["source"], one["content"]) for one in own] == [
            (one.due, one.type, one.record, one.source, one.content) for one in wanted
        ]
        assert all(one["due"] <= one["recorded_at"] for one in own)
    for row in rows:
        due, recorded_at = (instants.text(row[name]) for name in ("due", "recorded_at"))
        committed = leaves.commitment(row["salt"], row["content"])
        leaf = leaves.notice_leaf(row["entity_id"], row["number"], due, recorded_at, committed)
        assert row["leaf_hash"] == tree.leaf_hash(leaf)
    told = {(row["entity_id"], row["number"], row["recorded_at"]) for row in rows}
    assert {(row["entity_id"], row["sequence"], row["recorded_at"]) for row in pending} == told
    assert {(row["entity_id"], row["sequence"], row["recorded_at"]) for row in placed} == {
        (row["entity_id"], row["sequence"], row["recorded_at"]) for row in events
    }
    return rows


def types(rows):
    return [row["type"].removeprefix("credit.") for row in rows]


async def test_a_fold_after_a_boundary_tells_it_once(database, clock):
    await begin(database)
    async with connection_to(database) as connection:
        clock(BEFORE)
        await append(connection, [penalty(), event("licence.granted", "L1", valid_until="2027-06-30")], RULES)
        clock(DUE - TICK)
        await refold(connection, [ENTITY], RULES)
        assert await notices(database) == []
        for instant in (DUE, DUE, DUE + DAY):
            clock(instant)
            await refold(connection, [ENTITY], RULES)
            rows = await notices(database)
            assert types(rows) == ["publicity.ended", "score.stepped"]
            assert {row["recorded_at"] for row in rows} == {DUE}
        clock(DUE + 40 * DAY)
        await append(connection, [event("honour.granted", "H1")], RULES)
        assert types(await notices(database))[2:] == ["record.expired"]
        clock(FAR)
        await append(connection, [correction(severity="serious")], RULES)
        steps = (await notices(database))[3:]
        assert types(steps) == ["score.stepped"] * (len(steps) - 1) + ["record.retired"]
        assert {row["recorded_at"] for row in steps} == {FAR}


async def test_before_the_log_begins_nothing_is_told(database, clock):
    async with connection_to(database) as connection:
        clock(BEFORE)
        await append(connection, [penalty()], RULES)
        clock(DUE + DAY)
        await refold(connection, [ENTITY], RULES)
        await begin(database, DUE + DAY)
        clock(DUE + 400 * DAY)
        await refold(connection, [ENTITY], RULES)
    assert types(await notices(database)) == ["score.stepped"]


@pytest.mark.parametrize(("began_at", "count"), [(DUE - TICK, 2), (DUE, 0)])
async def test_what_was_due_when_the_log_began_is_not_told(database, clock, began_at, count):
    await begin(database, began_at)
    async with connection_to(database) as connection:
        clock(BEFORE)
        await append(connection, [penalty()], RULES)
        clock(DUE + DAY)
        await refold(connection, [ENTITY], RULES)
    assert len(await notices(database)) == count


async def test_withdrawn_records_tell_that_their_life_is_over_and_awaited_ones_nothing(database, clock):
    await begin(database)
    async with connection_to(database) as connection:
        clock(BEFORE)
        awaited = event("record.corrected", "P2", reason="r", changes={"severity": "serious"})
        withdrawn = [penalty(), event("record.revoked", "P1", reason="r")]
        await append(connection, [*withdrawn, awaited], RULES)
        clock(FAR)
        await append(connection, [event("honour.granted", "H1")], RULES)
        told = await notices(database)
        assert [(row["type"], row["record"]) for row in told] == [("credit.record.retired", "P1")]


async def test_a_correction_that_comes_after_the_boundary_finds_it_told(database, clock):
    await begin(database)
    async with connection_to(database) as connection:
        clock(BEFORE)
        await append(connection, [penalty()], RULES)
        clock(DUE + TICK)
        await append(connection, [event("record.revoked", "P1", reason="r")], RULES)
        assert types(await notices(database)) == ["publicity.ended", "score.stepped"]


async def test_a_transaction_over_midnight_tells_of_all_records_or_of_none(database, clock):
    await begin(database)
    async with connection_to(database) as connection:
        clock(BEFORE)
        await append(connection, [penalty(), event("licence.granted", "L1", valid_until="2027-05-31")], RULES)
        clock(DUE - 2 * TICK)
        changed = event("record.corrected", "L1", reason="r", changes={"title": "t"})
        honours = [event("honour.granted", f"H{n}", decided_on="2027-05-01") for n in range(3)]
        await append(connection, [changed, *honours], RULES)
        rows = await notices(database)
        assert types(rows) == ["record.expired", "publicity.ended", "score.stepped"]
        assert {row["recorded_at"] for row in rows} == {DUE + TICK}
        clock(DUE + DAY)
        await refold(connection, [ENTITY], RULES)
        assert await notices(database) == rows


async def test_two_workers_at_once_tell_each_boundary_once(database, clock):
    await begin(database)
    subjects = [f"usdot:{n}" for n in range(1, 41)]
    async with await append_pool(database, Settings()) as pool:
        clock(BEFORE)
        async with pool.acquire() as connection:
            await append(connection, [penalty(subject=subject) for subject in subjects], RULES)
        clock(DUE + DAY)

        async def work(seed):
            chance = random.Random(seed)
            for _ in range(6):
                some = chance.sample(subjects, 25)
                async with pool.acquire() as connection:
                    if chance.random() < 0.5:
                        await refold(connection, some, RULES)
                    else:
                        await append(
                            connection, [event("honour.granted", f"H{seed}", subject=some[0])], RULES
                        )

        await asyncio.gather(*map(work, range(2)))
        async with pool.acquire() as connection:
            await refold(connection, subjects, RULES)
    told = Counter(row["entity_id"] for row in await notices(database))
    assert told == dict.fromkeys(subjects, 2)


async def test_a_clock_set_back_records_nothing_before_what_the_log_is_complete_up_to(database, clock):
    await begin(database)
    complete = DUE + 3 * DAY
    async with connection_to(database) as connection:
        clock(BEFORE)
        await append(connection, [penalty()], RULES)
        owner = await connect(database)
        await owner.execute("update log_state set complete_until = $1", complete)
        await owner.close()
        clock(complete - timedelta(seconds=5))
        (receipt,) = await append(connection, [event("honour.granted", "H1", decided_on="2027-05-01")], RULES)
        assert receipt.recorded_at == complete
        rows = await notices(database)
    assert {row["recorded_at"] for row in rows} == {complete}
    assert types(rows) == ["publicity.ended", "score.stepped"]


async def test_a_clock_set_back_changes_nothing_that_was_told(database, clock):
    await begin(database)
    async with connection_to(database) as connection:
        clock(BEFORE)
        await append(connection, [penalty()], RULES)
        clock(DUE + DAY)
        await refold(connection, [ENTITY], RULES)
        clock(DUE - DAY)
        await refold(connection, [ENTITY], RULES)
        (receipt,) = await append(connection, [event("record.revoked", "P1", reason="r")], RULES)
        assert receipt.recorded_at == DUE + TICK
        assert len(await notices(database)) == 2


async def test_rows_that_somebody_set_back_tell_nothing_twice_and_leave_no_gap(database, clock):
    await begin(database)
    async with connection_to(database) as connection:
        clock(BEFORE)
        await append(connection, [penalty()], RULES)
        clock(DUE)
        await refold(connection, [ENTITY], RULES)
        owner = await connect(database)
        await owner.execute("update entity set shared_until = $1", DUE)
        await owner.execute("update record set next_change = $1", DUE)
        await owner.close()
        clock(DUE + 400 * DAY)
        await refold(connection, [ENTITY], RULES)
        assert types(await notices(database)) == ["publicity.ended", "score.stepped", "score.stepped"]


async def test_a_new_model_is_told_by_its_release_alone(database, clock):
    rules = with_release((DUE - 10 * DAY).date())
    await begin(database)
    async with connection_to(database) as connection:
        clock(BEFORE)
        await append(connection, [penalty()], rules)
        clock(DUE - DAY)
        await refold(connection, [ENTITY], rules)
        assert await notices(database, rules) == []
        clock(DUE)
        await refold(connection, [ENTITY], rules)
        ended, stepped = await notices(database, rules)
    assert ended["type"] == "credit.publicity.ended"
    assert b'"points":"-60"' in stepped["content"]


async def test_who_has_nothing_to_tell_asks_nothing(database):
    await begin(database)
    asked = []
    async with connection_to(database) as connection:
        with connection.query_logger(lambda query: asked.append(query.query)):
            await append(connection, [event("honour.granted", "H1")], RULES)
            await append(connection, [event("honour.granted", "H2")], RULES)
    assert asked
    assert not any("notice" in query.partition("select")[2].split("'notice'")[0] for query in asked)


def chosen(chance, subject):
    """An event at random on one of a few records."""
    kind = chance.choice(
        ["penalty.imposed"] * 3 + ["record.corrected"] * 2 + ["licence.granted", "record.revoked"]
    )
    day = (START + timedelta(days=chance.randint(-900, 900))).date().isoformat()
    given = {
        "penalty.imposed": {
            "decided_on": day,
            "severity": chance.choice(["minor", "general", "serious"]),
        },
        "record.corrected": {
            "reason": "r",
            "changes": chance.choice([{"decided_on": day}, {"severity": "general"}]),
        },
        "licence.granted": {"valid_until": day},
        "record.revoked": {"reason": "r"},
    }[kind]
    return event(kind, chance.choice("ABCDEFGH"), subject=subject, **given)


@pytest.mark.parametrize("seed", SEEDS)
async def test_random_histories_folded_at_random_tell_what_the_events_come_to(database, clock, seed):
    chance = random.Random(seed)
    subjects = [f"usdot:{n}" for n in range(1, 9)]
    await begin(database, START + 100 * DAY)
    now, told = START, 0
    async with connection_to(database) as connection:
        for _ in range(60):
            now += timedelta(minutes=chance.randint(0, 60 * 24 * 40))
            if chance.random() < 0.5:  # right around a midnight of theirs
                now = datetime(now.year, now.month, now.day, 4, tzinfo=UTC) + chance.randint(-3, 3) * TICK
            clock(now)
            if chance.random() < 0.4:
                await refold(connection, chance.sample(subjects, 4), RULES)
            else:
                pushed = [chosen(chance, subject) for subject in chance.choices(subjects, k=6)]
                await append(connection, pushed, RULES)
            told = len(await notices(database))
        clock(FAR)
        await refold(connection, subjects, RULES)
    assert len(await notices(database)) > told > 0
