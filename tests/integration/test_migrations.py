"""Migrations: done once, undone wholly, refused when they are not what they were."""

import asyncio
import os
import pwd
import shutil
import signal

import asyncpg
import pytest

import schema
from creditsvc.store import dump
from creditsvc.store import migrations as migrations_module
from creditsvc.store.database import connect
from creditsvc.store.embedded import EmbeddedServer
from creditsvc.store.migrations import DIRECTORY, Migration, MigrationFailed, migrate, read_all, rollback
from tests.conftest import drop, on_database

NUMBERS = sorted({migration.number for migration in read_all()})


@pytest.fixture
async def empty(server_dsn):
    """Make databases with nothing in them."""
    connection = await asyncpg.connect(server_dsn)
    names = []

    async def make():
        names.append(f"empty_{len(names)}")
        await connection.execute(f"create database {names[-1]}")
        return on_database(server_dsn, names[-1])

    yield make
    for name in names:
        await drop(connection, name)
    await connection.close()


@pytest.fixture
def migrations(tmp_path):
    """A directory to write migrations into."""

    def write(label, up, down="select 1;"):
        (tmp_path / f"{label}.sql").write_text(f"-- up\n{up}\n-- down\n{down}\n")
        return tmp_path

    return write


def quiet(_):
    pass


async def value(dsn, query, *arguments):
    connection = await connect(dsn)
    try:
        return await connection.fetchval(query, *arguments)
    finally:
        await connection.close()


async def execute(dsn, statements):
    connection = await connect(dsn)
    try:
        await connection.execute(statements)
    finally:
        await connection.close()


async def schema_of(dsn):
    return await asyncio.to_thread(dump.dump, dsn)


@pytest.mark.parametrize("number", NUMBERS)
async def test_stairway_each_step_up_down_and_up_again(number, empty, tmp_path):
    below, with_it = tmp_path / "below", tmp_path / "with_it"
    for directory in (below, with_it):
        directory.mkdir()
    for migration in read_all():
        source = DIRECTORY / f"{migration.label}.sql"
        if migration.number < number:
            shutil.copy(source, below)
        if migration.number <= number:
            shutil.copy(source, with_it)
    dsn = await empty()
    await migrate(dsn, report=quiet, directory=below)
    before = await schema_of(dsn)

    done = await migrate(dsn, report=quiet, directory=with_it)
    after = await schema_of(dsn)
    assert after != before
    undone = await rollback(dsn, number - 1, directory=with_it)
    assert undone == done[::-1]
    assert await schema_of(dsn) == before
    assert await migrate(dsn, report=quiet, directory=with_it) == done
    assert await schema_of(dsn) == after


async def test_schema_sql_is_the_sum_of_the_migrations(database):
    assert dump.FILE.read_text() == await schema_of(database), "run python -m creditsvc.store.dump"


async def test_schema_sql_makes_that_schema(empty):
    dsn = await empty()
    await execute(dsn, dump.FILE.read_text())
    assert await schema_of(dsn) == dump.FILE.read_text()


async def test_a_second_run_finds_nothing_to_do(database):
    assert await migrate(database, report=quiet) == []


async def test_an_applied_migration_that_changed_is_refused(empty, migrations):
    dsn = await empty()
    directory = migrations("0001_one.pre", "create table one ();")
    await migrate(dsn, report=quiet, directory=directory)
    migrations("0001_one.pre", "create table one (more text);")
    migrations("0002_two.pre", "create table two ();")
    with pytest.raises(MigrationFailed, match=r"0001_one\.pre was changed after it had been applied"):
        await migrate(dsn, report=quiet, directory=directory)
    with pytest.raises(MigrationFailed, match="was changed"):
        await rollback(dsn, 0, directory=directory)
    assert await value(dsn, "select to_regclass('two')") is None


async def test_a_failing_migration_changes_nothing_and_keeps_those_before_it(empty, migrations):
    dsn = await empty()
    directory = migrations("0001_one.pre", "create table one ();")
    migrations("0002_two.pre", "create table two (); select 1 / 0;")
    with pytest.raises(MigrationFailed, match=r"0002_two\.pre failed and changed nothing: division by zero"):
        await migrate(dsn, report=quiet, directory=directory)
    assert await value(dsn, "select to_regclass('one')") == "one"
    assert await value(dsn, "select to_regclass('two')") is None
    migrations("0002_two.pre", "create table two ();")
    assert await migrate(dsn, report=quiet, directory=directory) == ["0002_two.pre"]


async def test_phases_come_apart_and_in_order(empty, migrations):
    dsn = await empty()
    directory = migrations("0001_one.pre", "create table one ();", "drop table one;")
    migrations("0001_one.post", "alter table one add a text;", "alter table one drop a;")
    migrations("0002_two.pre", "create table two ();", "drop table two;")
    said = []
    assert await migrate(dsn, phase="pre", report=said.append, directory=directory) == [
        "0001_one.pre",
        "0002_two.pre",
    ]
    assert said == ["migrating 0001_one.pre", "migrating 0002_two.pre"]
    assert await migrate(dsn, phase="post", report=quiet, directory=directory) == ["0001_one.post"]
    assert await rollback(dsn, 0, directory=directory) == ["0002_two.pre", "0001_one.post", "0001_one.pre"]
    assert await migrate(dsn, report=quiet, directory=directory) == [
        "0001_one.pre",
        "0001_one.post",
        "0002_two.pre",
    ]


async def test_a_migration_that_comes_too_late_is_refused(empty, migrations):
    dsn = await empty()
    directory = migrations("0002_two.pre", "create table two ();")
    await migrate(dsn, report=quiet, directory=directory)
    migrations("0001_one.pre", "create table one ();")
    with pytest.raises(MigrationFailed, match="renumber it"):
        await migrate(dsn, report=quiet, directory=directory)


async def test_older_code_leaves_a_newer_schema_alone(empty, migrations):
    dsn = await empty()
    directory = migrations("0001_one.pre", "create table one ();")
    migrations("0002_two.pre", "create table two ();")
    await migrate(dsn, report=quiet, directory=directory)
    (directory / "0002_two.pre.sql").unlink()
    said = []
    assert await migrate(dsn, report=said.append, directory=directory) == []
    assert said == ["the database is ahead of this code by 1 migrations"]
    with pytest.raises(MigrationFailed, match="Migration 0002 is not known here"):
        await rollback(dsn, 0, directory=directory)


async def test_a_migration_gives_up_on_a_lock_rather_than_block_everyone(empty, migrations):
    dsn = await empty()
    directory = migrations("0001_one.pre", "create table one ();")
    await migrate(dsn, report=quiet, directory=directory)
    migrations("0002_two.pre", "create table two (); alter table one add a text;")
    holder = await connect(dsn)
    try:
        async with holder.transaction():
            await holder.execute("lock table one in access share mode")
            with pytest.raises(MigrationFailed, match="gave up waiting 50 ms for a lock"):
                await migrate(dsn, report=quiet, directory=directory, lock_timeout_ms=50)
    finally:
        await holder.close()
    assert await value(dsn, "select to_regclass('two')") is None
    assert await migrate(dsn, report=quiet, directory=directory) == ["0002_two.pre"]


async def test_two_that_start_together_do_it_once(empty, migrations):
    dsn = await empty()
    directory = migrations("0001_one.pre", "create table one (); select pg_sleep(0.2);")
    done = await asyncio.gather(*(migrate(dsn, report=quiet, directory=directory) for _ in range(4)))
    assert sorted(done) == [[], [], [], ["0001_one.pre"]]


@pytest.fixture
async def own_server(tmp_path):
    """A server without the roles of the service yet, and nobody else's."""
    server = await EmbeddedServer.start(tmp_path / "data")
    yield server
    await server.stop()


async def test_databases_of_one_server_race_for_its_roles(own_server):
    await execute(own_server.dsn, "create database other")
    faster = await connect(own_server.dsn)
    try:
        transaction = faster.transaction()
        await transaction.start()
        await faster.execute((schema.ROOT / "roles.sql").read_text())
        slower = asyncio.create_task(migrate(on_database(own_server.dsn, "other"), report=quiet))
        waiting = "select count(*) from pg_stat_activity where datname = 'other' and wait_event_type = 'Lock'"
        while not await value(own_server.dsn, waiting):
            assert not slower.done()
            await asyncio.sleep(0.02)
        await transaction.commit()
    finally:
        await faster.close()
    assert await slower == [migration.label for migration in read_all()]


async def test_the_login_may_take_the_roles_but_has_not_their_rights_by_itself(database):
    roles = ("append", "lookup", "sequence", "access", "erase")
    for role in (f"creditsvc_{name}" for name in roles):
        assert await value(database, "select pg_has_role($1, 'SET') and not pg_has_role($1, 'USAGE')", role)


async def test_a_login_that_may_not_make_roles_is_told_what_to_do(own_server, tmp_path):
    await execute(own_server.dsn, "create role creditsvc_small login")
    await execute(own_server.dsn, "create database small")
    await execute(own_server.dsn, "grant create on database small to creditsvc_small")
    let_in_as(own_server, tmp_path / "data", "creditsvc_small")
    dsn = on_database(own_server.dsn, "small").replace("creditsvc@", "creditsvc_small@")
    with pytest.raises(MigrationFailed, match=r"have an administrator run schema/roles\.sql"):
        await migrate(dsn, report=quiet)
    administrators = (schema.ROOT / "roles.sql").read_text()
    await execute(own_server.dsn, f"set creditsvc.login = 'creditsvc_small'; {administrators}")
    assert await migrate(dsn, report=quiet)
    assert await value(f"{dsn}&role=creditsvc_lookup", "select count(*) from event") == 0


async def test_a_login_without_a_database_of_its_own_is_told_what_to_do(own_server, tmp_path):
    await execute(own_server.dsn, "create role creditsvc_guest login createrole")
    let_in_as(own_server, tmp_path / "data", "creditsvc_guest")
    with pytest.raises(MigrationFailed, match="may not make the schema creditsvc"):
        await migrate(own_server.dsn.replace("creditsvc@", "creditsvc_guest@"), report=quiet)


def let_in_as(server, data_dir, role):
    """Have the server let us in under another role too."""
    user = pwd.getpwuid(os.geteuid()).pw_name
    with (data_dir / "postgresql/pg_ident.conf").open("a") as file:
        file.write(f"creditsvc {user} {role}\n")
    with (data_dir / "postgresql/pg_hba.conf").open("a") as file:
        file.write(f"local all {role} peer map=creditsvc\n")
    os.kill(server.pid, signal.SIGHUP)


async def test_a_server_that_is_too_old_is_refused(database, monkeypatch):
    monkeypatch.setattr(migrations_module, "OLDEST_SERVER", 999)
    with pytest.raises(MigrationFailed, match="PostgreSQL 999 or later is needed"):
        await migrate(database, report=quiet)


async def test_a_server_that_is_not_there_is_said_so():
    with pytest.raises(MigrationFailed, match="cannot be reached"):
        await migrate("postgresql://creditsvc@/creditsvc?host=/nonexistent", report=quiet)


async def test_history_cannot_be_changed_even_by_its_owner(database):
    await execute(database, EVENT)
    for statement in CHANGES:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
            await execute(database, statement)


EVENT = """
insert into event (entity_id, sequence, recorded_at, source, id, type, time, record, content, salt, leaf_hash,
                   opens, touches_public)
values ('lei:1', 1, clock_timestamp(), 'urn:x', '1', 't', clock_timestamp(), 'r', '',
        decode(repeat('00', 16), 'hex'), sha256(''), true, true);
insert into event_identity (source, id, entity_id, sequence, content_sha256)
values ('urn:x', '1', 'lei:1', 1, sha256(''));
"""
CHANGES = (
    "update event set time = clock_timestamp()",
    "delete from event",
    "update event_identity set sequence = 2",
    "delete from event_identity",
    "truncate event",
    "truncate event_identity",
)


async def test_appending_adds_to_history_and_cannot_change_it(database):
    await execute(database, f"set role creditsvc_append; {EVENT}")
    for statement in (*CHANGES, "drop table event", "alter table event disable trigger all"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match=r"permission denied|must be owner"):
            await execute(database, f"set role creditsvc_append; {statement}")
    assert await value(database, "select count(*) from event") == 1


async def test_looking_up_writes_nothing(database):
    tables = await value(
        database, "select array_agg(tablename::text) from pg_tables where schemaname = 'creditsvc'"
    )
    assert "event" in tables
    for table in tables:
        for verb in ("insert into {} default values", "delete from {}", "truncate {}"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await execute(database, f"set role creditsvc_lookup; {verb.format(table)}")


@pytest.mark.parametrize("name", ["1_one.pre.sql", "0001_one.sql", "0001_One.pre.sql", "0001_one.mid.sql"])
def test_a_file_with_another_name_is_refused(name, tmp_path):
    (tmp_path / name).write_text("-- up\nselect 1;\n-- down\nselect 1;\n")
    with pytest.raises(ValueError, match="is not NNNN_name"):
        Migration.read(tmp_path / name)


def test_a_file_without_a_way_back_is_refused(tmp_path):
    (tmp_path / "0001_one.pre.sql").write_text("-- up\nselect 1;\n")
    with pytest.raises(ValueError, match="-- down"):
        read_all(tmp_path)


def test_two_files_with_one_number_are_refused(tmp_path):
    for name in ("0001_one.pre.sql", "0001_two.post.sql"):
        (tmp_path / name).write_text("-- up\nselect 1;\n-- down\nselect 1;\n")
    with pytest.raises(ValueError, match="have one number"):
        read_all(tmp_path)
