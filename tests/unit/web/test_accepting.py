"""Connections are shared out among those who listen on one socket, and nobody waits for who does not come."""

import asyncio
import errno
import os
import socket
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from creditsvc import balance
from creditsvc.balance import Balance
from creditsvc.web import accepting
from creditsvc.web.accepting import Acceptor

WORKERS = 3


class Client(asyncio.Protocol):
    """Counts as the server's connections do."""

    def __init__(self, worker):
        self.worker = worker

    def connection_made(self, transport):
        self.worker.taken.append(transport)

    def connection_lost(self, _exc):
        self.worker.balance.leave()
        self.worker.lost += 1


class Worker:
    """One of those who share a socket."""

    def __init__(self, listening, shared, place):
        self.balance = Balance(shared, place)
        self.taken = []
        self.lost = 0
        self.acceptor = Acceptor(listening, lambda: Client(self), self.balance)


@pytest.fixture
def shared():
    descriptor = balance.shared(WORKERS)
    yield descriptor
    os.close(descriptor)


@asynccontextmanager
async def listening(kind=socket.socket):
    """An address, and a socket for each who listens there."""
    with kind(socket.AF_INET) as first:
        first.bind(("127.0.0.1", 0))
        yield first.getsockname(), lambda: kind(fileno=os.dup(first.fileno()))


async def asked_of(address, count, stack):
    for _ in range(count):
        _, writer = await asyncio.open_connection(*address)
        stack.callback(writer.close)


async def until(true):
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110  the other side tells nobody
            await asyncio.sleep(0.001)


async def test_each_takes_its_part_one_after_the_other_and_all_at_once(shared):
    async with listening() as (address, another), AsyncExitStack() as stack:
        workers = [Worker(another(), shared, place) for place in range(WORKERS)]
        for worker in workers:
            worker.acceptor.start()
            stack.push_async_callback(worker.acceptor.stop)
        for count, each in ((3, 1), (1, None), (2, 2), (12, 6)):
            await asked_of(address, count, stack)
            if each:
                await until(lambda whole=each * WORKERS: sum(len(one.taken) for one in workers) == whole)
                assert [len(worker.taken) for worker in workers] == [each] * WORKERS
        for transport in workers[1].taken[:4]:
            transport.abort()
        await until(lambda: workers[1].lost == 4)
        await asked_of(address, 4, stack)
        await until(lambda: len(workers[1].taken) == 10)
        assert [len(worker.taken) for worker in workers] == [6, 10, 6]


async def test_nobody_waits_for_one_that_does_not_come_or_is_gone(shared):
    async with listening() as (address, another), AsyncExitStack() as stack:
        worker = Worker(another(), shared, 0)
        hung, gone = Balance(shared, 1), Balance(shared, 2)
        worker.acceptor.start()
        stack.push_async_callback(worker.acceptor.stop)
        hung.begin()
        gone.begin()
        Balance(shared, 2).end()  # as the parent says of one that died
        await asked_of(address, 5, stack)
        await until(lambda: len(worker.taken) == 5)
        assert worker.balance.is_behind_another()
        hung.end()
        assert not worker.balance.is_behind_another()


async def test_what_is_full_passes(monkeypatch, shared):
    class Full(socket.socket):
        refusals = 2

        def accept(self):
            if Full.refusals:
                Full.refusals -= 1
                raise OSError(errno.EMFILE, "Too many open files")
            return super().accept()

    monkeypatch.setattr(accepting, "AGAIN_S", 0.01)
    async with listening(Full) as (address, another), AsyncExitStack() as stack:
        worker = Worker(another(), shared, 0)
        worker.acceptor.start()
        stack.push_async_callback(worker.acceptor.stop)
        await asked_of(address, 1, stack)
        await until(lambda: worker.taken)
        assert Full.refusals == 0


async def test_who_stops_takes_no_more_and_counts_for_nothing(shared):
    async with listening() as (address, another), AsyncExitStack() as stack:
        first, second = (Worker(another(), shared, place) for place in range(2))
        first.acceptor.start()
        await asked_of(address, 2, stack)
        await until(lambda: len(first.taken) == 2)
        await first.acceptor.stop()
        second.acceptor.start()
        stack.push_async_callback(second.acceptor.stop)
        await asked_of(address, 3, stack)
        await until(lambda: len(second.taken) == 3)
        for transport in first.taken:
            transport.abort()
        await until(lambda: first.lost == 2)
        assert not second.balance.is_behind_another()


async def test_alone_there_is_nobody_to_wait_for():
    alone = Balance()
    alone.begin()
    alone.come()
    assert not alone.is_behind_another()
    alone.leave()
    alone.end()
    alone.leave()
    assert not alone.is_behind_another()
