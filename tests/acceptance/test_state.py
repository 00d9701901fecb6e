"""The state of a whole service: its processes as they come and go, and counts that outlive them."""

import asyncio
import os
import re
import signal

import aiohttp
import orjson
from prometheus_client.parser import text_string_to_metric_families

from tests.making import SOURCE, raw
from tests.processes import BATCH, PATIENCE_S, Service, children, service
from tests.sequencing import entity


async def sampled(session: aiohttp.ClientSession, name: str, label: str) -> dict[str, float]:
    """The values of a metric by one of its labels."""
    async with session.get("/metrics") as answer:
        families = text_string_to_metric_families(await answer.text())
    return {
        sample.labels[label]: sample.value
        for family in families
        for sample in family.samples
        if sample.name == name
    }


async def processes(session: aiohttp.ClientSession, key: str) -> list[str]:
    """What the operator's page says of each process."""
    async with session.get("/operator", headers={"Authorization": f"Bearer {key}"}) as answer:
        assert answer.status == 200
        page = await answer.text()
    table = page.partition('id="processes"')[2].partition("</table>")[0]
    return re.findall(r'<th scope="row">([^<]+)</th>', table)


async def started(session: aiohttp.ClientSession, starts: dict[str, float]) -> None:
    """Wait until so many processes of each kind have said that they started."""
    async with asyncio.timeout(PATIENCE_S):
        while await sampled(session, "creditsvc_process_starts_total", "kind") != starts:  # noqa: ASYNC110  other processes
            await asyncio.sleep(0.1)


async def push(session: aiohttp.ClientSession, key: str, name: str) -> None:
    events = [raw("inspection.completed", f"{name}{n}", subject=entity(n % 10)) for n in range(300)]
    headers = {"Authorization": f"Bearer {key}", "Content-Type": BATCH}
    async with session.post("/v1/events", data=orjson.dumps(events), headers=headers) as answer:
        assert answer.status == 200


async def counted(running: Service, expected: int) -> None:
    """Wait until the statistics have come to so many, and see that they never have more."""
    async with running.database() as connection, asyncio.timeout(PATIENCE_S):
        while True:
            found = await connection.fetchval("select coalesce(sum(events), 0) from statistic")
            assert found <= expected
            if found == expected:
                return
            await asyncio.sleep(0.05)


async def test_processes_that_die_are_told_of_and_counts_outlive_them(tmp_path):
    async with service(tmp_path / "data") as running:
        agency = await running.key("agency", sources=[SOURCE])
        operator = await running.key("operator")
        async with aiohttp.ClientSession(running.url) as session:
            await started(session, {"worker": 2, "sequencer": 1})
            assert await processes(session, operator) == ["worker 0", "worker 1", "sequencer"]
            memory = await sampled(session, "creditsvc_process_resident_memory_bytes", "pid")
            assert min(memory.values()) > 2**20

            for round_ in range(3):
                await push(session, agency, f"R{round_}-")
                (sequencer,) = (
                    pid for pid, command in children(running.pid).items() if "creditsvc.sequencing" in command
                )
                await asyncio.sleep(0.3 * round_)  # somewhere in the middle of placing and counting
                os.kill(sequencer, signal.SIGKILL)
                await counted(running, 300 * (round_ + 1))
            await started(session, {"worker": 2, "sequencer": 4})

        os.kill(running.workers[0], signal.SIGKILL)
        await asyncio.sleep(0.1)
        await running.ready()
        async with aiohttp.ClientSession(running.url) as session:
            await started(session, {"worker": 3, "sequencer": 4})
            assert await processes(session, operator) == ["worker 0", "worker 1", "sequencer"]
        await counted(running, 900)
