"""Append: sequences, identity, neighbours, records and profiles, on a real server."""

import asyncio

import asyncpg
import orjson
import pytest

from creditsvc.errors import EventConflict, EventInvalid, Forbidden, RecordExists
from creditsvc.ledger.fsck import check
from creditsvc.ledger.receipts import Receipt
from tests.gates import gate
from tests.making import ENTITY, OTHER_ENTITY, OTHER_SOURCE, SOURCE, event, ledger
from tests.processes import PATIENCE_S


def accepted(outcomes):
    assert all(isinstance(one, Receipt) for one in outcomes), outcomes
    return list(outcomes)


async def shared(reader, entity=ENTITY, as_of=None):
    return orjson.loads((await reader.moments.at(entity, "shared", as_of)).profile)


async def test_sequences_are_gap_free_and_times_rise(database):
    async with ledger(database) as (writer, _):
        first = accepted(await writer.submit([event("licence.granted", f"L{n}") for n in range(5)]))
        second = accepted(await writer.submit([event("honour.granted", f"H{n}") for n in range(5)]))
    receipts = first + second
    assert [receipt.sequence for receipt in receipts] == list(range(1, 11))
    times = [receipt.recorded_at for receipt in receipts]
    assert times == sorted(set(times))


async def test_requests_in_flight_share_a_transaction_and_keep_their_own_outcomes(database):
    async with ledger(database) as (writer, _):
        outcomes = await asyncio.gather(
            *(writer.submit([event("licence.granted", f"L{n}", subject=OTHER_ENTITY)]) for n in range(50))
        )
    receipts = [accepted(one)[0] for one in outcomes]
    assert sorted(receipt.sequence for receipt in receipts) == list(range(1, 51))
    connection = await asyncpg.connect(database, server_settings={"search_path": "creditsvc"})
    transactions = await connection.fetchval("select count(distinct xmin::text) from event")
    await connection.close()
    assert transactions < 25


async def test_same_event_again_gets_the_original_receipt(database):
    one = event("penalty.imposed", "P1")
    async with ledger(database) as (writer, _):
        (first,) = await writer.submit([one])
        (again,) = await writer.submit([one])
        in_one_group = await writer.submit([event("penalty.imposed", "P2", id="twice"), one])
        twin = event("penalty.imposed", "P3", id="twin")
        twins = await writer.submit([twin, twin])
    assert first.status == "accepted"
    for receipt in (again, in_one_group[1]):
        assert receipt.status == "duplicate"
        assert (receipt.sequence, receipt.recorded_at, receipt.leaf_hash) == (
            first.sequence,
            first.recorded_at,
            first.leaf_hash,
        )
    assert [receipt.status for receipt in twins] == ["accepted", "duplicate"]
    assert twins[0].leaf_hash == twins[1].leaf_hash


async def test_same_identity_with_other_content_or_subject_is_a_conflict(database):
    async with ledger(database) as (writer, reader):
        accepted(await writer.submit([event("licence.granted", "L1", id="x")]))
        other_content, other_subject, fine = await writer.submit(
            [
                event("licence.granted", "L2", id="x"),
                event("licence.granted", "L1", id="x", subject=OTHER_ENTITY),
                event("licence.granted", "L3", id="y"),
            ]
        )
        assert isinstance(other_content, EventConflict)
        assert isinstance(other_subject, EventConflict)
        assert fine.sequence == 2
        assert await reader.moments.find(OTHER_ENTITY, "shared", None) is None


async def test_one_identity_claimed_for_two_subjects_at_once_is_given_to_one(database):
    async with ledger(database) as (writer, _), ledger(database) as (second, _):
        for n in range(20):
            outcomes = await asyncio.gather(
                writer.submit([event("licence.granted", f"L{n}", id=f"race{n}")]),
                second.submit([event("licence.granted", f"L{n}", id=f"race{n}", subject=OTHER_ENTITY)]),
            )
            kinds = sorted(type(one[0]).__name__ for one in outcomes)
            assert kinds == ["EventConflict", "Receipt"]
    connection = await asyncpg.connect(database, server_settings={"search_path": "creditsvc"})
    gaps = await connection.fetch(
        "select entity_id from event group by entity_id having count(*) <> max(sequence)"
    )
    await connection.close()
    assert not gaps


async def test_a_second_opening_of_a_record_is_refused_and_its_neighbours_stand(database):
    async with ledger(database) as (writer, reader):
        one, two, three = await writer.submit(
            [
                event("penalty.imposed", "P1", severity="general"),
                event("penalty.imposed", "P1", severity="minor"),
                event("penalty.imposed", "P2", severity="general"),
            ]
        )
        assert (one.sequence, three.sequence) == (1, 2)
        assert isinstance(two, RecordExists)
        assert (await shared(reader))["standing"]["penalty"] == 2


async def test_correction_revocation_and_repair_of_own_records(database):
    async with ledger(database) as (writer, reader):
        accepted(
            await writer.submit(
                [
                    event("penalty.imposed", "P1", severity="general", decided_on="2026-03-01"),
                    event("penalty.imposed", "P2", severity="general", decided_on="2026-03-01"),
                    event("penalty.imposed", "P3", severity="general", decided_on="2026-03-01"),
                ]
            )
        )
        assert (await shared(reader))["score"]["value"] == 480
        accepted(
            await writer.submit(
                [
                    event("record.corrected", "P1", reason="录入错误", changes={"severity": "minor"}),
                    event("record.revoked", "P2", reason="复议撤销"),
                    event("record.repaired", "P3"),
                ]
            )
        )
        profile = await shared(reader)
        assert profile["standing"]["penalty"] == 1
        assert profile["score"]["value"] == 592
        assert [factor["record"] for factor in profile["score"]["factors"]] == ["P1"]
        # A minor penalty is not public: the public has nothing left to see.
        assert (await reader.moments.find(ENTITY, "public", None)).profile is None


@pytest.mark.parametrize(
    "kind", ["record.corrected", "record.revoked", "record.repaired", "honour.withdrawn"]
)
async def test_another_agencys_record_is_refused_and_nothing_is_told(database, kind):
    extra = {"changes": {"title": "x"}} if kind == "record.corrected" else {}
    async with ledger(database) as (writer, _):
        accepted(await writer.submit([event("honour.granted", "H1", title="保密的标题")]))
        (refused,) = await writer.submit([event(kind, "H1", source=OTHER_SOURCE, **extra)])
        assert isinstance(refused, Forbidden)
        told = refused.detail + "".join(one.detail + one.pointer for one in refused.violations)
        assert "保密" not in told
        assert "cn-tj-samr" not in told


async def test_an_amendment_waits_for_its_record_and_reaches_nobody_before(database):
    async with ledger(database) as (writer, reader):
        accepted(
            await writer.submit(
                [event("record.corrected", "P1", reason="更正", changes={"severity": "serious"})]
            )
        )
        assert (await shared(reader))["standing"]["penalty"] == 0
        accepted(
            await writer.submit([event("penalty.imposed", "P1", severity="general", decided_on="2026-03-01")])
        )
        assert (await shared(reader))["score"]["factors"][0]["code"] == "penalty-serious"


async def test_what_does_not_fit_its_record_is_refused(database):
    async with ledger(database) as (writer, _):
        accepted(
            await writer.submit(
                [event("penalty.imposed", "P1"), event("registration.changed", None, entity_name="甲公司")]
            )
        )
        outcomes = await writer.submit(
            [
                event("licence.ended", "P1"),
                event("record.corrected", "P1", reason="r", changes={"level": "AAA"}),
                event("record.corrected", "registration", reason="r", changes={"entity_name": "乙公司"}),
            ]
        )
    assert all(isinstance(one, EventInvalid) for one in outcomes), outcomes


async def test_the_greatest_registration_names_the_entity_whatever_arrives_first(database):
    async with ledger(database) as (writer, reader):
        accepted(
            await writer.submit(
                [
                    event(
                        "registration.changed",
                        None,
                        entity_name="新名公司",
                        status="active",
                        time="2026-02-01T00:00:00Z",
                    ),
                    event(
                        "registration.changed",
                        None,
                        entity_name="旧名公司",
                        status="dissolved",
                        time="2025-02-01T00:00:00Z",
                    ),
                    event("licence.granted", "L1", entity_name="别名", time="2026-03-01T00:00:00Z"),
                ]
            )
        )
        profile = await shared(reader)
        assert (profile["name"], profile["status"]) == ("新名公司", "active")


async def test_refused_events_leave_nothing(database):
    async with ledger(database) as (writer, reader):
        await writer.submit([event("licence.granted", "L1", id="a")])
        (conflict,) = await writer.submit([event("licence.granted", "L9", id="a", subject=OTHER_ENTITY)])
        assert isinstance(conflict, EventConflict)
        assert await reader.moments.find(OTHER_ENTITY, "shared", None) is None
        assert await reader.moments.find(OTHER_ENTITY, "public", None) is None


async def test_grouping_makes_no_difference_to_whose_record_it_is(database):
    async with ledger(database) as (writer, _):
        opened, refused = await writer.submit(
            [event("honour.granted", "H1"), event("record.revoked", "H1", source=OTHER_SOURCE, reason="x")]
        )
        assert opened.sequence == 1
        assert isinstance(refused, Forbidden)


async def test_an_organisation_that_two_open_at_once_is_opened_once(database):
    async with ledger(database) as (writer, _), ledger(database) as (second, _):
        for n in range(20):
            subject = f"gb-coh:{40_000_000 + n}"
            outcomes = await asyncio.gather(
                *(
                    one.submit([event("licence.granted", f"L{place}", subject=subject, id=f"{n}-{place}")])
                    for place, one in enumerate((writer, second))
                )
            )
            assert sorted(receipt.sequence for (receipt,) in outcomes) == [1, 2]
    connection = await asyncpg.connect(database, server_settings={"search_path": "creditsvc"})
    versions = await connection.fetch("select version from entity")
    await connection.close()
    assert [row["version"] for row in versions] == [2] * 20


async def test_a_long_history_shows_what_its_fold_does(database):
    kinds = ("penalty.imposed", "abnormal.listed", "honour.granted", "inspection.completed")
    days = [f"2026-{1 + n % 3:02}-{1 + n % 28:02}" for n in range(60)]
    events = [
        event(kinds[n % 4], f"R{n % 50:02}", source=source, id=f"{source}-{n}", time=f"{days[n]}T00:00:00Z")
        for n in range(60)
        for source in ((SOURCE, OTHER_SOURCE) if n % 7 == 0 else (SOURCE,))
    ]
    withdrawn = [event("record.revoked", f"R{n:02}", reason="撤销") for n in (0, 1, 4, 12, 13, 20, 48)]
    async with ledger(database) as (writer, reader):
        for start in range(0, len(events), 3):
            await writer.submit(events[start : start + 3])
            assert await check(database, progress=lambda *_: None) == []
        for start in range(0, len(withdrawn), 2):
            accepted(await writer.submit(withdrawn[start : start + 2]))
            assert await check(database, progress=lambda *_: None) == []
        profile = await shared(reader)
    assert len(profile["score"]["factors"]) == 4
    assert len(profile["listings"]) == 10


async def test_events_behind_a_transaction_that_is_held_up_share_the_next_and_do_not_wait(
    database,
):
    connection = await asyncpg.connect(database, server_settings={"search_path": "creditsvc"})
    async with ledger(database) as (writer, _):
        accepted(await writer.submit([event("licence.granted", "L0")]))
        async with gate(connection, ENTITY) as held:
            held_up = asyncio.create_task(writer.submit([event("licence.granted", "L1")]))
            await held.reached(held_up.done)
            others = [
                writer.submit([event("licence.granted", f"L{n}", subject=OTHER_ENTITY)]) for n in range(30)
            ]
            done = await asyncio.wait_for(asyncio.gather(*others), PATIENCE_S / 2)
            assert not held_up.done()
        accepted(await held_up)
    assert sorted(accepted(one)[0].sequence for one in done) == list(range(1, 31))
    transactions = await connection.fetchval(
        "select count(distinct xmin::text) from event where entity_id = $1", OTHER_ENTITY
    )
    await connection.close()
    assert transactions == 1
