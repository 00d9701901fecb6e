"""A witness that logs ask to cosign (C2SP tlog-witness): add-checkpoint, and what was cosigned last."""

import asyncio
import logging
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass

from aiohttp import web

from creditsvc.verifier.log import Checkpoint
from creditsvc.witness.checking import (
    BODY_MAX_BYTES,
    Refused,
    Submission,
    What,
    check,
    read_submission,
    require_signed,
)
from creditsvc.witness.state import LogState, State, StateRefused, origin_hash

log = logging.getLogger(__name__)

BODY_TIMEOUT_S = 10.0
REPLAY_S = 5.0  # for so long the same checkpoint gets the same cosignature: anybody can hand it in again
TEXT = "text/plain"
SIZE = "text/x.tlog.size"


@dataclass(frozen=True, slots=True)
class _Cosigned:
    """What was cosigned last, and when (of the monotonic clock)."""

    text: str
    line: str
    at_s: float

    def is_of(self, checkpoint: Checkpoint) -> bool:
        return checkpoint.note.text == self.text and time.monotonic() - self.at_s < REPLAY_S


class Desk:
    """Takes checkpoints of the logs that it knows, one at a time: checks, keeps, cosigns."""

    def __init__(self, state: State, logs: Iterable[LogState]) -> None:
        self._cosigner = state.cosigner
        self._logs = {known.origin: known for known in logs}
        self._fresh: dict[str, _Cosigned] = {}
        self._paths = {origin_hash(origin): known for origin, known in self._logs.items()}
        # Held from the look at the last checkpoint until the next is kept; in the thread that does both, so
        # that a request that is given up halfway cannot let another in between.
        self._turn = threading.Lock()

    def add(self, submission: Submission) -> str:
        """Cosign a checkpoint; gives the line. Raises ``Refused``, ``StateRefused``, ``OSError``."""
        checkpoint = submission.checkpoint
        known = self._logs.get(checkpoint.origin)
        if known is None:
            raise Refused(What.UNKNOWN, "this log is not known here")
        require_signed(checkpoint, known.origin, known.key)
        with self._turn:
            if known.alarm() is not None:
                raise Refused(What.ALARMED, "an alarm stands for this log: its operator and ours must look")
            last = known.last()
            try:
                check(last, checkpoint, submission.old, submission.proof)
            except Refused as refused:
                if refused.is_fork and last is not None:
                    _alarm(known, last, checkpoint)
                raise
            fresh = self._fresh.get(known.origin)
            if fresh is not None and fresh.is_of(checkpoint):
                return fresh.line
            line = known.keep(checkpoint, self._cosigner, int(time.time()))
            self._fresh[known.origin] = _Cosigned(checkpoint.note.text, line, time.monotonic())
            return line

    def note(self, path: str) -> str | None:
        """Give the note cosigned last of the log with this hash; None where there is none."""
        known = self._paths.get(path)
        return None if known is None else known.note()


def _alarm(known: LogState, last: Checkpoint, other: Checkpoint) -> None:
    text = f"The log {known.origin} signed two trees of size {last.size}: it is forked."
    evidence = known.raise_alarm(text, f"{known.note()}\n\n{text_of(other)}")
    log.error(text, extra={"fields": {"evidence": str(evidence)}})


def text_of(checkpoint: Checkpoint) -> str:
    """Write a checkpoint as it was signed."""
    return checkpoint.note.text + "\n" + "".join(one.line() for one in checkpoint.note.signatures)


DESK = web.AppKey("desk", Desk)


def application(desk: Desk) -> web.Application:
    """Make the HTTP side of a witness."""
    app = web.Application(client_max_size=BODY_MAX_BYTES)
    app[DESK] = desk
    app.router.add_post("/add-checkpoint", _add_checkpoint)
    app.router.add_get("/{origin:[0-9a-f]{64}}/checkpoint", _checkpoint)
    return app


async def _add_checkpoint(request: web.Request) -> web.Response:
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            body = await request.read()
    except TimeoutError:
        return web.Response(status=408, text="The body came too slowly.\n")
    desk = request.app[DESK]
    try:
        line = await asyncio.to_thread(lambda: desk.add(read_submission(body)))
    except Refused as refused:
        return _refused(refused)
    except (StateRefused, OSError) as error:
        log.error("cannot keep checkpoints", extra={"fields": {"why": str(error)}})  # noqa: TRY400
        return web.Response(status=503, text="The witness cannot keep checkpoints now.\n")
    return web.Response(text=line)


def _refused(refused: Refused) -> web.Response:
    fields = {"status": refused.what.value, "why": str(refused)}
    log.warning("a checkpoint was not cosigned", extra={"fields": fields})
    if refused.what is What.ELSEWHERE:
        return web.Response(status=409, text=f"{refused.size}\n", content_type=SIZE)
    return web.Response(status=refused.what.value, text=f"{refused}\n")


async def _checkpoint(request: web.Request) -> web.Response:
    note = await asyncio.to_thread(request.app[DESK].note, request.match_info["origin"])
    if note is None:
        return web.Response(status=404, text="No checkpoint of such a log was cosigned here.\n")
    return web.Response(text=note, headers={"Cache-Control": "public, max-age=1"})
