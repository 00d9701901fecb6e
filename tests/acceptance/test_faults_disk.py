"""A disk that is full: writes are put off, look-ups go on while they can, and nothing is lost."""

import asyncio
import contextlib
import os
import subprocess
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest

from tests.making import SOURCE, raw
from tests.processes import Agency, service

SIZE_MIB = 176
QUICKLY_S = 45  # on a machine that is busy; who waits for a database that is away waits for ever
ENTITY = "usdot:77"
WRITE_AHEAD = "select pg_logical_emit_message(false, 'creditsvc test', repeat('x', 1000000))"


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own that a test may fill."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a file system to fill")
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m,mode=0755", "creditsvc-test", str(folder)],
        capture_output=True,
        check=False,
    )
    if made.returncode != 0:
        pytest.skip("this machine does not let a file system be mounted")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(ballast: Path) -> None:
    """Take every block that is left."""
    with ballast.open("wb", buffering=0) as file:
        block = bytes(1024 * 1024)
        while block:
            try:
                if file.write(block) < len(block):
                    block = block[: len(block) // 2]
            except OSError:
                block = block[: len(block) // 2]


def events(first: int, number: int) -> list[dict[str, Any]]:
    text = "够长的一段说明" * 25
    return [
        raw("penalty.imposed", f"D{n}", title=text, id=f"disk-{n}", subject=f"usdot:{n % 9 + 1}")
        for n in range(first, first + number)
    ]


async def test_writes_wait_and_nothing_is_lost_while_the_disk_is_full(small_disk, tmp_path):
    async with service(small_disk / "var") as running, aiohttp.ClientSession() as session:
        agency = Agency(running.url, await running.key("agency", sources=[SOURCE]), tmp_path / "receipts")
        first = [raw("honour.granted", "H", id="disk-first", subject=ENTITY)]
        assert await agency.send(session, first)

        async def look_up() -> tuple[int, bytes]:
            async with (
                asyncio.timeout(QUICKLY_S),
                session.get(f"{running.url}/v1/entities/{ENTITY}") as answer,
            ):
                if answer.status == 503:
                    assert answer.content_type == "application/problem+json"
                    assert int(answer.headers["Retry-After"]) >= 1
                return answer.status, await answer.read()

        status, profile = await look_up()
        assert status == 200

        # No room for rows: single events and batches are put off, and look-ups go on.
        fill(small_disk / "ballast")
        for n in range(1, 100):
            if not await agency.send(session, events(n * 100, 100)):
                break
        singles = [agency.send(session, [one]) for one in events(100_000, 20)]
        assert not any(await asyncio.gather(*singles))
        assert await agency.send(session, first), "what is recorded has its receipt even now"
        assert await look_up() == (200, profile)

        # Nor for the write-ahead log: PostgreSQL cannot run at all until there is, and that is said quickly.
        with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            async with running.database() as connection:
                while True:
                    await connection.execute(WRITE_AHEAD)
        assert (await look_up())[0] == 503
        assert not await agency.send(session, events(200_000, 1))

        (small_disk / "ballast").unlink()
        await running.ready()
        assert await look_up() == (200, profile)
        assert await agency.send_rest(session) == 0
        status, said = await running.command("fsck")
        assert status == 0, said
