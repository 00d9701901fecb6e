"""Who looked: written down whole before it is answered, found at once, kept as long as it has to be."""

import asyncio
from contextlib import asynccontextmanager

import asyncpg
import pytest

from creditsvc.errors import Unavailable
from creditsvc.ledger import accesses as ledger
from creditsvc.ledger import filing
from creditsvc.ledger.accesses import Access, Accesses, page
from creditsvc.ledger.filing import Filing
from creditsvc.ledger.pages import Cursor
from creditsvc.settings import Settings
from creditsvc.store.database import access_pool, connect, lookup_pool
from tests.faults import ERRORS, Faults, faulty_pools, wire
from tests.processes import PATIENCE_S

SETTINGS = Settings(lookup_connections=2)
ONE, OTHER = "siren:552081317", "lei:213800WSGIIZCXF1P572"
ARRIVED = "select client_id, role, purpose, what, entities from access_arrived order by number"
ADDED = """insert into access (entity_id, number, at, client_id, role, purpose, what)
           values ('lei:1', $1, clock_timestamp() - make_interval(years => $2, secs => $3), 'c', 'partner',
                   null, 'profile')"""


def asked(*entities, client="First Bank", what="profile", purpose=None):
    return Access(client, "partner", purpose, what, entities or (ONE,))


@asynccontextmanager
async def opened(dsn):
    async with await access_pool(dsn, SETTINGS) as pool:
        accesses = Accesses(pool)
        yield accesses
        await accesses.close()


async def fetch(dsn, query, *given):
    connection = await connect(dsn)
    try:
        return [tuple(row) for row in await connection.fetch(query, *given)]
    finally:
        await connection.close()


async def until(dsn, query):
    """Wait until a query says so."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if await fetch(dsn, query) == [(True,)]:
                return
            await asyncio.sleep(0.02)


async def listed(dsn, entity=ONE, *, before=None, limit=100):
    async with await lookup_pool(dsn, SETTINGS) as pool:
        return await page(pool, entity, before=before, limit=limit)


async def test_what_is_written_is_there_before_it_returns(database):
    async with opened(database) as accesses:
        await accesses.write(asked(ONE, OTHER, purpose="loan-review", what="lookups"))
        assert await fetch(database, ARRIVED) == [
            ("First Bank", "partner", "loan-review", "lookups", [ONE, OTHER])
        ]


async def test_those_of_a_moment_share_commits_and_none_is_lost(database, monkeypatch):
    faults = Faults()
    faulty_pools(monkeypatch, faults)
    async with opened(database) as accesses:
        before = len(faults.calls)
        await asyncio.gather(*(accesses.write(asked(client=f"c{n}")) for n in range(500)))
        assert len(faults.calls) - before <= 2, "one at a time, with all that wait"
    assert {row[0] for row in await fetch(database, ARRIVED)} == {f"c{n}" for n in range(500)}


async def test_a_group_is_not_too_long_and_a_long_request_is_taken_alone(database, monkeypatch):
    monkeypatch.setattr(ledger, "GROUP_ENTITIES", 2)
    async with opened(database) as accesses:
        three = asked(ONE, OTHER, "usdot:1", client="long")
        await asyncio.gather(*(accesses.write(one) for one in (asked(), three, asked(), asked(OTHER))))
    assert sorted(len(row[4]) for row in await fetch(database, ARRIVED)) == [1, 1, 1, 3]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("error", ERRORS)
async def test_whoever_shares_a_commit_that_fails_is_told_and_the_next_one_is_not_harmed(
    database, monkeypatch, error, when
):
    faults = Faults()
    faulty_pools(monkeypatch, faults)
    async with opened(database) as accesses:
        faults.set(1, when, ERRORS[error])
        outcomes = await asyncio.gather(
            *(accesses.write(asked(client=f"c{n}")) for n in range(3)), return_exceptions=True
        )
        told = [isinstance(outcome, Unavailable) for outcome in outcomes]
        assert faults.hit
        assert any(told)
        await accesses.write(asked(client="later"))
    there = [row[0] for row in await fetch(database, ARRIVED)]
    assert there[-1] == "later"
    assert {f"c{n}" for n, unavailable in enumerate(told) if not unavailable} <= set(there)


async def test_a_reply_that_is_lost_is_not_taken_for_a_commit(database):
    async with wire(database) as (proxy, through), opened(through) as accesses:
        await accesses.write(asked())
        proxy.mute = True
        lost = asyncio.create_task(accesses.write(asked(client="lost")))
        await until(database, "select exists (select from access_arrived where client_id = 'lost')")
        assert not lost.done()
        proxy.close()
        with pytest.raises(Unavailable):
            await lost


async def test_too_many_that_wait_are_refused_at_once(database, monkeypatch):
    monkeypatch.setattr(ledger, "MOST_WAITING", 2)
    async with opened(database) as accesses:
        outcomes = await asyncio.gather(*(accesses.write(asked()) for _ in range(3)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [type(None), type(None), Unavailable]


async def test_who_goes_while_waiting_holds_up_nobody(database):
    async with opened(database) as accesses:
        goes = asyncio.create_task(accesses.write(asked(client="gone")))
        stays = asyncio.create_task(accesses.write(asked(client="stays")))
        await asyncio.sleep(0)
        goes.cancel()
        await stays
    assert "stays" in {row[0] for row in await fetch(database, ARRIVED)}


async def test_an_entity_is_listed_newest_first_filed_or_not(database):
    async with opened(database) as accesses:
        for n in range(7):
            await accesses.write(asked(*((ONE, OTHER) if n % 2 else (ONE,)), client=f"c{n}"))
            if n == 3:
                assert await fetch(database, "select file_accesses(1000)") == [(4,)]
    for _ in range(2):
        whole = await listed(database)
        assert [item["client"] for item in whole.items] == [f"c{n}" for n in reversed(range(7))]
        assert whole.items == sorted(whole.items, key=lambda item: item["time"], reverse=True)
        assert whole.next is None
        assert [item["client"] for item in (await listed(database, OTHER)).items] == ["c5", "c3", "c1"]
        assert (await listed(database, "usdot:1")).items == []
        await fetch(database, "select file_accesses(1000)")
    assert await fetch(database, ARRIVED) == []


async def test_pages_hold_everything_once_while_it_is_being_filed(database):
    async with opened(database) as accesses:
        for n in range(10):
            await accesses.write(asked(client=f"c{n}"))
        seen, before = [], None
        while True:
            found = await listed(database, before=before, limit=3)
            seen += [item["client"] for item in found.items]
            if found.next is None:
                break
            before = Cursor.parse(found.next).after
            await fetch(database, "select file_accesses(2)")
            await accesses.write(asked(client="later"))
    assert seen == [f"c{n}" for n in reversed(range(10))]


async def test_filing_at_once_from_many_sides_files_everything_once(database):
    async with opened(database) as accesses:
        await asyncio.gather(*(accesses.write(asked(ONE, OTHER, client=f"c{n}")) for n in range(200)))
    takers = [await connect(database) for _ in range(4)]
    try:

        async def take(connection):
            while await connection.fetchval("select file_accesses(20)"):
                pass

        await asyncio.gather(*map(take, takers))
    finally:
        for one in takers:
            await one.close()
    assert await fetch(database, ARRIVED) == []
    (counted,) = await fetch(
        database, "select count(*), count(distinct client_id), count(distinct number) from access"
    )
    assert counted == (400, 200, 200)


async def test_one_transaction_files_about_as_many_as_it_is_told(database):
    async with opened(database) as accesses:
        for _ in range(5):
            await accesses.write(asked(ONE, OTHER))
    assert await fetch(database, "select file_accesses(1)") == [(1,)]
    assert await fetch(database, "select file_accesses(3)") == [(2,)]


async def test_the_sweep_files_and_removes(database, monkeypatch):
    monkeypatch.setattr(filing, "PAUSE_S", 0.01)
    monkeypatch.setattr(filing, "GROUP_ENTITIES", 3)
    await grown(database)
    async with opened(database) as accesses:
        sweep = Filing(accesses._pool, kept_years=5)
        await asyncio.gather(*(accesses.write(asked(ONE, OTHER)) for _ in range(10)))
        await until(database, "select not exists (select from access_arrived)")
        await until(database, "select not exists (select from access where number in (1, 2))")
        await sweep.close()
    assert await fetch(database, "select count(*) from access where number > 2 and entity_id = 'lei:1'") == [
        (2,)
    ]
    assert len((await listed(database)).items) == 10


async def test_a_sweep_that_fails_goes_on(database, monkeypatch):
    monkeypatch.setattr(filing, "PAUSE_S", 0.01)
    faults = Faults()
    faulty_pools(monkeypatch, faults)
    async with opened(database) as accesses:
        await accesses.write(asked())
        faults.set(1, "before", ERRORS["shut down"])
        sweep = Filing(accesses._pool, kept_years=5)
        await until(database, "select not exists (select from access_arrived)")
        await sweep.close()
    assert faults.hit


async def grown(database):
    """Entries of several ages, numbered from the oldest: ten years, five and a bit, nearly five, of now."""
    connection = await connect(database)
    await connection.execute("alter sequence access_arrived_number_seq restart with 1000")
    for number, (years, seconds) in enumerate([(10, 5), (5, 5), (5, -3600), (0, 0)], 1):
        await connection.execute(ADDED, number, years, float(seconds))
    await connection.close()


@pytest.mark.parametrize(
    ("years", "left"), [(5, [3, 4]), (10, [2, 3, 4]), (0, [3, 4]), (-100, [3, 4]), (20, [1, 2, 3, 4])]
)
async def test_only_what_is_old_is_removed_whatever_is_asked_for(database, years, left):
    await grown(database)
    await fetch(database, "select remove_old_accesses($1, 1000)", years)
    assert [row[0] for row in await fetch(database, "select number from access order by number")] == left


async def test_removal_is_bounded_and_begins_with_the_oldest(database):
    await grown(database)
    assert await fetch(database, "select remove_old_accesses(5, 1)") == [(1,)]
    assert await fetch(database, "select min(number) from access") == [(2,)]


CHANGES = (
    "update access set purpose = 'x'",
    "update access_arrived set purpose = 'x'",
    "delete from access_arrived",
    "truncate access",
    "truncate access_arrived",
    "delete from access where number = 3",
    "delete from access where number = 4",
)


@pytest.mark.parametrize("statement", CHANGES)
async def test_it_only_grows_for_its_owner_too(database, statement):
    await grown(database)
    async with opened(database) as accesses:
        await accesses.write(asked())
    connection = await connect(database)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
        await connection.execute(statement)
    await connection.close()


async def test_a_row_does_not_leave_before_each_of_its_organisations_has_it(database):
    async with opened(database) as accesses:
        await accesses.write(asked(ONE, OTHER))
    connection = await connect(database)
    copy = "insert into access select $1, number, at, client_id, role, $2, what from access_arrived"
    await connection.execute(copy, ONE, None)
    await connection.execute(copy, OTHER, "another")
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
        await connection.execute("delete from access_arrived")
    await connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        *CHANGES,
        "select * from access",
        "select * from access_arrived",
        "insert into access select * from access",
        "insert into access_arrived (at) values (now())",
        "insert into access_arrived (number) overriding system value values (1)",
        "select * from api_key",
        "select * from event",
        "insert into event_identity default values",
    ],
)
async def test_who_writes_it_down_may_do_nothing_else(database, statement):
    async with await access_pool(database, SETTINGS) as pool:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match=r"permission denied|must be owner"):
            await pool.execute(statement)


@pytest.mark.parametrize("role", ["creditsvc_append", "creditsvc_lookup", "creditsvc_sequence"])
async def test_no_other_role_writes_files_or_removes(database, role):
    connection = await connect(database)
    await connection.execute(f"set role {role}")
    for statement in (
        "insert into access_arrived (client_id, role, what, entities) values ('c', 'r', 'w', '{e}')",
        "select file_accesses(1)",
        "select remove_old_accesses(5, 1)",
        "delete from access",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
            await connection.execute(statement)
    await connection.close()
