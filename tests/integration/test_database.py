"""Connections with the least they need, and the files of SQL."""

import asyncio

import asyncpg
import pytest

from creditsvc.settings import Settings
from creditsvc.store.database import (
    access_pool,
    append_pool,
    connect,
    load_queries,
    lookup_pool,
    parse_queries,
)

SETTINGS = Settings(statement_timeout_ms=200, lookup_connections=2, append_connections=2)


@pytest.fixture
async def appending(database):
    async with await append_pool(database, SETTINGS) as pool:
        yield pool


@pytest.fixture
async def looking_up(database):
    async with await lookup_pool(database, SETTINGS) as pool:
        yield pool


async def test_the_login_owns_the_schema(database):
    connection = await connect(database)
    try:
        assert await connection.fetchval("select tableowner from pg_tables where tablename = 'event'") == (
            await connection.fetchval("select current_user")
        )
    finally:
        await connection.close()


SESSION = """
select current_user::text, current_setting('search_path'), current_setting('application_name'),
       current_setting('timezone'), current_setting('jit'), current_setting('statement_timeout'),
       current_setting('transaction_read_only')
"""


async def test_an_appending_session_is_what_it_says(appending):
    assert tuple(await appending.fetchrow(SESSION)) == (
        "creditsvc_append", "creditsvc", "creditsvc append", "UTC", "off", "200ms", "off",
    )  # fmt: skip


async def test_a_look_up_session_is_what_it_says(looking_up):
    assert tuple(await looking_up.fetchrow(SESSION)) == (
        "creditsvc_lookup", "creditsvc", "creditsvc look-up", "UTC", "off", "200ms", "on",
    )  # fmt: skip


async def test_a_session_that_writes_down_who_looked_is_what_it_says(database):
    async with await access_pool(database, SETTINGS) as noting:
        assert tuple(await noting.fetchrow(SESSION)) == (
            "creditsvc_access", "creditsvc", "creditsvc access", "UTC", "off", "200ms", "off",
        )  # fmt: skip


async def test_roles_keep_to_their_part(appending, looking_up):
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await appending.execute("insert into agency (source, name) values ('urn:x', 'x')")
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await looking_up.execute("insert into entity (entity_id) values ('lei:1')")
    async with looking_up.acquire() as connection, connection.transaction():
        await connection.execute("set transaction read write")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("insert into entity (entity_id) values ('lei:1')")


async def test_no_statement_outlives_its_time(looking_up):
    with pytest.raises(asyncpg.QueryCanceledError):
        await looking_up.fetchval("select pg_sleep(5)")
    assert await looking_up.fetchval("select 1") == 1


# Other databases of the server have sequencers of their own.
LOCKS_HERE = """
select count(*) from pg_locks
where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())
"""


async def test_what_a_session_leaves_open_does_not_reach_the_next(appending):
    for _ in range(SETTINGS.append_connections + 1):
        async with appending.acquire() as connection, connection.transaction():
            await connection.execute("set local work_mem = '1MB'")
            await connection.execute("select pg_advisory_xact_lock(1)")
        assert await appending.fetchval(LOCKS_HERE) == 0


async def test_a_transaction_that_may_yet_record_lowers_the_horizon(appending, looking_up):
    async with appending.acquire() as writer:
        transaction = writer.transaction()
        await transaction.start()
        began = await writer.fetchval("select now()")
        await asyncio.sleep(0.02)
        assert await looking_up.fetchval("select append_horizon()") == began
        asked = await looking_up.fetchval("select append_horizon() < clock_timestamp()")
        assert asked
        await transaction.rollback()
    before = await looking_up.fetchval("select clock_timestamp()")
    assert await looking_up.fetchval("select append_horizon()") >= before


async def test_only_appending_sessions_lower_the_horizon(database, looking_up):
    connection = await connect(database)
    try:
        async with connection.transaction():
            began = await connection.fetchval("select now()")
            assert await looking_up.fetchval("select append_horizon()") > began
    finally:
        await connection.close()


def test_queries_come_by_name():
    queries = parse_queries(
        "-- name: one\n-- The first.\nselect 1;\n\n-- name: two\n-- A second.\nselect 2\n", "x"
    )
    assert queries.one == queries["one"] == "-- The first.\nselect 1"
    assert list(queries) == ["one", "two"]
    assert len(queries) == 2
    with pytest.raises(AttributeError):
        _ = queries.three


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("select 1;\n", "without a name"),
        ("select 1;\n-- name: one\n-- Says.\nselect 1;\n", "without a name"),
        ("-- name: one\nselect 1;\n", "what it is for"),
        ("-- name: one\n-- Says.\n", "no statement"),
        ("-- name: one\n-- Says.\nselect 1;\n-- name: one\n-- Says.\nselect 1;\n", "twice"),
        ("-- name: one two\n-- Says.\nselect 1;\n", "cannot be the name"),
        ("-- name: items\n-- Says.\nselect 1;\n", "cannot be the name"),
    ],
)
def test_a_file_of_queries_that_is_not_in_order_is_refused(text, wrong):
    with pytest.raises(ValueError, match=wrong):
        parse_queries(text, "x")


def test_the_files_of_the_service_are_in_order():
    assert load_queries("clients")
