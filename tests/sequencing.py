"""A log and its sequencer within the test's own process."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

from creditsvc.domain.canonical import commit, leaf, leaf_hash
from creditsvc.ledger.checkpoints import Checkpoints, read_tiles
from creditsvc.ledger.sequencer import Sequencer
from creditsvc.ledger.signing import begin, checkpoint_file, identity, log_signer
from creditsvc.ledger.tiles import needed_for_root, root
from creditsvc.ledger.writer import Writer
from creditsvc.settings import Settings
from creditsvc.store.database import Connection, connect, sequence_pool
from creditsvc.verifier.log import open_checkpoint
from creditsvc.verifier.notes import VerifierKey
from creditsvc.verifier.tree import root_of
from tests.making import event
from tests.processes import PATIENCE_S


@asynccontextmanager
async def sequencer(dsn: str, data_dir: Path, **given: Any) -> AsyncIterator[Sequencer]:
    """A sequencer to be driven step by step; begins the log where there is none."""
    settings = Settings(data_dir=data_dir, log_interval_s=0.05)
    connection = await connect(dsn)
    try:
        known = await begin(connection, settings)
    finally:
        await connection.close()
    checkpoints = Checkpoints(log_signer(settings, known), checkpoint_file(settings))
    async with await sequence_pool(dsn, settings) as pool:
        limits = {"most_pending": settings.log_pending_max} | given
        yield Sequencer(pool, checkpoints, interval_s=settings.log_interval_s, **limits)


@asynccontextmanager
async def sequenced(dsn: str, data_dir: Path, **given: Any) -> AsyncIterator[Sequencer]:
    """The same, at work beside the test."""
    async with sequencer(dsn, data_dir, **given) as one:
        running = asyncio.create_task(one.run())
        try:
            yield one
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running


async def settled(dsn: str, patience_s: float = PATIENCE_S) -> int:
    """Wait until everything recorded is below a checkpoint; gives its size."""
    connection = await connect(dsn)
    try:
        async with asyncio.timeout(patience_s):
            while True:
                size = await connection.fetchval(
                    "select max(size) from log_checkpoint where not exists (select from log_pending) "
                    "having max(size) = (select size from log_state)"
                )
                if size is not None:
                    return int(size)
                await asyncio.sleep(0.02)
    finally:
        await connection.close()


async def check(dsn: str) -> int:
    """Whatever happened: each event at one position at most, in order, one root a size. Gives the size."""
    connection = await connect(dsn)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return await check_log(connection)
    finally:
        await connection.close()


async def check_log(connection: Connection) -> int:
    """The same over a connection; the whole tree is made again, by other code than the sequencer's."""
    known = await identity(connection)
    assert known is not None
    state = await connection.fetchrow("select size, root from log_state")
    assert state is not None
    rows = await connection.fetch(
        "select l.position, l.entity_id, l.kind, l.sequence, e.recorded_at, e.source, e.salt, e.content"
        " from log_entry l left join event e using (entity_id, sequence)"
        " where l.kind = 'event' order by l.position"
    )
    notices = await connection.fetch(
        "select l.position, n.leaf_hash from log_entry l"
        " join notice n on n.entity_id = l.entity_id and n.number = l.sequence where l.kind = 'notice'"
    )
    hashes = {row["position"]: row["leaf_hash"] for row in notices}
    last: Counter[str] = Counter()
    for row in rows:
        last[row["entity_id"]] += 1
        assert row["sequence"] == last[row["entity_id"]], "an organisation's events in their order"
        commitment = commit(row["salt"], row["content"])
        made = leaf(row["entity_id"], row["sequence"], row["recorded_at"], row["source"], commitment)
        hashes[row["position"]] = leaf_hash(made)
    assert sorted(hashes) == [*range(state["size"])], "positions are contiguous"
    waiting = await connection.fetchval("select count(*) from log_pending where kind = 'event'")
    assert await connection.fetchval("select count(*) from event") == len(rows) + waiting
    whole = [hashes[position] for position in range(state["size"])]
    assert root_of(whole) == state["root"]
    tiles = await read_tiles(connection, sorted(needed_for_root(state["size"])))
    assert root(state["size"], tiles) == state["root"]
    for row in await connection.fetch("select size, root, note from log_checkpoint"):
        opened = open_checkpoint(row["note"], VerifierKey.parse(known.verifier_key))
        assert (opened.size, opened.root) == (row["size"], row["root"])
        assert root_of(whole[: row["size"]]) == row["root"], "never two roots for a size"
    return int(state["size"])


def entity(number: int) -> str:
    """An organisation of a scheme without check digits."""
    return f"usdot:{100000 + number}"


_numbers = count(1)


async def push(writer: Writer, number: int, entities: int = 7) -> None:
    """Have so many events recorded, each of a record of its own, of a few organisations in turn."""
    await writer.submit(
        [
            event("inspection.completed", f"I{next(_numbers)}", subject=entity(n % entities))
            for n in range(number)
        ]
    )
