"""fsck names what somebody altered behind the service's back, and finds nothing where nobody did."""

import asyncpg
import pytest

from creditsvc.ledger.fsck import check
from tests.making import ENTITY, OTHER_ENTITY, event, ledger


async def fill(dsn):
    async with ledger(dsn) as (writer, _):
        for batch in (
            [event("penalty.imposed", f"P{n}", severity="serious", entity_name="示例公司") for n in range(4)],
            [
                event("licence.granted", "L1", subject=OTHER_ENTITY),
                event("registration.changed", None, entity_name="改名公司"),
            ],
            [
                event("record.corrected", "P1", reason="更正", changes={"severity": "minor"}),
                event("record.revoked", "P2", reason="撤销"),
            ],
            [event("record.corrected", "P9", reason="早到", changes={"title": "x"})],
        ):
            await writer.submit(batch)


async def faults(dsn):
    done = []
    found = await check(dsn, progress=lambda n, total: done.append((n, total)))
    assert done[-1] == (2, 2)
    return found


async def test_an_untouched_database_is_clean(database):
    await fill(database)
    assert await faults(database) == []


TAMPERING = {
    "a flipped byte": (
        "update event set content = set_byte(content, 5, get_byte(content, 5) # 1) where sequence = 2",
        f"{ENTITY} event 2: its leaf hash",
    ),
    "other content": (
        """update event
           set content = convert_to(replace(convert_from(content, 'UTF8'), '"serious"', '"minor"'), 'UTF8')
           where sequence = 1""",
        f"{ENTITY} event 1: its leaf hash",
    ),
    "a back-dated event": (
        "update event set recorded_at = recorded_at - interval '1 year' where sequence = 3 ",
        f"{ENTITY} event 3: recorded no later",
    ),
    "a removed last event": (
        "delete from event where entity_id like 'siren%'",
        f"{OTHER_ENTITY} event 1: is missing",
    ),
    "a removed middle event": (
        "delete from event where sequence = 2",
        f"{ENTITY} event 2: is missing",
    ),
    "two swapped": (
        """update event set sequence = sequence + 1000 where entity_id like 'uscc%' and sequence in (1, 2);
           update event set sequence = 1003 - sequence where sequence > 1000""",
        f"{ENTITY} event 1: its leaf hash",
    ),
    "an edited record": (
        "update record set points = 0, code = null where record = 'P0'",
        f"{ENTITY}: record P0",
    ),
    "a removed record": ("delete from record where record = 'P0'", f"{ENTITY}: record P0: is missing"),
    "a made-up record": (
        """insert into record
           select entity_id, 'X', source, class, sequences, standing, public, objected, listing, since, code,
                  code_group, points, amounts, points_until, next_change
           from record where record = 'P0'""",
        f"{ENTITY}: record X",
    ),
    "an edited profile": (
        "update entity set public_profile = public_profile || ' ' where entity_id like 'uscc%'",
        f"{ENTITY}: its public_profile",
    ),
    "a profile that tells those who may see more no more than all": (
        "update entity set shared_profile = null where shared_profile is not null",
        f"{ENTITY}: its shared_profile",
    ),
    "a removed identity": (
        "delete from event_identity where sequence = 2",
        f"{ENTITY} event 2: its identity",
    ),
    "a hidden name": (
        "update entity_name set name = '好公司' where until is null",
        "the names in the search index",
    ),
    "a removed entity": (
        "delete from entity where entity_id like 'uscc%'",
        f"{ENTITY} event 1: belongs to no history",
    ),
    "an event kept from the log": (
        "delete from log_pending where sequence = 4",
        f"{ENTITY} event 4: has no position in the log, nor",
    ),
}


@pytest.mark.parametrize("what", TAMPERING)
async def test_tampering_is_named(database, what):
    statement, named = TAMPERING[what]
    await fill(database)
    connection = await asyncpg.connect(database, server_settings={"search_path": "creditsvc"})
    for table in ("event", "event_identity"):
        await connection.execute(f"alter table {table} disable trigger user")
    await connection.execute(statement)
    await connection.close()
    found = await check(database, progress=lambda *_: None)
    assert any(named in fault for fault in found), found
