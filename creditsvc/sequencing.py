"""The sequencer as a process: ``python -m creditsvc.sequencing``, started by ``creditsvc.service``.

It alone reads the key that signs checkpoints. Beside it is erased what was kept for as long as it may be, and
counted what anybody may know of the whole. It is told its database (see ``creditsvc.parent``), says "ready"
on standard output when it is at work, and stops on SIGTERM or when its standard input ends, which is when its
parent is gone.
"""

import asyncio
import logging
import os
import signal
import sys
from datetime import timedelta

import uvloop
from prometheus_client import values

from creditsvc import logs
from creditsvc.errors import Refusal
from creditsvc.logs import error_fields
from creditsvc.parent import KILL_GRACE_S, READY, SEQUENCER, end_within, told
from creditsvc.settings import Settings
from creditsvc.tasks import ended

log = logging.getLogger("creditsvc.sequencing")


def main() -> None:
    settings = Settings.from_environment()
    logs.configure(settings.log_level)
    values.ValueClass = values.MultiProcessValue(lambda: SEQUENCER)  # type: ignore[no-untyped-call]
    from creditsvc.ledger import checkpoints, cosigners, erasing, sequencer, statistics  # noqa: F401, PLC0415  while told nothing

    uvloop.run(_work(told(settings)))


async def _work(settings: Settings) -> None:
    from creditsvc import vitals  # noqa: PLC0415  metrics are made at import
    from creditsvc.ledger.checkpoints import Checkpoints  # noqa: PLC0415
    from creditsvc.ledger.cosigners import Cosigners  # noqa: PLC0415
    from creditsvc.ledger.erasing import Erasing  # noqa: PLC0415
    from creditsvc.ledger.failures import AGAIN  # noqa: PLC0415
    from creditsvc.ledger.sequencer import Sequencer  # noqa: PLC0415
    from creditsvc.ledger.signing import begin, checkpoint_file, log_signer  # noqa: PLC0415
    from creditsvc.ledger.statistics import Statistics  # noqa: PLC0415
    from creditsvc.store.database import connect, erase_pool, sequence_pool  # noqa: PLC0415

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGINT, stop.set)
    loop.add_reader(sys.stdin.fileno(), stop.set)
    try:
        connection = await connect(settings.database_url)
        known = await begin(connection, settings)
        await connection.close()
        signer = log_signer(settings, known)
        cosigners = Cosigners(settings.log_witnesses)
        pool = await sequence_pool(settings.database_url, settings)
        other_pool = await erase_pool(settings.database_url, settings)
    except (*AGAIN, Refusal, ValueError) as error:
        log.error("the sequencer cannot start", extra={"fields": error_fields(error)})  # noqa: TRY400
        sys.exit(os.EX_TEMPFAIL if isinstance(error, AGAIN) else 1)
    async with pool, other_pool:
        sequencer = Sequencer(
            pool,
            Checkpoints(signer, checkpoint_file(settings), cosigners),
            interval_s=settings.log_interval_s,
            most_pending=settings.log_pending_max,
        )
        erasing = Erasing(other_pool, after=timedelta(days=settings.erase_after_days))
        running = [
            asyncio.create_task(sequencer.run()),
            asyncio.create_task(erasing.run()),
            asyncio.create_task(Statistics(pool).run()),
            vitals.begin("sequencer"),
        ]
        stopping = asyncio.create_task(stop.wait())
        os.write(sys.stdout.fileno(), READY)
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # nobody reads the pipe any more
        await asyncio.wait((*running, stopping), return_when=asyncio.FIRST_COMPLETED)
        loop.remove_reader(sys.stdin.fileno())
        end_within(KILL_GRACE_S)
        await ended(*running)


if __name__ == "__main__":
    main()
