"""A log and its sequencer within the test's own process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from creditsvc.ledger.checkpoints import Checkpoints
from creditsvc.ledger.sequencer import Sequencer
from creditsvc.ledger.signing import begin, checkpoint_file, log_signer
from creditsvc.settings import Settings
from creditsvc.store.database import connect, sequence_pool


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
        yield Sequencer(
            pool,
            checkpoints,
            interval_s=settings.log_interval_s,
            most_pending=settings.log_pending_max,
            **given,
        )


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


async def settled(dsn: str, patience_s: float = 20) -> int:
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
