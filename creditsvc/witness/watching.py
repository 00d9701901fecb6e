"""A witness that looks by itself: fetches a checkpoint, checks that it continues the last, cosigns it.

One look has a deadline, and what is found wrong is told and kept at once: a log that did not keep its word
could answer so slowly, or so much, that no look ends.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from creditsvc.ledger import tiles
from creditsvc.verifier.log import Checkpoint, parse_checkpoint
from creditsvc.verifier.wrong import Wrong
from creditsvc.witness.checking import Refused, check, require_signed
from creditsvc.witness.cosigning import Cosigner
from creditsvc.witness.faults import Faults
from creditsvc.witness.following import Follower, sweep
from creditsvc.witness.histories import Histories
from creditsvc.witness.memory import CLOCKS_DIFFER_S, Memory, Reading, remembered
from creditsvc.witness.remote import Remote, Unanswered
from creditsvc.witness.serving import text_of
from creditsvc.witness.state import LogState
from creditsvc.witness.tree import Tree

OLDER_LOOKS = 3  # what is between us and the log may show an older checkpoint for a moment
OLDER_PAUSE_S = 1.0
LOOK_MAX_S = 3_600.0
READING = {False: Reading.FOLLOWING, True: Reading.FULL}


class Alarmed(Exception):  # noqa: N818  it says what happened
    """The log did not keep its word, now or before: it is not cosigned until an operator has looked."""

    def __init__(self, faults: list[str], evidence: Path | None) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults
        self.evidence = evidence  # None: the alarm stood already


class Unfinished(Unanswered):
    """The log could not be read to its end in time; what was read while following is kept."""

    advice = (
        "Give it longer with --patience. If it is no slow line, ask the log's operator why it takes so long."
    )


@dataclass(frozen=True, slots=True)
class Manner:
    """For how long to look at most, and who hears of what is found wrong, and of how far it is.

    With a fault comes the file of the evidence; None when it cannot be written.
    """

    patience_s: float = LOOK_MAX_S
    alarmed: Callable[[str, Path | None], None] = lambda *_: None
    told: Callable[[int, int], None] = lambda *_: None


class _Alarm:
    """The alarm of one look: raised at its first fault, and completed at its end."""

    def __init__(self, log: LogState, alarmed: Callable[[str, Path | None], None]) -> None:
        self.faults = Faults(self._found)
        self.checkpoint: Checkpoint | None = None  # what is shown
        self.path: Path | None = None
        self._log = log
        self._alarmed = alarmed

    def _found(self, fault: str) -> None:
        try:
            if self.path is None:
                self.path = self._raise()
        finally:
            self._alarmed(fault, self.path)

    def complete(self) -> None:
        """Write all that was found in the end; raises ``Alarmed`` if anything was."""
        if len(self.faults.wrong) > 1:
            self._raise()
        if self.faults.wrong:
            raise Alarmed(self.faults.wrong, self.path)

    def _raise(self) -> Path:
        last = self._log.note() or "no checkpoint was cosigned before\n"
        shown = "" if self.checkpoint is None else text_of(self.checkpoint)
        evidence = f"cosigned last:\n\n{last}\n\nshown now:\n\n{shown}"
        return self._log.raise_alarm("\n".join(self.faults.wrong), evidence, self.path)


class Watcher:
    """Watches one log. ``full``: the next look reads everything again from the start."""

    def __init__(
        self,
        remote: Remote,
        known: LogState,
        cosigner: Cosigner,
        manner: Manner | None = None,
        *,
        full: bool = False,
    ) -> None:
        self._remote = remote
        self._log = known
        self._cosigner = cosigner
        self._manner = manner or Manner()
        self._full = full
        self.parted = 0  # how many statements of organisations the last look read in part

    async def look(self) -> tuple[Checkpoint, list[str]]:
        """Look once; gives the checkpoint, cosigned, and what is late.

        Raises ``Alarmed`` when the log did not keep its word, and ``Unanswered`` when it could not be seen.
        """
        standing = self._log.alarm()
        if standing is not None:
            raise Alarmed([standing.strip()], None)
        alarm = _Alarm(self._log, self._manner.alarmed)
        try:
            async with asyncio.timeout(self._manner.patience_s):
                checkpoint = await self._look(alarm)
        except (Unanswered, OSError, sqlite3.Error) as error:
            alarm.complete()  # no silence makes up for what was found before it
            if isinstance(error, TimeoutError):
                raise Unfinished(f"it was not read within {self._manner.patience_s:g} s") from error
            raise
        alarm.complete()
        self.parted = alarm.faults.parted
        self._full = False
        return checkpoint, alarm.faults.late

    async def _look(self, alarm: _Alarm) -> Checkpoint:
        at = datetime.now(UTC)
        last = self._log.last()
        checkpoint = alarm.checkpoint = await self._checkpoint(last)
        faults = alarm.faults
        if last is not None and checkpoint.size < last.size:
            faults.add(
                f"The log went back: it shows {checkpoint.size} entries, and it had signed {last.size}."
            )
            return checkpoint
        tree = Tree(self._remote, checkpoint)
        if last is None or checkpoint.size != last.size or checkpoint.root != last.root:
            await self._continue(last, checkpoint, tree, faults)
            if faults.wrong:
                return checkpoint
            self._log.keep(checkpoint, self._cosigner, int(time.time()))
        await self._read(tree, at, faults)
        return checkpoint

    async def _checkpoint(self, last: Checkpoint | None) -> Checkpoint:
        """Fetch the newest checkpoint; one older than the last only if it stays so."""
        checkpoint = self._signed(await self._remote.checkpoint())
        for _ in range(OLDER_LOOKS - 1):
            if last is None or checkpoint.size >= last.size:
                break
            await asyncio.sleep(OLDER_PAUSE_S)
            checkpoint = self._signed(await self._remote.checkpoint())
        return checkpoint

    def _signed(self, text: str) -> Checkpoint:
        try:
            checkpoint = parse_checkpoint(text)
            require_signed(checkpoint, self._log.origin, self._log.key)
        except (Wrong, Refused) as wrong:
            raise Unanswered(f"what the log gives as its checkpoint is none of its own: {wrong}") from wrong
        return checkpoint

    @staticmethod
    async def _continue(last: Checkpoint | None, checkpoint: Checkpoint, tree: Tree, faults: Faults) -> None:
        """Check that the checkpoint continues the last one, by a proof made from its own tiles.

        All that is fetched is fetched first: between a proof that fails and the alarm, the log is not asked.
        """
        old = 0 if last is None else last.size
        wrong: list[str] = []
        if checkpoint.size != old:  # else the two roots say it all
            needed = {
                *tiles.Edge.places(checkpoint.size),
                *tiles.needed_for_consistency(old, checkpoint.size),
            }
            wrong = [str(one) for one in await tree.faults(sorted(needed))]
        proof = await tree.consistency(old)
        try:
            check(last, checkpoint, old, proof)
        except Refused as refused:
            fork = (
                f"The log is forked: its checkpoint of size {checkpoint.size} does not continue the one of "
                f"size {old} that it had signed: {refused}."
            )
            wrong = wrong or [fork]
        for one in wrong:
            faults.add(one)

    async def _read(self, tree: Tree, at: datetime, faults: Faults) -> None:
        """Read what there is to read: entries with a key, else tiles where a full look was asked for."""
        told = self._manner.told
        if not self._remote.has_key:
            if self._full:
                await sweep(tree, faults, told)
            return
        max_delay_s = await self._remote.max_delay_s()
        with remembered(self._log.memory) as memory:
            memory.see(tree.size, at, max_delay_s)
            follower = Follower(self._remote, tree, memory, READING[self._full], faults)
            if not self._full:
                await follower.read(max_delay_s, told)
                return
            memory.begin_full()
            await follower.read(max_delay_s, told)
            await sweep(tree, faults)
            await self._compare(memory, at - timedelta(seconds=max_delay_s + CLOCKS_DIFFER_S), faults)

    async def _compare(self, memory: Memory, horizon: datetime, faults: Faults) -> None:
        await Histories(self._remote, memory, Reading.FULL, faults).compare(horizon)
        if not faults.wrong:
            memory.adopt_full()
