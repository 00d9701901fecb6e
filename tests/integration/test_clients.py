"""Keys and agencies in the database."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from creditsvc.errors import IdentifierInvalid, NaturalPerson, NotFound
from creditsvc.store import clients
from creditsvc.store.clients import KeyRefused
from creditsvc.store.database import Connection, connect

SOURCE = "urn:agency:cn-tj-samr"
PAST = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
async def connection(database: str) -> AsyncIterator[Connection]:
    opened = await connect(database)
    yield opened
    await opened.close()


async def made(connection, key):
    found = await clients.key_by_id(connection, key.partition(".")[0])
    assert found is not None
    return found


async def test_key_is_bound_and_only_its_digest_is_stored(connection):
    key = await clients.create_key(connection, "agency", sources=[SOURCE, "urn:agency:b"])
    key_id, _, secret = key.partition(".")
    found = await made(connection, key)
    assert (found.key_id, found.role, found.entity) == (key_id, "agency", None)
    assert found.sources == {SOURCE, "urn:agency:b"}
    assert found.secret_sha256 == hashlib.sha256(secret.encode()).digest()
    assert found.has_secret(secret)
    assert not found.has_secret(secret + "x")
    assert len(secret) * 6 >= 128
    kept = await connection.fetch("select to_jsonb(k) #>> '{}' as row from api_key k")
    assert not any(secret in row["row"] for row in kept)


async def test_unknown_source_becomes_an_agency_under_its_urn_until_named(connection):
    await clients.create_key(connection, "agency", sources=[SOURCE])
    await clients.name_agency(connection, SOURCE, "天津市市场监督管理委员会")
    await clients.create_key(connection, "agency", sources=[SOURCE])
    (agency,) = await clients.list_agencies(connection)
    assert (agency.source, agency.name, agency.live_keys) == (SOURCE, "天津市市场监督管理委员会", 2)


async def test_entity_key_is_bound_to_the_canonical_identifier(connection):
    key = await clients.create_key(connection, "entity", entity="SIRET:521 818 146 00016")
    found = await made(connection, key)
    assert (found.entity, found.client_id) == ("siren:521818146", "entity:siren:521818146")


async def test_a_purpose_is_the_clients_until_another_is_given(connection):
    first = await clients.create_key(connection, "partner", client_id="First Bank")
    assert (await made(connection, first)).purpose is None
    await clients.revoke_key(connection, first.partition(".")[0])
    second = await clients.create_key(connection, "partner", client_id="First Bank", purpose="loan-review")
    await clients.revoke_key(connection, second.partition(".")[0])
    third = await clients.create_key(connection, "partner", client_id="First Bank")
    assert {(await made(connection, key)).purpose for key in (first, second, third)} == {"loan-review"}
    assert {listed.key.purpose for listed in await clients.list_keys(connection)} == {"loan-review"}


async def test_third_live_key_is_refused_until_one_is_revoked_or_expired(connection):
    first = await clients.create_key(connection, "partner", client_id="First Bank")
    await clients.create_key(connection, "partner", client_id="First Bank", expires_at=PAST)
    await clients.create_key(connection, "partner", client_id="First Bank")
    with pytest.raises(KeyRefused, match=first.partition(".")[0]):
        await clients.create_key(connection, "partner", client_id="First Bank")
    await clients.create_key(connection, "partner", client_id="Second Bank")
    await clients.revoke_key(connection, first.partition(".")[0])
    await clients.create_key(connection, "partner", client_id="First Bank")


async def test_makers_that_race_leave_two_live_keys(database):
    opened = [await connect(database) for _ in range(8)]
    try:
        made = await asyncio.gather(
            *(clients.create_key(one, "auditor") for one in opened), return_exceptions=True
        )
        listed = await clients.list_keys(opened[0])
    finally:
        for one in opened:
            await one.close()
    assert sum(isinstance(key, str) for key in made) == 2
    assert sum(isinstance(key, KeyRefused) for key in made) == 6
    assert [one.live for one in listed] == [True, True]


async def test_race_would_be_lost_without_the_lock(database):
    """Proves that the test above tests something: counting without the lock lets more through."""
    opened = [await connect(database) for _ in range(3)]
    try:
        await clients.create_key(opened[0], "auditor")
        transactions = [one.transaction() for one in opened]
        for transaction in transactions:
            await transaction.start()
        counts = [await one.fetch(clients._SQL["live_keys"], "auditor") for one in opened]
        for number, one in enumerate(opened):
            await one.execute(clients._SQL["add_key"], f"k{number}", "auditor", bytes(32), None)
        for transaction in transactions:
            await transaction.commit()
        assert [len(rows) for rows in counts] == [1, 1, 1]
        assert len(await opened[0].fetch(clients._SQL["live_keys"], "auditor")) == 4
    finally:
        for one in opened:
            await one.close()


async def test_revocation_is_for_good_and_keeps_its_time(connection):
    key = await clients.create_key(connection, "operator")
    await clients.revoke_key(connection, key.partition(".")[0])
    revoked = (await made(connection, key)).revoked_at
    await clients.revoke_key(connection, key.partition(".")[0])
    assert revoked is not None
    assert (await made(connection, key)).revoked_at == revoked
    with pytest.raises(NotFound):
        await clients.revoke_key(connection, "nobody")
    assert await clients.key_by_id(connection, "nobody") is None


async def test_expiry_counts_from_the_clock_of_the_database(connection):
    now = await connection.fetchval("select clock_timestamp()")
    assert abs(await clients.expiry(connection, 7) - now - timedelta(days=7)) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("role", "bound", "told"),
    [
        ("agency", {}, "needs the source"),
        ("partner", {"sources": [SOURCE]}, "only an agency"),
        ("entity", {}, "needs the organisation"),
        ("auditor", {"entity": "siren:552081317"}, "only an entity"),
        ("agency", {"sources": ["http://example.org"]}, "URN"),
        ("agency", {"sources": ["urn:agency:" + "x" * 300]}, "URN"),
        ("agency", {"sources": [SOURCE + "\n"]}, "URN"),
        ("partner", {"client_id": " "}, "printable"),
        ("partner", {"client_id": "a\x1bb"}, "printable"),
        ("king", {}, "role"),
    ],
)
async def test_binding_that_makes_no_sense_is_refused(connection, role, bound, told):
    with pytest.raises(KeyRefused, match=told):
        await clients.create_key(connection, role, **bound)
    assert await clients.list_keys(connection) == []
    assert await clients.list_agencies(connection) == []


async def test_client_is_never_bound_anew(connection):
    await clients.create_key(connection, "partner", client_id="x")
    with pytest.raises(KeyRefused, match="another role"):
        await clients.create_key(connection, "auditor", client_id="x")


async def test_entity_that_can_be_none_is_refused_without_repeating_it(connection):
    with pytest.raises(IdentifierInvalid) as wrong:
        await clients.create_key(connection, "entity", entity="siren:552081318")
    assert "552081318" not in str(wrong.value)
    with pytest.raises((IdentifierInvalid, NaturalPerson)) as person:
        await clients.create_key(connection, "entity", entity="uscc:92350100MA2XXXXX1R")
    assert "92350100" not in str(person.value)
