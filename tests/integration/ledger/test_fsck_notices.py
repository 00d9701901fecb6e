"""fsck and notices: each is what time alone changed, stands in the log, and none is missing."""

from datetime import UTC, datetime, timedelta

import pytest

from creditsvc.ledger.accounts import SQL
from tests.checking import Log, back_dating_clock, found, owner, position
from tests.making import ENTITY, event, ledger
from tests.sequencing import sequencer
from tests.tampering import unguarded

ONE, OTHER = "usdot:100001", "usdot:100002"


ALTERED = "it was altered since it was placed"


@pytest.fixture
async def noticed(database, tmp_path, monkeypatch):
    """A log with notices: of a penalty recorded 400 days ago, when the log had begun."""
    async with sequencer(database, tmp_path) as one:
        async with owner(database) as connection, unguarded(connection):
            await connection.execute("update log_identity set began_at = began_at - interval '500 days'")
        with monkeypatch.context() as patched:
            patched.setitem(SQL._texts, "now", back_dating_clock(400 * 24))
            async with ledger(database) as (writer, _):
                decided = datetime.now(UTC).date() - timedelta(days=755)
                one_of_then = event(
                    "penalty.imposed",
                    "P1",
                    severity="general",
                    decided_on=decided.isoformat(),
                    time=f"{decided.isoformat()}T00:00:00+08:00",
                )
                await writer.submit([one_of_then])
        async with ledger(database) as (_, reader):
            await reader.moments.at(ENTITY, "shared", None)
        await one.drain()
        await one.sign()
    return Log(database, tmp_path)


async def test_notices_are_checked_too(noticed):
    assert await found(noticed) == []
    async with owner(noticed.dsn) as connection:
        last = await connection.fetchval("select max(number) from notice")
        assert last >= 1
        at = await position(connection, (ENTITY, last), "notice")
        name = f"{ENTITY} notice {last} (position {at})"
        kept = await connection.fetchrow("select * from notice where number = $1", last)
        async with unguarded(connection):
            await connection.execute("update notice set due = due + interval '1 day' where number = $1", last)
        faults = await found(noticed)
        assert f"{name}: is not what time alone changed" in faults
        assert any(fault.startswith(f"{name}: {ALTERED}") for fault in faults)
        async with unguarded(connection):
            await connection.execute("delete from notice where number = $1", last)
        faults = await found(noticed)
        assert any(fault.startswith(f"{name}: is missing: credit.") for fault in faults), faults
        assert f"{name}: its row is missing: it was removed" in faults
        async with unguarded(connection):
            insert = "insert into notice values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
            more = dict(kept) | {"number": last + 1, "due": kept["due"] + timedelta(1)}
            await connection.execute(insert, *kept.values())
            await connection.execute(insert, *more.values())
    faults = await found(noticed)
    assert f"{ENTITY} notice {last + 1}: time alone did not change this" in faults
    assert f"{ENTITY} notice {last + 1}: has no position in the log, nor does it wait for one" in faults
