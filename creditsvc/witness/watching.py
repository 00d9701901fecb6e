"""A witness that looks by itself: fetches a checkpoint, checks that it continues the last, cosigns it."""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from creditsvc.ledger import tiles
from creditsvc.verifier import Checkpoint, Wrong, parse_checkpoint
from creditsvc.witness.checking import Refused, check, require_signed
from creditsvc.witness.cosigning import Cosigner
from creditsvc.witness.following import Faults, Follower, sweep
from creditsvc.witness.memory import CLOCKS_DIFFER_S, Memory, Reading, remembered
from creditsvc.witness.remote import Remote, Unanswered
from creditsvc.witness.serving import text_of
from creditsvc.witness.state import LogState
from creditsvc.witness.tree import Tree

log = logging.getLogger(__name__)

OLDER_LOOKS = 3  # what is between us and the log may show an older checkpoint for a moment
OLDER_PAUSE_S = 1.0
READING = {False: Reading.FOLLOWING, True: Reading.FULL}


class Alarmed(Exception):  # noqa: N818  it says what happened
    """The log did not keep its word, now or before: it is not cosigned until an operator has looked."""

    def __init__(self, faults: list[str], evidence: Path | None) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults
        self.evidence = evidence  # None: the alarm stood already


class Watcher:
    """Watches one log. ``full``: the next look reads everything again from the start."""

    def __init__(
        self,
        remote: Remote,
        known: LogState,
        cosigner: Cosigner,
        *,
        full: bool = False,
        told: Callable[[int, int], None] = lambda *_: None,
    ) -> None:
        self._remote = remote
        self._log = known
        self._cosigner = cosigner
        self._full = full
        self._told = told

    async def look(self) -> tuple[Checkpoint, list[str]]:
        """Look once; gives the checkpoint, cosigned, and what is late.

        Raises ``Alarmed`` when the log did not keep its word, and ``Unanswered`` when it could not be seen.
        """
        standing = self._log.alarm()
        if standing is not None:
            raise Alarmed([standing.strip()], None)
        at = datetime.now(UTC)
        last = self._log.last()
        checkpoint = await self._checkpoint(last)
        tree = Tree(self._remote, checkpoint)
        if last is None or checkpoint.size != last.size or checkpoint.root != last.root:
            await self._continue(last, checkpoint, tree)
            line = self._log.keep(checkpoint, self._cosigner, int(time.time()))
            fields = {"log": checkpoint.origin, "size": checkpoint.size, "cosignature": line.strip()}
            log.info("cosigned", extra={"fields": fields})
        faults = await self._read(checkpoint, tree, at)
        if faults.wrong:
            self._alarm(faults.wrong, checkpoint)
        self._full = False
        return checkpoint, faults.late

    async def _checkpoint(self, last: Checkpoint | None) -> Checkpoint:
        """Fetch the newest checkpoint; one that stays older than the last is an alarm."""
        checkpoint = self._signed(await self._remote.checkpoint())
        for _ in range(OLDER_LOOKS - 1):
            if last is None or checkpoint.size >= last.size:
                break
            await asyncio.sleep(OLDER_PAUSE_S)
            checkpoint = self._signed(await self._remote.checkpoint())
        if last is not None and checkpoint.size < last.size:
            why = f"The log went back: it shows {checkpoint.size} entries, and it had signed {last.size}."
            self._alarm([why], checkpoint)
        return checkpoint

    def _signed(self, text: str) -> Checkpoint:
        try:
            checkpoint = parse_checkpoint(text)
            require_signed(checkpoint, self._log.origin, self._log.key)
        except (Wrong, Refused) as wrong:
            raise Unanswered(f"what the log gives as its checkpoint is none of its own: {wrong}") from wrong
        return checkpoint

    async def _continue(self, last: Checkpoint | None, checkpoint: Checkpoint, tree: Tree) -> None:
        """Check that the checkpoint continues the last one, by a proof made from its own tiles."""
        old = 0 if last is None else last.size
        needed = set(tiles.Edge.places(checkpoint.size)) | tiles.needed_for_consistency(old, checkpoint.size)
        try:
            check(last, checkpoint, old, await tree.consistency(old))
        except Refused as refused:
            wrong = [] if refused.is_fork else [str(one) for one in await tree.faults(sorted(needed))]
            fork = (
                f"The log is forked: its checkpoint of size {checkpoint.size} does not continue the one of "
                f"size {old} that it had signed: {refused}."
            )
            self._alarm(wrong or [fork], checkpoint)
        wrong = [str(one) for one in await tree.faults(sorted(needed))]
        if wrong:
            self._alarm(wrong, checkpoint)

    async def _read(self, checkpoint: Checkpoint, tree: Tree, at: datetime) -> Faults:
        """Read what there is to read: entries with a key, else tiles where a full look was asked for."""
        if not self._remote.has_key:
            return await sweep(tree, self._told) if self._full else Faults()
        max_delay_s = await self._remote.max_delay_s()
        with remembered(self._log.memory) as memory:
            memory.see(checkpoint.size, at, max_delay_s)
            follower = Follower(self._remote, tree, memory, READING[self._full])
            try:
                if self._full:
                    horizon = at - timedelta(seconds=max_delay_s + CLOCKS_DIFFER_S)
                    await self._read_all(follower, tree, memory, max_delay_s, horizon)
                else:
                    await follower.read(max_delay_s, self._told)
            except Unanswered:
                if not follower.faults.wrong:  # no silence makes up for what was found before it
                    raise
            return follower.faults

    async def _read_all(
        self, follower: Follower, tree: Tree, memory: Memory, max_delay_s: float, horizon: datetime
    ) -> None:
        memory.begin_full()
        await follower.read(max_delay_s, self._told)
        faults = follower.faults
        faults.wrong += [one for one in (await sweep(tree)).wrong if one not in faults.wrong]
        await follower.compare_histories(horizon)
        if not faults.wrong:
            memory.adopt_full()

    def _alarm(self, faults: list[str], checkpoint: Checkpoint) -> None:
        text = "\n".join(faults)
        last = self._log.note() or "no checkpoint was cosigned before\n"
        evidence = f"cosigned last:\n\n{last}\n\nshown now:\n\n{text_of(checkpoint)}"
        path = self._log.raise_alarm(text, evidence)
        for fault in faults:
            fields = {"log": checkpoint.origin, "fault": fault, "evidence": str(path)}
            log.error("the log did not keep its word", extra={"fields": fields})
        raise Alarmed(faults, path)
