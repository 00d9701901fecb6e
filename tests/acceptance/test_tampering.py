"""What an operator alters in the database of a running service, `creditsvc fsck` names, entry by entry."""

import aiohttp
import pytest

from creditsvc.settings import Settings
from creditsvc.store import embedded
from tests.making import OTHER_SOURCE, raw
from tests.processes import Agency, service
from tests.sequencing import settled
from tests.tampering import back_date, flip, recorded_at, remove, swap

ENTITIES = [f"usdot:{2_000_000 + number}" for number in range(30)]


@pytest.fixture
async def running(tmp_path):
    """A service with a log of some hundred entries, all signed for."""
    async with (
        service(tmp_path / "var", workers=1, log_interval_s=0.2) as one,
        aiohttp.ClientSession() as session,
    ):
        agency = Agency(one.url, await one.key("agency", sources=[OTHER_SOURCE]), tmp_path / "receipts")
        for turn in range(5):
            events = [
                raw("inspection.completed", f"I{turn}", subject=entity, source=OTHER_SOURCE)
                for entity in ENTITIES
            ]
            for start in range(0, len(events), 10):
                assert await agency.send(session, events[start : start + 10])
        async with embedded.server(Settings(data_dir=one.data_dir), own=False) as dsn:
            assert await settled(dsn) == 150
        yield one


async def position(connection, place):
    return await connection.fetchval(
        "select position from log_entry where kind = 'event' and entity_id = $1 and sequence = $2", *place
    )


async def test_fsck_names_what_was_altered_beside_a_running_service(running):
    status, said = await running.command("fsck")
    assert status == 0, said
    assert "clean, 30 organisations, 150 entries and " in said
    flipped, removed, here, there = [(entity, 3) for entity in ENTITIES[:4]]
    forged_like = (ENTITIES[4], 1)
    async with running.database() as connection:
        altered = {place: await position(connection, place) for place in (flipped, removed, here, there)}
        await flip(connection, flipped)
        await remove(connection, removed)
        await swap(connection, here, there)
        forged = await back_date(connection, forged_like, queued=True)
        assert await recorded_at(connection, forged) < await recorded_at(connection, forged_like)
    status, said = await running.command("fsck")
    lines = said.splitlines()
    assert status == 1, said
    for (entity, sequence), at in altered.items():
        assert any(line.startswith(f"{entity} event {sequence} (position {at}): ") for line in lines), said
    entity, sequence = removed
    assert f"{entity} event {sequence} (position {altered[removed]}): is missing" in lines
    entity, sequence = forged
    refused = f"{entity} event {sequence}: the log refuses it: it is back-dated, to "
    assert any(line.startswith(refused) for line in lines), said
    innocent = ENTITIES[5:]
    assert not any(entity in said for entity in innocent), said
    assert "checkpoint of size" not in said, "what was signed is as it was"
