"""Append when the database fails in the middle: nothing acknowledged is lost, nothing is there twice."""

import asyncio

import asyncpg
import pytest

from creditsvc.errors import EventConflict, RecordExists, Unavailable
from creditsvc.ledger import writer as writing
from creditsvc.ledger.accounts import SQL
from creditsvc.ledger.append import append
from creditsvc.ledger.fsck import check
from creditsvc.ledger.receipts import Receipt
from creditsvc.store import database as store
from tests.faults import ERRORS, Faults, faulty_pools, wire
from tests.making import ENTITY, OTHER_ENTITY, event, ledger
from tests.processes import PATIENCE_S

IN_DATABASE = """select i.source, i.id, e.entity_id, e.sequence, e.leaf_hash
                 from creditsvc.event e
                 left join creditsvc.event_identity i
                   on i.entity_id = e.entity_id and i.sequence = e.sequence"""


@pytest.fixture
def quick(monkeypatch):
    """Make the pauses between attempts short: what is tested is what they lead to."""
    monkeypatch.setattr(writing, "FIRST_PAUSE_S", 0.0005)


@pytest.fixture
def faults(monkeypatch, quick):
    ordered = Faults()
    faulty_pools(monkeypatch, ordered)
    return ordered


class Sender:
    """Sends groups, and keeps what it was told of every event."""

    def __init__(self, writer):
        self.writer = writer
        self.receipts = {}
        self.refused = set()
        self.unanswered = {}

    async def send(self, events):
        outcomes = await self.writer.submit(events)
        for one, outcome in zip(events, outcomes, strict=True):
            if isinstance(outcome, Receipt):
                known = self.receipts.setdefault(one.content, place(outcome))
                assert known == place(outcome), "another receipt than the first"
                self.unanswered.pop(one.content, None)
            elif isinstance(outcome, Unavailable):
                self.unanswered[one.content] = one
            else:
                assert isinstance(outcome, EventConflict | RecordExists), outcome
                self.refused.add(one.content)
                self.unanswered.pop(one.content, None)
        return outcomes


def place(receipt):
    return (receipt.entity, receipt.sequence, receipt.leaf_hash)


def group(n):
    """Two entities, every kind of outcome: opened, amended, named, conflicting, there already, twice."""
    penalty = event("penalty.imposed", f"P{n}", severity="general", decided_on="2026-03-01", id=f"p{n}")
    return [
        penalty,
        event("record.corrected", f"P{n}", reason="更正", changes={"severity": "minor"}, id=f"c{n}"),
        event("licence.granted", f"L{n}", subject=OTHER_ENTITY, entity_name=f"公司{n}", id=f"l{n}"),
        event("penalty.imposed", f"P{n}", severity="serious", id=f"again{n}"),
        event("honour.granted", f"H{n}", id=f"p{n}"),
        penalty,
        event(
            "registration.changed",
            None,
            entity_name=f"名{n}",
            id=f"n{n}",
            time=f"2026-03-05T00:{n % 60:02d}:00Z",
        ),
    ]


async def clean(dsn):
    faults = await check(dsn, progress=lambda *_: None)
    assert faults == []


async def held(dsn):
    connection = await asyncpg.connect(dsn)
    rows = await connection.fetch(IN_DATABASE)
    await connection.close()
    return {
        (row["source"], row["id"]): (row["entity_id"], row["sequence"], row["leaf_hash"]) for row in rows
    }, len(rows)


async def settled(sender, dsn, sent):
    """What is acknowledged is there once, what is refused is not, the rest can be sent again."""
    there, count = await held(dsn)
    assert len(there) == count, "an event is there twice"
    named = {one.content: (one.source, one.id) for one in sent}
    for content, receipt in sender.receipts.items():
        assert there[named[content]] == receipt
    allowed = {named[content] for content in (*sender.receipts, *sender.unanswered)}
    assert set(there) <= allowed, "something refused is there"
    for one in list(sender.unanswered.values()):
        (outcome,) = await sender.send([one])
        if isinstance(outcome, Receipt) and (one.source, one.id) in there:
            assert outcome.status == "duplicate"
            assert place(outcome) == there[one.source, one.id]
    assert not sender.unanswered
    await clean(dsn)


async def calls_of_an_append(faults, sender):
    faults.heal()
    first = group(0)
    await sender.send(first)
    faults.heal()
    second = group(1)
    await sender.send(second)
    calls = len(faults.calls)
    assert calls > 8, faults.calls
    return calls, [*first, *second]


@pytest.mark.parametrize("when", ["before", "after"])
async def test_the_nth_call_of_an_append_fails_for_every_n(database, faults, when):
    async with ledger(database) as (writer, _):
        sender = Sender(writer)
        calls, sent = await calls_of_an_append(faults, sender)
        n = 1
        for name, error in ERRORS.items():
            for at in range(1, calls + 1):
                n += 1
                sent += group(n)
                faults.set(at, when, error, closes=name not in {"deadlock", "timeout"})
                outcomes = await sender.send(sent[-7:])
                assert faults.hit, (name, at)
                # One failure is the writer's own business: whoever waits hears nothing of it.
                kinds = [type(one).__name__ for one in outcomes]
                assert kinds == [*["Receipt"] * 3, "RecordExists", "EventConflict", *["Receipt"] * 2], (
                    name,
                    at,
                )
        faults.heal()
        await settled(sender, database, sent)
        assert len(sender.receipts) == 4 * (n + 1)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_the_database_is_gone_from_the_nth_call_on_for_every_n(database, faults, when):
    async with ledger(database) as (writer, _):
        sender = Sender(writer)
        calls, sent = await calls_of_an_append(faults, sender)
        for at in range(1, calls + 1):
            sent += group(at + 1)
            faults.set(at, when, ERRORS["does not exist"], lasting=True)
            outcomes = await sender.send(sent[-7:])
            assert all(isinstance(one, Unavailable) and one.retry_after_s for one in outcomes)
            faults.heal()
            before, _ = await held(database)
            committed = (sent[-7].source, sent[-7].id) in before
            assert committed == (when == "after" and at == calls)
            if at % 4 == 0 or at == calls:
                await settled(sender, database, sent)
        await settled(sender, database, sent)


async def test_calls_fail_under_several_writers_at_once(database, faults):
    async with ledger(database) as (one, _), ledger(database) as (two, _):
        first, second = Sender(one), Sender(two)
        calls, sent = await calls_of_an_append(faults, first)
        for at in range(1, 3 * calls):
            mine = group(at + 1)
            faults.set(at, "after", ERRORS["interface"])
            await asyncio.gather(first.send(mine), second.send(mine))
            sent += mine
        faults.heal()
        assert first.receipts.items() >= second.receipts.items()  # the second did not send the first groups
        await settled(first, database, sent)


async def test_connections_that_cannot_be_made(database, quick, monkeypatch):
    refusing = False
    connect = asyncpg.connect

    async def reach(*args, **given):
        if refusing:
            raise ConnectionRefusedError
        return await connect(*args, **given)

    create = asyncpg.create_pool
    monkeypatch.setattr(asyncpg, "create_pool", lambda *args, **given: create(*args, **given, connect=reach))
    async with ledger(database) as (writer, reader):
        (first,) = await writer.submit([event("honour.granted", "H1")])
        connection = await connect(database)
        refusing = True
        await connection.execute(
            """select pg_terminate_backend(pid) from pg_stat_activity
               where application_name like 'creditsvc %' and datname = current_database()"""
        )
        await connection.close()
        (refused,) = await writer.submit([event("honour.granted", "H2")])
        assert isinstance(refused, Unavailable)
        with pytest.raises((OSError, asyncpg.PostgresError, asyncpg.InterfaceError)):
            await reader.moments.at(ENTITY, "shared", None)
        refusing = False
        (second,) = await writer.submit([event("honour.granted", "H3")])
        assert (first.sequence, second.sequence) == (1, 2)
        assert (await reader.moments.at(ENTITY, "shared", None)).moment.version == 2


@pytest.mark.parametrize(
    "error",
    [asyncpg.DataError, asyncpg.exceptions._base.DataError, asyncpg.InternalServerError, ValueError],
    ids=["the server refuses a value", "the driver refuses a value", "the server fails", "a defect of ours"],
)
async def test_an_event_that_the_database_never_takes_fails_alone(database, quick, monkeypatch, error):
    async def failing(connection, events, rules):
        async with connection.transaction():
            outcomes = await append(connection, events, rules)
            if any(one.id == "poison" for one in events):
                raise error("as the statement that carries the event would")
            return outcomes

    monkeypatch.setattr(writing, "append", failing)
    async with ledger(database) as (writer, _):
        group = [event("honour.granted", f"H{n}", id="poison" if n == 11 else f"h{n}") for n in range(30)]
        outcomes = await asyncio.wait_for(writer.submit(group), PATIENCE_S)
    kinds = [type(one).__name__ for one in outcomes]
    assert kinds == [*["Receipt"] * 11, "Internal", *["Receipt"] * 18]
    await clean(database)


@pytest.mark.parametrize("cut", ["before", "inside", "after"])
async def test_the_connection_is_cut_around_the_reply_to_commit(database, quick, cut):
    async with wire(database) as (proxy, dsn), ledger(dsn) as (writer, _):
        sender = Sender(writer)
        sent = group(0)
        await sender.send(sent)
        for n in range(1, 9):
            proxy.cuts = [cut] * (n % 3 + 1)
            sent += group(n)
            outcomes = await asyncio.wait_for(sender.send(sent[-7:]), PATIENCE_S)
            assert not proxy.cuts
            statuses = {one.status for one in outcomes if isinstance(one, Receipt)}
            # What was committed and not answered is found again by the writer itself.
            assert ("accepted" in statuses) == (cut == "before")
        assert set(proxy.done) == {cut}
        await settled(sender, database, sent)


@pytest.mark.parametrize(
    ("statement", "cut", "status"),
    [
        ("COMMIT;", "silence", "duplicate"),  # asyncpg's own time-out of COMMIT: unknown, and it took effect
        (SQL.begin, "silence from the next", "accepted"),
        (SQL.begin, "silence", "accepted"),
    ],
)
async def test_a_reply_that_never_comes_loses_nothing_and_no_connection(
    database, quick, monkeypatch, statement, cut, status
):
    monkeypatch.setattr(store, "_ANSWER_GRACE_S", 0.1)
    async with (
        wire(database) as (proxy, dsn),
        ledger(dsn, statement_timeout_ms=1_000, append_connections=1) as (writer, _),
    ):
        sender = Sender(writer)
        sent = group(0)
        await sender.send(sent)
        proxy.statement = statement
        for n in range(1, 3):  # more often than there are connections
            proxy.cuts = [cut]
            sent += group(n)
            outcomes = await asyncio.wait_for(sender.send(sent[-7:]), PATIENCE_S)
            assert proxy.done == [cut] * n
            assert outcomes[0].status == status
        await settled(sender, database, sent)


async def test_look_ups_get_over_a_server_that_falls_silent(database, monkeypatch):
    monkeypatch.setattr(store, "_ANSWER_GRACE_S", 0.1)
    async with ledger(database) as (writer, _):
        await writer.submit([event("honour.granted", "H1")])
    async with (
        wire(database) as (proxy, dsn),
        ledger(dsn, statement_timeout_ms=1_000, lookup_connections=2) as (_, reader),
    ):
        await reader.moments.at(ENTITY, "shared", None)
        proxy.mute = True
        for _ in range(2):
            with pytest.raises((TimeoutError, asyncpg.InterfaceError, OSError)):
                await asyncio.wait_for(reader.moments.at(ENTITY, "shared", None), PATIENCE_S)
        proxy.mute = False
        assert (
            await asyncio.wait_for(reader.moments.at(ENTITY, "shared", None), PATIENCE_S)
        ).moment.version == 1
