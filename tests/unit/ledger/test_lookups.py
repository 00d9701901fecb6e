"""Look-ups share queries: few wait for the one under way, none for one that takes too long."""

import asyncio
from contextlib import asynccontextmanager
from itertools import zip_longest
from types import SimpleNamespace

import pytest

from creditsvc.ledger.lookups import FULL_KEYS, Lookups

AT_ONCE = 3


class Database:
    """Answers a query when told to; notes what each was asked."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.answers: list[asyncio.Future[None]] = []
        self.connections = 0
        self.came: asyncio.Queue[list[str]] = asyncio.Queue()

    @asynccontextmanager
    async def acquire(self):
        self.connections += 1
        yield self

    async def fetch(self, _query, entities, clients, *_announcements):
        self.asked.append(list(entities))
        self.came.put_nowait(self.asked[-1])
        self.answers.append(asyncio.get_running_loop().create_future())
        await self.answers[-1]
        row = (1, None, None, b"{}", None, False, 1, 0, False)
        return [(entity, client, *row) for entity, client in zip_longest(entities, clients)]


@pytest.fixture
def database():
    return Database()


def made(database, patience_s):
    schedule = SimpleNamespace(announcements=())
    return Lookups(database, "", schedule=schedule, connections=AT_ONCE, patience_s=patience_s)


@pytest.fixture
def lookups(database):
    """Ones that never lose patience, however long this machine stands still."""
    return made(database, 3_600)


@pytest.fixture
def impatient(database):
    return made(database, 0.005)


async def turns():
    for _ in range(5):
        await asyncio.sleep(0)


async def test_what_comes_while_a_query_is_under_way_shares_the_next(database, lookups):
    first = lookups.ask("a")
    await turns()
    others = [lookups.ask(entity) for entity in "bcb"]
    await turns()
    assert database.asked == [["a"]]
    assert others[0] is others[2]
    database.answers[0].set_result(None)
    assert (await first).profile == b"{}"
    await turns()
    assert database.asked == [["a"], ["b", "c"]]
    database.answers[1].set_result(None)
    await asyncio.gather(*others)
    assert database.connections == 1


async def test_none_waits_for_a_query_that_takes_too_long(database, impatient):
    stuck = impatient.ask("a")
    assert await database.came.get() == ["a"]
    for number, entity in enumerate("bcde", start=1):  # more than there are connections
        asked = impatient.ask(entity)
        assert await database.came.get() == [entity]
        database.answers[number].set_result(None)
        await asked
    assert not stuck.done()
    database.answers[0].set_result(None)
    await stuck


async def test_many_do_not_wait_at_all(database, lookups):
    lookups.ask("a")
    await turns()
    many = [lookups.ask(str(number)) for number in range(FULL_KEYS)]
    await turns()
    assert [len(asked) for asked in database.asked] == [1, FULL_KEYS]
    for answer in database.answers:
        answer.set_result(None)
    await asyncio.gather(*many)


async def test_a_query_that_fails_is_told_and_the_next_has_another_connection(database, lookups):
    first = lookups.ask("a")
    await turns()
    second = lookups.ask("b")
    database.answers[0].set_exception(OSError("gone"))
    with pytest.raises(OSError, match="gone"):
        await first
    await turns()
    assert database.asked == [["a"], ["b"]]
    assert database.connections == 2
    database.answers[1].set_result(None)
    assert await second is not None
