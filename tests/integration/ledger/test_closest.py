"""Searched names: whatever way is taken to them, they are those that reading all names would give."""

import random
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from creditsvc.domain import names
from creditsvc.ledger import closest
from creditsvc.ledger.closest import LENGTHS, Closest, steps
from creditsvc.settings import Settings
from creditsvc.store.database import lookup_pool

START = datetime(2026, 1, 1, tzinfo=UTC)
PLACES, COINED, TRADES = ("上海", "重庆", "佛山"), "恒鑫盛泰丰瑞宏达华信", ("食品", "物流", "Tools")
COLUMNS = ("entity_id", "view", "since", "until", "name", "status", "grams")
COUNT = 9_000


def made(chance):
    """A name of one of several lengths, some of them long: most have something in common."""
    coined = "".join(chance.choices(COINED, k=chance.choice((1, 2, 2, 3, 40))))
    if chance.random() < 0.3:
        return f"{coined} {chance.choice(TRADES)} Limited"
    return f"{chance.choice(PLACES)}{coined}{chance.choice(TRADES)}有限公司"


@pytest.fixture(scope="module")
async def named(make_database):
    """Thousands of names, some former, some of one organisation; and the rows."""
    dsn, chance = await make_database(), random.Random(2026)
    rows = []
    for number in range(COUNT):
        name, since = made(chance), START + timedelta(days=chance.randrange(300))
        until = since + timedelta(days=30) if chance.random() < 0.2 else None
        view = chance.choice(("public", "public", "shared"))
        entity = f"usdot:{chance.randrange(COUNT)}"
        rows.append(
            (entity, view, since + timedelta(seconds=number), until, name, "active", [*names.grams(name)])
        )
    connection = await asyncpg.connect(dsn, server_settings={"search_path": "creditsvc"})
    await connection.copy_records_to_table("entity_name", records=rows, columns=COLUMNS)
    await connection.execute("vacuum analyze entity_name")
    await connection.close()
    return dsn, rows


@pytest.fixture
async def pool(named):
    async with await lookup_pool(named[0], Settings()) as opened:
        yield opened


def expected(rows, view, query, upto):
    """Read all names."""
    wanted = names.grams(query)
    found = [row for row in rows if row[1] == view and row[2] <= upto and wanted <= set(row[6])]
    found.sort(key=lambda row: (len(row[4]), row[4], row[0], -row[2].timestamp()))
    return [(row[0], row[4], row[2], row[3]) for row in found[: closest.MOST]]


QUERIES = (
    *(
        "有限",
        "有限公司",
        "limited",
        "上海",
        "重庆",
        "佛山恒鑫",
        "恒鑫",
        "食品有限",
        "上海 有限",
        "上海 limited",
    ),
    *("tools limited", "恒鑫盛泰", "没有", "li", "恒", "恒鑫盛泰丰瑞宏达华信" * 3),
)
# How common things are held to be: as they are; all common; in crowds that are met at once, or not soon.
HELD = {
    "few": {},
    "common": {"RARE": 0},
    "crowded": {"RARE": 0, "CROWD": 1, "LEAD": 10**9, "LOOKED_THROUGH": 10**6},
    "in vain": {"RARE": 0, "CROWD": 1, "LEAD": 10**9, "LOOKED_THROUGH": 3},
    "by one": {"RARE": 10**6, "COUNTED": 10**6 + 1, "RAREST": 1},
}


@pytest.mark.parametrize("held", HELD)
@pytest.mark.parametrize("most", [7, 200])
async def test_the_closest_are_those_that_reading_all_would_give(named, pool, monkeypatch, held, most):
    for name, value in (HELD[held] | {"MOST": most, "ENOUGH": most}).items():
        monkeypatch.setattr(closest, name, value)
    searched = Closest(pool)
    found = 0
    for query in QUERIES:
        for view in ("public", "shared"):
            for days in (100, 400):
                upto = START + timedelta(days=days)
                rows = await searched.names(view, sorted(names.grams(query)), upto)
                told = [tuple(row.values()) for row in rows]
                assert told == expected(named[1], view, query, upto), (query, view, days)
                found += len(told)
    assert found > 100


async def test_what_is_crowded_is_told_by_the_sample(pool):
    wanted = sorted(names.grams("有限公司"))
    told = await pool.fetch(closest.SQL.crowds, "public", wanted, 1, 10**6)
    actual = await pool.fetchval(
        "select count(*) from entity_name where view = 'public' and grams @> $1::text[]", wanted
    )
    assert actual / 4 < sum(row["names"] for row in told) < actual * 4
    assert all(row["before"] is not None for row in told)
    assert all(
        row["before"] is None for row in await pool.fetch(closest.SQL.crowds, "public", wanted, 10**6, 1)
    )


async def test_names_are_found_by_the_index_and_not_by_reading_all(named, pool):
    """A plan that reads the table would pass every other test, and take a second among a million names."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("set local plan_cache_mode = force_generic_plan")
        await connection.execute(f"prepare searched as {closest.SQL.matching_names}")
        plan = await connection.fetch(
            "explain execute searched('public', '{恒鑫}', '{4,5,6,7,8,9}', null, clock_timestamp(), 200)"
        )
    text = "\n".join(row[0] for row in plan)
    assert "entity_name_keys" in text
    assert "Seq Scan on entity_name" not in text


def test_lengths_are_taken_up_in_order_until_there_are_enough():
    assert list(steps({}, set())) == [list(LENGTHS)]
    parts = list(steps({5: closest.ENOUGH, 9: 1, 11: closest.CROWD}, {11}))
    assert parts == [list(range(1, 6)), [6, 7, 8, 9, 10], [11], list(range(12, 41))]
    assert list(steps({40: closest.CROWD, 1: closest.CROWD}, {1, 40})) == [[1], list(range(2, 40)), [40]]
