"""Random histories of cases in the database, whose every decision is made several times at once.

At each step some moves that are all allowed are sent together, by writers over pools of their own. The oracle
of the pure stateful test then says whether what was taken could be taken in the order of its sequences, and
whether the others were told what was so at some point of that order.
"""

import asyncio
import copy
import random
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from creditsvc.domain.views import Viewer
from creditsvc.errors import Refusal
from creditsvc.ledger import fsck
from creditsvc.ledger.accounts import SQL
from creditsvc.ledger.receipts import Receipt
from tests.case_judge import AGENCIES, Organisation, Said, facts, said_move
from tests.case_model import LEGAL, party
from tests.chance import CAMPAIGN, SEEDS
from tests.checking import back_dating_clock, owner
from tests.making import ENTITY, OTHER_ENTITY, event, ledger

ENTITIES = (ENTITY, OTHER_ENTITY, "usdot:830331")
KINDS = ("penalty.imposed", "penalty.imposed", "abnormal.listed", "carrier.inspected", "tax.examined")
DAYS_AGO = 200
ROUNDS = 40 if CAMPAIGN else 16
COLUMNS = ("kind", "number", "step", "awaits", "handler", "since", "due")
VIEWERS = (Viewer("public"), Viewer("operator"), Viewer("agency", frozenset(AGENCIES[1:2])))


def as_event(entity, said):
    return event(said.kind, said.number, source=said.by, subject=entity, **said.data)


def of_a_case(chance, entity, case, told):
    """Every move of a case that its state allows, by whoever may make it."""
    for move, (mover, _) in LEGAL.get((case.kind, case.state), {}).items():
        by = case.handler if mover == "handler" else party(entity)
        said = said_move(case.kind, move, by, told, case.number)
        if move == "referred":
            said.data["to"] = chance.choice(AGENCIES)
        yield said


def of_a_record(chance, entity, told):
    """What else may come to a record: new cases, and its end."""
    number = str(len(told.cases) + 1)
    yield said_move("objection", "opened", party(entity), told, number)
    yield said_move("objection", "opened", chance.choice(AGENCIES), told, number)
    yield said_move("repair", "applied", party(entity), told, number)
    yield said_move("repair", "applied", party(entity), told, number + "/2")
    if chance.random() < 0.2:
        changed = {"reason": "核实", "changes": {"title": "更正"}}
        yield Said("record.corrected", told.holder, told.number, changed)
    if chance.random() < 0.1:
        yield Said("record.repaired", told.holder, told.number, {})
        yield Said("record.revoked", told.holder, told.number, {"reason": "核实"})


def at_once(chance, organisation, at):
    """Some events that are each allowed, sent together: mostly such that exclude each other."""
    told = chance.choice(list(organisation.told.values()))
    cases = [case for case in told.cases.values() if (case.kind, case.state) in LEGAL]
    found = []
    if cases and chance.random() < 0.8:
        found = list(of_a_case(chance, organisation.entity, chance.choice(cases), told))
    if not found or chance.random() < 0.2:
        found += of_a_record(chance, organisation.entity, told)
    allowed = [said for said in found if organisation.judge(said, at) is None]
    group = allowed and [chance.choice(allowed)]
    for said in chance.choices(allowed, k=6) if allowed else ():
        if chance.random() < 0.1 or excludes(organisation, [*group, said], at):
            group.append(said)
    return group


def excludes(organisation, group, at):
    """Whether after any one of them none of the others is allowed."""
    for place, said in enumerate(group):
        after = copy.deepcopy(organisation)
        after.take(said, at)
        if any(after.judge(other, at) is None for other in group[:place] + group[place + 1 :]):
            return False
    return True


def heard(refusal):
    return type(refusal).__name__, {one.code for one in refusal.violations}


def compare(organisation, group, outcomes):
    """Take what was taken, in its order; gives how many, and the types of what the others heard."""
    taken = [pair for pair in zip(group, outcomes, strict=True) if isinstance(pair[1], Receipt)]
    taken.sort(key=lambda pair: pair[1].sequence)
    states = [copy.deepcopy(organisation)]
    for said, receipt in taken:
        assert organisation.judge(said, receipt.recorded_at) is None, said
        organisation.take(said, receipt.recorded_at)
        states.append(copy.deepcopy(organisation))
    at = taken[-1][1].recorded_at if taken else datetime.now(UTC)
    refused = [pair for pair in zip(group, outcomes, strict=True) if not isinstance(pair[1], Receipt)]
    for said, refusal in refused:
        assert isinstance(refusal, Refusal), refusal
        kind, codes = heard(refusal)
        due = [verdict for one in states if (verdict := one.judge(said, at)) is not None]
        assert any(kind == name and (code is None or codes == {code}) for name, code in due), (said, refusal)
    return len(taken)


async def answers(reader, entity, at):
    """All that is told of an organisation as of an instant."""
    seen = [await reader.moments.find(entity, view, at) for view in ("public", "shared")]
    pages = [
        await reader.pages.records(entity, viewer, at, after=0, limit=100, event_type=None)
        for viewer in VIEWERS
    ]
    pages.append(await reader.pages.history(entity, Viewer("operator"), at, after=0, limit=500))
    return [one and one.profile for one in seen], [orjson.dumps(page.items) for page in pages]


async def begin(dsn, chance, known):
    """Register the agencies, and enter records as they came long ago."""
    async with owner(dsn) as connection:
        await connection.executemany(
            "insert into agency (source, name) values ($1, $1)", [(one,) for one in AGENCIES]
        )
    then = datetime.now(UTC) - timedelta(days=DAYS_AGO)
    async with ledger(dsn) as (writer, _):
        for entity in ENTITIES:
            for place, kind in enumerate(chance.sample(KINDS, 3)):
                said = Said(kind, AGENCIES[place % 2], f"R{place}", facts(kind, then, chance.randrange(1000)))
                await entered(writer, known[entity], said)


async def entered(writer, organisation, said):
    (receipt,) = await writer.submit([as_event(organisation.entity, said)])
    assert isinstance(receipt, Receipt), receipt
    organisation.take(said, receipt.recorded_at)


async def now(dsn):
    async with owner(dsn) as connection:
        return await connection.fetchval("select clock_timestamp()")


async def check(dsn, known):
    """Nothing but what was taken is stored, and the desk's rows are the clocks that run."""
    async with owner(dsn) as connection:
        rows = await connection.fetch("select * from open_case where awaits = 'agency' or due > now()")
        events = await connection.fetch("select entity_id, sequence from event order by 1, 2")
    found = {
        (row["entity_id"], row["record"], row["source"], *(row[name] for name in COLUMNS)) for row in rows
    }
    at = await now(dsn)
    assert found == {
        (entity, *key, *clock)
        for entity, organisation in known.items()
        for key, told in organisation.told.items()
        for clock in told.clocks()
        if clock[3] == "agency" or clock[-1] > at
    }
    for entity in ENTITIES:
        sequences = [row["sequence"] for row in events if row["entity_id"] == entity]
        assert sequences == list(range(1, len(sequences) + 1))
    assert await fsck.check(dsn, progress=lambda done, total: None) == []
    return len(events)


async def check_records(reader, organisation, at):
    """Each record's cases, as the operator is told of them, are those of the oracle."""
    page = await reader.pages.records(
        organisation.entity, VIEWERS[1], at, after=0, limit=100, event_type=None
    )
    assert {
        (item["record"], item["source"]): (item["state"], item["objected"], states_of(item["cases"]))
        for item in page.items
    } == {
        key: (
            told.state_at(at),
            bool(told.marked),
            [(one.kind, one.number, one.state) for one in told.cases.values()],
        )
        for key, told in organisation.told.items()
    }


def states_of(cases):
    return [(one["kind"], one["number"], one["state"]) for one in cases]


@pytest.mark.parametrize("seed", SEEDS[: 8 if CAMPAIGN else 2])
async def test_of_decisions_made_at_once_one_stands_and_the_past_stays(database, monkeypatch, seed):
    chance = random.Random(seed)
    known = {entity: Organisation(entity) for entity in ENTITIES}
    with monkeypatch.context() as patched:
        patched.setitem(SQL._texts, "now", back_dating_clock(24 * DAYS_AGO))
        await begin(database, chance, known)
    given, taken, contested = [], 3 * len(ENTITIES), 0
    async with AsyncExitStack() as stack:
        pairs = [await stack.enter_async_context(ledger(database)) for _ in range(3)]
        writers, reader = [writer for writer, _ in pairs], pairs[0][1]
        for _ in range(ROUNDS):
            organisation = known[chance.choice(ENTITIES)]
            at = await now(database)
            group = at_once(chance, organisation, at)
            given.append((organisation.entity, at, await answers(reader, organisation.entity, at)))
            excluded = excludes(organisation, group, at)
            outcomes = await asyncio.gather(
                *(
                    writers[place % 3].submit([as_event(organisation.entity, said)])
                    for place, said in enumerate(group)
                )
            )
            count = compare(organisation, group, [outcome for (outcome,) in outcomes])
            assert count == min(1, len(group)) if excluded else count > 0
            taken += count
            contested += excluded and len(group) > 1
            entity, before, told = given[-1]
            assert await answers(reader, entity, before) == told
            await check_records(reader, organisation, await now(database))
        for entity, at, told in given:
            assert await answers(reader, entity, at) == told
    assert contested >= ROUNDS // 3
    assert await check(database, known) == taken
