"""What tests of erasing share: an old log in which records are over, and what erases them."""

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from creditsvc.ledger.accounts import SQL
from creditsvc.ledger.erasing import Erasing
from creditsvc.settings import Settings
from creditsvc.store.database import erase_pool
from tests.checking import Log, owner
from tests.making import OTHER_ENTITY, event, ledger
from tests.sequencing import sequencer
from tests.tampering import unguarded

THEN = datetime(2024, 6, 1, tzinfo=UTC)
IN_FORCE = datetime(2025, 12, 31, 16, tzinfo=UTC)  # of the rules of retention, at the entity's place
SOON = timedelta(0)
PATIENT = 3650
NEVER_PUBLIC = {"severity": "minor", "category": "警告", "entity_name": "旧名有限公司"}
OLD = event("penalty.imposed", "P1", decided_on="2015-03-01", **NEVER_PUBLIC)
REPAIRED = [
    event("penalty.imposed", "P2", severity="serious", decided_on="2024-05-01", entity_name="示例有限公司"),
    event("record.repaired", "P2", time="2024-05-20T00:00:00+08:00"),
]
KEPT = [
    event("penalty.imposed", "P3", severity="serious", decided_on="2024-05-02"),
    event("licence.granted", "L1"),
    event("licence.granted", "L2", subject=OTHER_ENTITY),
]
LATE = event("penalty.imposed", "P4", decided_on="2014-03-01", **NEVER_PUBLIC)


async def old_log(database, tmp_path, monkeypatch):
    """A log that began long ago, with two records that retired since and one that came too late."""
    async with sequencer(database, tmp_path) as one:
        async with owner(database) as connection, unguarded(connection):
            await connection.execute("update log_identity set began_at = $1", THEN - timedelta(days=1))
        with clock_at(THEN, monkeypatch):
            async with ledger(database) as (writer, _):
                outcomes = await writer.submit([OLD, *REPAIRED, *KEPT])
                assert {one.status for one in outcomes} == {"accepted"}
        async with ledger(database) as (writer, reader):
            await writer.submit([LATE])
            await reader.moments.at(OTHER_ENTITY, "shared", None)
        await one.drain()
        await one.sign()
    return Log(database, tmp_path)


@contextmanager
def clock_at(instant, monkeypatch):
    """Let the ledger take it that it is another instant."""
    with monkeypatch.context() as patched:
        now = f"timestamptz '{instant.isoformat()}' as now, false as behind"
        was = f"select {now}, q.released, q.began_at from ({SQL.now}) as q"  # noqa: S608
        patched.setitem(SQL._texts, "now", was)
        yield


async def erase(log, times=1, after=SOON):
    async with await erase_pool(log.dsn, Settings()) as pool:
        erasing = Erasing(pool, after=after)
        return [await erasing.sweep() for _ in range(times)]


async def resign(log):
    async with sequencer(log.dsn, log.data_dir) as one:
        await one.drain()
        await one.sign()


async def rows(log, query, *given):
    async with owner(log.dsn) as connection:
        return [tuple(row) for row in await connection.fetch(query, *given)]
