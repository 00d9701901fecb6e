"""fsck and what was erased: what somebody does to it, does too early, or does not do in time, is named."""

import pytest

from tests.checking import found, owner
from tests.erasing import PATIENT, erase, old_log, rows
from tests.making import ENTITY, SOURCE
from tests.tampering import unguarded

INSERT = """insert into erasure select entity_id, kind, 99, record, source, commitment, name, status, public,
    touched_public, retired_from from erasure where kind = 'event' limit 1"""


@pytest.fixture
async def log(database, tmp_path, monkeypatch):
    return await old_log(database, tmp_path, monkeypatch)


TAMPERING = {
    "another commitment": (
        "update erasure set commitment = sha256('') where sequence = 1 and kind = 'event'",
        "event 1 (position {}): its leaf hash is not that of the commitment",
    ),
    "another commitment of a notice": (
        "update erasure set commitment = sha256('') where kind = 'notice'",
        "notice 2 (position {}): its leaf hash is not that of the commitment",
    ),
    "a removed row": (
        "delete from erasure where sequence = 1 and kind = 'event'",
        "event 1 (position {}): its content is gone, and nothing says that it was erased",
    ),
    "another name": (
        "update erasure set name = 'x' where sequence = 1",
        ": the names in the search index are not",
    ),
    "another flag": (
        "update event set touches_public = not touches_public where sequence = 1",
        "event 1 (position {}): its flags are not",
    ),
    "another time": (
        "update record set retired_from = retired_from + interval '1 day' where record = 'P1'",
        "event 1 (position {}): was erased for another time than its record",
    ),
    "a record that is not erased": (
        "update record set erased = false where record = 'P1'",
        "event 1 (position {}): was erased, and its record was not",
    ),
    "a content that is back": (
        "update event set content = '', salt = substr(sha256(''), 1, 16) where sequence = 1",
        "event 1 (position {}): was erased, and its content is still there",
    ),
    "a hash that is back": (
        "update event_identity set content_sha256 = sha256('') where sequence = 1",
        "event 1 (position {}): its identity is missing",
    ),
    "something still shown": (
        "update record set public = true where record = 'P1'",
        ": record P1: was erased, and something of it is still shown",
    ),
    "a row of nothing": (
        INSERT,
        "event 99: was erased, and is not stored",
    ),
}


@pytest.mark.parametrize("what", TAMPERING)
async def test_what_somebody_does_to_it_is_found(log, what):
    statement, expected = TAMPERING[what]
    await erase(log)
    kind, number = (expected.split()[0], int(expected.split()[1])) if "{}" in expected else ("event", 1)
    query = "select position from log_entry where entity_id = $1 and kind = $2 and sequence = $3"
    at = (await rows(log, query, ENTITY, kind, number))[0][0]
    async with owner(log.dsn) as connection, unguarded(connection):
        await connection.execute("alter table erasure disable trigger user")
        await connection.execute(statement)
        await connection.execute("alter table erasure enable trigger user")
    faults = await found(log)
    name = ENTITY if expected.startswith(":") else f"{ENTITY} "
    assert any(fault.startswith(name + expected.format(at)) for fault in faults), faults


async def test_what_is_erased_before_its_time_is_found(log):
    """As its owner does it: the record's row says that its time is over, and the rest follows the rules."""
    async with owner(log.dsn) as connection:
        function = await connection.fetchval("select pg_get_functiondef('erase_record'::regproc)")
        assert function.count("n.type = 'credit.record.retired'") == 1
        await connection.execute(function.replace("n.type = 'credit.record.retired'", "true"))
        await connection.execute(
            "update record set retired_from = now() - interval '1 day', next_change = null, standing = false,"
            " public = false, objected = false, listing = false, class = null, since = null, code = null,"
            " code_group = null, points = 0, amounts = null, points_until = null, begins = false"
            " where record = 'P3'"
        )
        call = "select erase_record($1, 'P3', $2, '{4}', '{null}', '{null}', '{true}', null)"
        assert await connection.fetchval(call, ENTITY, SOURCE) > 0
    faults = await found(log)
    assert f"{ENTITY}: record P3: was erased, and no notice says that its time was over" in faults


async def test_what_should_have_been_erased_long_ago_is_found(log):
    late = [fault for fault in await found(log, erase_after_days=0) if "has not been erased" in fault]
    assert late == [
        f"{ENTITY}: record {record}: has not been erased, and its time was over on 2025-12-31"
        for record in ("P1", "P2")
    ]
    assert await found(log, erase_after_days=PATIENT) == []
