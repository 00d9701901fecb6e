"""Delivery as it really is: twice, in any order, from many sides at once; it comes to the same."""

import asyncio
import random

import asyncpg
import orjson
import pytest

from creditsvc.domain.views import Viewer
from creditsvc.ledger.fsck import check
from creditsvc.ledger.receipts import Receipt
from tests.chance import SEED, SEEDS
from tests.making import OTHER_SOURCE, SOURCE, event, ledger

ENTITIES = ["uscc:91350100M000100Y43", "siren:552081317", "usdot:830331", "siren:732829320"]
CLIENTS = 5
LISTED = {"judgment": "cleared", "abnormal": "removed", "serious": "removed"}


def opening(chance, subject, number):
    """A record, and the sources of its events: each belongs to one agency."""
    day = f"2026-0{chance.randint(1, 6)}-{chance.randint(10, 28)}"
    common = {
        "subject": subject,
        "source": chance.choice([SOURCE, OTHER_SOURCE]),
        "time": f"{day}T{chance.randint(0, 23):02d}:{chance.randint(0, 59):02d}:00Z",
    }
    match chance.choice(["penalty", "penalty", "licence", "honour", *LISTED]):
        case "penalty":
            severity = chance.choice(["minor", "general", "serious"])
            return event("penalty.imposed", number, severity=severity, decided_on=day, **common), common
        case "licence":
            return event("licence.granted", number, **common), common
        case "honour":
            return event(
                "honour.granted", number, entity_name=f"名{chance.randint(0, 99)}公司", **common
            ), common
        case kind:
            return event(f"{kind}.listed", number, **common), common


def amendments(chance, number, opened, common):
    """What later befalls a record, in an order that makes sense."""
    found = []
    for n in range(chance.choice([0, 0, 1, 1, 2, 3])):
        later = {**common, "time": f"2026-07-{10 + n}T{chance.randint(0, 23):02d}:00:00Z"}
        kind = opened.type.split(".")[1]
        choices = ["corrected", "corrected", "objected"]
        choices += ["repaired", "revoked"] if kind == "penalty" else ["revoked"]
        match chance.choice(choices):
            case "corrected":
                changes = {"title": f"更正{n}"}
                found.append(event("record.corrected", number, reason="更正", changes=changes, **later))
            case "objected":
                found.append(event("objection.opened", number, objection=f"O{n}", **later))
            case "repaired":
                found.append(event("record.repaired", number, **later))
            case _:
                found.append(event("record.revoked", number, reason="撤销", **later))
        if kind in LISTED and chance.random() < 0.5:
            found.append(event(f"{kind}.{LISTED[kind]}", number, **later))
    if any(one.type in {"credit.record.revoked", "credit.record.repaired"} for one in found):
        # Nobody objects to what was withdrawn, so an objection that arrives after that is refused.
        found = [one for one in found if one.type != "credit.objection.opened"]
    return found


def history(chance, records):
    """A random history of several organisations, in the order in which it happened."""
    events = []
    for n in range(records):
        opened, common = opening(chance, chance.choice(ENTITIES), f"R{n}")
        events += [opened, *amendments(chance, f"R{n}", opened, common)]
    for n, subject in enumerate(ENTITIES):
        events += [
            event("registration.changed", None, subject=subject, entity_name=f"登记{n}-{m}公司", time=time)
            for m, time in enumerate(("2026-01-05T00:00:00Z", "2026-06-05T00:00:00Z"))
        ]
    return sorted(events, key=lambda one: one.time)


async def told(dsn):
    """Records and profiles, but for what depends on when and in which order they were received."""
    found = {}
    async with ledger(dsn) as (_, reader):
        for entity in ENTITIES:
            for view in ("shared", "public"):
                seen = await reader.moments.find(entity, view, None)
                if seen is None or seen.profile is None:
                    found[entity, view] = None
                    continue
                profile = orjson.loads(seen.profile)
                del profile["version"], profile["valid_from"]
                found[entity, view] = profile
            at = (await reader.moments.at(entity, "shared", None)).moment.valid_from
            page = await reader.pages.records(
                entity, Viewer("operator"), at, after=0, limit=1000, event_type=None
            )
            for item in page.items:
                held = len(item.pop("sequences"))
                item["cases"] = {(case["kind"], case["number"], case["state"]) for case in item["cases"]}
                if item["class"] != "penalty":
                    del item["publicity"]["from"]  # the instant at which this very ledger recorded it
                found[entity, item["source"], item["record"]] = (item, held)
    return found


async def deliver(writers, events, chance):
    """Every event twice or more, in any order, from several clients at once: each hears the same of it."""
    receipts = {}

    async def client(writer, own):
        while own:
            size = chance.choice([1, 1, 2, 5, 20])
            group, own = own[:size], own[size:]
            for one, outcome in zip(group, await writer.submit(group), strict=True):
                assert isinstance(outcome, Receipt), outcome
                place = (outcome.entity, outcome.sequence, outcome.recorded_at, outcome.leaf_hash)
                assert receipts.setdefault((one.source, one.id), place) == place

    shares = [chance.sample(events, len(events)) for _ in range(2)]
    shares += [chance.sample(events, len(events) // 2) for _ in range(CLIENTS - 2)]
    await asyncio.gather(*(client(writers[n % len(writers)], share) for n, share in enumerate(shares)))
    return receipts


async def gaps(dsn):
    connection = await asyncpg.connect(dsn, server_settings={"search_path": "creditsvc"})
    found = await connection.fetch(
        "select entity_id from event group by entity_id having count(*) <> max(sequence)"
    )
    deadlocks = await connection.fetchval(
        "select deadlocks from pg_stat_database where datname = current_database()"
    )
    await connection.close()
    return found, deadlocks


async def sound(dsn):
    assert await gaps(dsn) == ([], 0)
    assert await check(dsn, progress=lambda *_: None) == []


@pytest.mark.parametrize("seed", SEEDS)
async def test_duplicates_and_any_order_come_to_the_same_as_once_in_order(make_database, seed):
    chance = random.Random(seed)
    events = history(chance, 60)
    plain, rough = await make_database(), await make_database()
    async with ledger(plain) as (writer, _):
        for one in events:
            (outcome,) = await writer.submit([one])
            assert isinstance(outcome, Receipt), outcome
    async with ledger(rough) as (first, _), ledger(rough) as (second, _):
        receipts = await deliver([first, second], events, chance)
    assert len(receipts) == len(events)
    expected, found = await told(plain), await told(rough)
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert found[key] == value, key
    await sound(plain)
    await sound(rough)


async def test_sixteen_clients_correct_revoke_and_repair_one_record(database):
    chance = random.Random(SEED)
    async with ledger(database) as (one, _), ledger(database) as (two, reader):
        await one.submit([event("penalty.imposed", "P", severity="serious", decided_on="2026-03-01")])

        def change(n, m):
            time = f"2026-06-{m + 1:02d}T{n:02d}:00:00Z"
            match (n + m) % 4:
                case 0:
                    return event("record.revoked", "P", reason="撤销", time=time)
                case 1:
                    return event("record.repaired", "P", time=time)
                case _:
                    severity = chance.choice(["minor", "general", "serious"])
                    changes = {"severity": severity, "title": f"{n}/{m}"}
                    return event("record.corrected", "P", reason="更正", changes=changes, time=time)

        async def client(n):
            found = []
            for m in range(12):
                changed = change(n, m)
                outcomes = await (one, two)[n % 2].submit([changed])
                found += [*outcomes, *(await (two, one)[n % 2].submit([changed]))]
            return found

        outcomes = [each for found in await asyncio.gather(*map(client, range(16))) for each in found]
        assert all(isinstance(each, Receipt) for each in outcomes)
        assert [each.status for each in outcomes] == ["accepted", "duplicate"] * (16 * 12)
        assert sorted({each.sequence for each in outcomes}) == list(range(2, 2 + 16 * 12))
        assert (await reader.moments.at(ENTITIES[0], "shared", None)).moment.version == 1 + 16 * 12
    await sound(database)


async def test_groups_that_overlap_in_opposite_orders_do_not_lock_each_other_out(database):
    numbers = [f"usdot:{n}" for n in range(1000, 1040)]

    async def client(writer, n, backwards):
        for m in range(6):
            # Some are there already, some are new to both: rows that are inserted and rows that are locked.
            own = numbers[: 8 * (m + 1)] if m < 5 else numbers
            group = [event("honour.granted", f"H{n}-{m}", subject=subject) for subject in own]
            outcomes = await writer.submit(
                group[::-1] if backwards else random.Random(SEED + m).sample(group, len(group))
            )
            assert all(isinstance(one, Receipt) for one in outcomes), outcomes

    async with ledger(database) as (one, _), ledger(database) as (two, _):
        clients = (client((one, two)[n % 2], n, n % 2 == 0) for n in range(6))
        await asyncio.gather(*clients)
    await sound(database)


async def test_one_identity_sent_for_many_subjects_at_once_is_given_to_one(database):
    async with ledger(database) as (one, _), ledger(database) as (two, _):
        for n in range(12):
            claims = [
                [event("honour.granted", f"{n}-{m}", subject=subject, id=f"same{n}-{m}") for m in range(6)]
                for subject in ENTITIES
            ]
            answers = await asyncio.gather(
                *(
                    (one, two)[place % 2].submit(claim if place % 3 else claim[::-1])
                    for place, claim in enumerate(claims)
                )
            )
            kinds = [type(each).__name__ for found in answers for each in found]
            assert kinds.count("Receipt") == 6
            assert kinds.count("EventConflict") == 18
    await sound(database)
