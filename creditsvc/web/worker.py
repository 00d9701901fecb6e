"""A worker: ``python -m creditsvc.web.worker <socket> <balance> <slot>``, started by ``creditsvc.service``.

It serves on the listening socket and shares the balance that it inherits under these descriptors, on the
database that it is told (see ``creditsvc.parent``), says "ready" on standard output when it does, and stops
on SIGTERM or when its standard input ends, which is when its parent is gone.
"""

import asyncio
import gc
import logging
import os
import signal
import socket
import sys

import uvloop
from aiohttp import web
from prometheus_client import values

from creditsvc import logs
from creditsvc.balance import Balance
from creditsvc.errors import Refusal
from creditsvc.logs import error_fields
from creditsvc.parent import KILL_GRACE_S, READY, end_within, told
from creditsvc.settings import Settings

log = logging.getLogger("creditsvc.web.worker")


SWITCH_S = 0.001  # long histories are folded in a thread: the loop gets the interpreter back this soon


def main(descriptor: int, shared: int, slot: int) -> None:
    gc.disable()  # until all is there: what is imported stays
    sys.setswitchinterval(SWITCH_S)
    settings = Settings.from_environment()
    logs.configure(settings.log_level)
    # Files of metrics go by slot, not by process number: a worker's successor counts on where it ended.
    values.ValueClass = values.MultiProcessValue(lambda: slot)  # type: ignore[no-untyped-call]
    from creditsvc.web.app import application  # noqa: PLC0415  metrics are made at import, for this slot

    settings = told(settings)
    app = application(settings, settings.database_url)
    uvloop.run(_work(app, settings, socket.socket(fileno=descriptor), Balance(shared, slot)))


async def _work(app: web.Application, settings: Settings, listening: socket.socket, balance: Balance) -> None:
    from creditsvc import vitals  # noqa: PLC0415
    from creditsvc.web.access_log import AccessLog  # noqa: PLC0415
    from creditsvc.web.fast_path import FastPath  # noqa: PLC0415
    from creditsvc.web.keys import LIFECYCLE  # noqa: PLC0415
    from creditsvc.web.problems import is_passing  # noqa: PLC0415
    from creditsvc.web.protocol import Listener  # noqa: PLC0415

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGINT, stop.set)
    loop.add_reader(sys.stdin.fileno(), stop.set)
    listener = Listener(app, settings, AccessLog, fast_path=FastPath, balance=balance)
    try:
        await listener.start(listening)
    except Exception as error:  # noqa: BLE001  the parent reads the status, people read the log
        fields = error_fields(error) | ({"why": error.detail} if isinstance(error, Refusal) else {})
        log.error("the worker cannot start", extra={"fields": fields})  # noqa: TRY400  no values
        sys.exit(os.EX_TEMPFAIL if is_passing(error) else 1)
    gc.collect()
    gc.freeze()
    gc.enable()  # what is there by now stays: the collector need not walk it again and again
    telling = vitals.begin("worker")
    os.write(sys.stdout.fileno(), READY)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # nobody reads the pipe any more
    await stop.wait()
    telling.cancel()
    loop.remove_reader(sys.stdin.fileno())
    app[LIFECYCLE].stopping = True
    end_within(settings.drain_timeout_s + KILL_GRACE_S)
    await listener.stop()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
