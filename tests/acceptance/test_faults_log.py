"""Sequencers killed at random under real requests: the log comes out whole, never two roots for a size."""

import asyncio
import os
import random
import signal
import sys
import time
from itertools import count

import aiohttp

from creditsvc.service import METRICS_DIRECTORY
from creditsvc.settings import Settings
from creditsvc.store import embedded
from creditsvc.verifier.log import open_checkpoint
from creditsvc.verifier.notes import VerifierKey
from tests.chance import CAMPAIGN, SEED
from tests.making import SOURCE, raw
from tests.processes import PATIENCE_S, Agency, children, service
from tests.sequencing import check_log

SECONDS = 60 if CAMPAIGN else 8
KILLS_MIN, CHECKPOINTS_MIN = 2, 5  # less than that shows nothing: then it goes on for longer
UNSETTLED = """
select exists (select from log_pending)
    or (select size from log_state) <> (select max(size) from log_checkpoint)
"""
_numbers = count(1)


def events(chance):
    return [
        raw("inspection.completed", f"{SEED}-{n}", subject=f"usdot:{chance.randint(1, 40)}", id=f"{SEED}-{n}")
        for n in (next(_numbers) for _ in range(chance.choice([1, 5, 60])))
    ]


class Run:
    """What has happened so far; it goes on for its time, and until enough has happened to show anything."""

    def __init__(self):
        self.kills = 0
        self.checkpoints = {}  # their roots, by size
        self._least, self._most = time.monotonic() + SECONDS, time.monotonic() + SECONDS + PATIENCE_S

    @property
    def goes_on(self):
        wanting = self.kills < KILLS_MIN or len(self.checkpoints) < CHECKPOINTS_MIN
        return time.monotonic() < (self._most if wanting else self._least)


async def push(run, agency, chance):
    async with aiohttp.ClientSession() as session:
        while run.goes_on:
            group = events(chance)
            while not await agency.send(session, group):  # noqa: ASYNC110  it is the service that we wait for
                await asyncio.sleep(0.1)
            await asyncio.sleep(0.02)


async def sequence(run, running, dsn, metrics, chance):
    """Start a sequencer beside the service's own and kill it wherever it is, again and again."""
    metrics.mkdir()
    given = {"CREDITSVC_DATABASE_URL": dsn, METRICS_DIRECTORY: str(metrics)}
    while run.goes_on:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "creditsvc.sequencing"),
            env=running.environment | given,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            if await process.stdout.readline() != b"ready\n":  # its connection was cut while it started
                assert await process.wait() == os.EX_TEMPFAIL
                continue
            await asyncio.sleep(chance.uniform(0.0, 0.6))
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
        run.kills += 1


async def cut(run, running, chance):
    """Kill the service's own sequencer once, and the connections of any now and then."""
    await asyncio.sleep(chance.uniform(0.5, 2))
    (own,) = (pid for pid, command in children(running.pid).items() if "creditsvc.sequencing" in command)
    os.kill(own, signal.SIGKILL)
    async with running.database() as connection:
        while run.goes_on:
            await asyncio.sleep(chance.uniform(0.5, 2))
            await connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where application_name = 'creditsvc sequence'"
            )


async def follow(run, running):
    """Fetch checkpoints all the while: every one must be signed, and they only grow."""
    seen = run.checkpoints
    async with aiohttp.ClientSession(running.url) as session:
        async with session.get("/.well-known/creditsvc-log.json") as answer:
            key = VerifierKey.parse((await answer.json())["verifier_key"])
        while run.goes_on:
            note = await newest(session, seen)
            if note is not None:
                checkpoint = open_checkpoint(note, key)
                assert seen.setdefault(checkpoint.size, checkpoint.root) == checkpoint.root
                assert checkpoint.size >= max(seen)
            await asyncio.sleep(0.05)


async def newest(session, seen):
    """The newest checkpoint. None while that is the honest answer: before the first, or "not now"."""
    async with session.get("/v1/log/checkpoint") as answer:
        said = await answer.text()
    if answer.status == 200:
        return said
    assert answer.status in ({503} if seen else {404, 503}), said
    assert answer.content_type == "application/problem+json"
    assert int(answer.headers["Retry-After"]) >= 1
    return None


async def test_killed_at_random_the_log_comes_out_whole(tmp_path):
    """Three sequencers on one database, none of which lives long."""
    chance = random.Random(SEED)
    settings = Settings(data_dir=tmp_path / "var")
    async with (
        service(settings.data_dir, workers=1, log_interval_s=0.1) as running,
        embedded.server(settings, own=False) as dsn,
    ):
        agency = Agency(running.url, await running.key("agency", sources=[SOURCE]), tmp_path / "receipts")
        run = Run()
        await asyncio.gather(
            *(push(run, agency, chance) for _ in range(2)),
            follow(run, running),
            cut(run, running, chance),
            *(sequence(run, running, dsn, tmp_path / f"m{n}", chance) for n in range(2)),
        )
        assert run.kills >= KILLS_MIN
        assert len(run.checkpoints) >= CHECKPOINTS_MIN
        async with running.database() as connection:
            async with asyncio.timeout(PATIENCE_S):
                while await connection.fetchval(UNSETTLED):  # noqa: ASYNC110  it is another process that works
                    await asyncio.sleep(0.1)
            assert await check_log(connection) == len(agency.receipts())
        assert (await running.command("fsck"))[0] == 0
