"""A load from end to end: look the file over, send it window by window, keep how far it has come.

A window is read and mapped while the one before it is on its way; its rows are dealt to several senders so
that the rows of one organisation stay in file order. When every row of a window has its answer, the
rejected ones are written down and then the standing is kept, both durably, in this order.
"""

import asyncio
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

import aiohttp
import orjson

from creditsvc.domain import events
from creditsvc.domain.catalogue import Catalogue
from creditsvc.errors import Refusal, Violation
from creditsvc.loading import reading
from creditsvc.loading.mapping import EVENT_MAX_BYTES, FileMapping
from creditsvc.loading.outcomes import Outcome, Report, Standing, StateFile, Tally
from creditsvc.loading.pushing import BATCH_MAX_BYTES, REQUEST_TIMEOUT_S, Destination, Ingest
from creditsvc.loading.repeats import RepeatFinder, digest_of
from creditsvc.loading.windows import Sending, Settled, Window, batches, prepared, windows

BATCHES_PER_LANE = 2  # in a window: enough to keep senders busy, little to hold and to send again
PROBE_ROWS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to load, where, and in which portions."""

    file: Path
    mapping_text: str
    destination: Destination
    state_file: Path
    report_file: Path
    batch: int  # events in one request
    concurrency: int  # requests at a time
    resume: bool


class Monitor(Protocol):
    """Who watches a load."""

    def begin(self, rows: int, done: int) -> None:
        """Show that the file has ``rows`` rows, ``done`` of them answered in an earlier run."""

    def advance(self, rows: int) -> None:
        """Show that ``rows`` more rows have been answered."""

    def notice(self, text: str) -> None:
        """Say something that people should know."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What the first pass over a file finds; nothing is sent before the whole file could be read."""

    rows: int
    repeated: set[bytes]
    sha256: str


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What a load would do, as far as the mapping alone can tell."""

    tally: Tally  # "accepted" are those that would be sent
    first: bytes | None  # the first event


def survey(file: Path, mapping: FileMapping) -> Survey:
    """Read the whole file: count its rows, and find those that may speak again of a record."""
    header = reading.header_of(file, mapping.file)
    if header is not None:
        mapping.check_columns(header)
    finder = RepeatFinder(file.stat().st_size)
    rows = 0
    for row in reading.rows_of(file, mapping.file):
        rows = row.number
        if mapping.repeat is not None and row.fault is None:
            identity = mapping.identity(row.values)
            if identity is not None:
                finder.see(digest_of(identity))
    return Survey(rows, finder.repeated, reading.sha256_of(file))


def rehearse(plan: Plan, rules: Catalogue, now: datetime) -> Rehearsal:
    """Map every row, hold it against the catalogue, and send none.

    The report of rejected rows is written as by a load. What the service alone knows stays open: the rights
    of the key, the records it has.
    """
    mapping = FileMapping.parse(plan.mapping_text)
    found = survey(plan.file, mapping)
    report, tally, first = Report(plan.report_file, 0), Tally(), None
    for row in _rows(plan, mapping, found, 0):
        if isinstance(row, Sending):
            first = first or row.content
            outcome = _expected(row, rules, now)
        else:
            outcome = row.outcome
        tally.count(outcome.fate)
        report.add([(row.row, outcome.violations)])
    return Rehearsal(tally, first)


def _expected(row: Sending, rules: Catalogue, now: datetime) -> Outcome:
    try:
        events.decode(orjson.loads(row.content), rules, now, max_bytes=EVENT_MAX_BYTES)
    except Refusal as refusal:
        return Outcome("rejected", refusal.violations or (Violation("", refusal.slug, refusal.detail),))
    return Outcome("accepted")


async def load(plan: Plan, monitor: Monitor) -> Tally:
    """Send every row of the file and give what became of them.

    Raises ``LoadStopped``. However it ends before the last answer, its standing stays in the state file.
    """
    mapping = FileMapping.parse(plan.mapping_text)
    found = await asyncio.to_thread(survey, plan.file, mapping)
    timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S, sock_connect=10)
    connector = aiohttp.TCPConnector(limit=plan.concurrency)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        ingest = Ingest(session, plan.destination, monitor.notice)
        run = _Run(plan, mapping, found, ingest, monitor)
        return await run.finish()


class _Run:
    def __init__(
        self, plan: Plan, mapping: FileMapping, found: Survey, ingest: Ingest, monitor: Monitor
    ) -> None:
        self.plan, self.mapping, self.found = plan, mapping, found
        self.ingest, self.monitor = ingest, monitor
        self.state = StateFile(plan.state_file)

    async def finish(self) -> Tally:
        standing = await self._start()
        report = Report(self.plan.report_file, standing.report_bytes)
        self.monitor.begin(self.found.rows, standing.tally.rows)
        rows = _rows(self.plan, self.mapping, self.found, standing.tally.rows)
        lane_rows = self.plan.batch * BATCHES_PER_LANE
        ready = windows(rows, lane_rows * self.plan.concurrency)
        window = await asyncio.to_thread(next, ready, None)
        while window is not None:
            following = asyncio.create_task(asyncio.to_thread(next, ready, None))
            try:
                outcomes = await self._push(window)
                self._settle(outcomes, standing, report)
                window = await following
            finally:  # cut off, the file must not be read any further under our feet
                await asyncio.gather(following, return_exceptions=True)
        self.state.remove()
        return standing.tally

    def _settle(self, outcomes: dict[int, Outcome], standing: Standing, report: Report) -> None:
        for row in sorted(outcomes):
            standing.tally.count(outcomes[row].fate)
        report.add((row, outcomes[row].violations) for row in sorted(outcomes))
        standing.report_bytes = report.length
        self.state.write(standing)

    async def _start(self) -> Standing:
        fresh = Standing(self._identity())
        kept = self.state.read() if self.plan.resume else None
        if kept is None:
            return fresh
        if kept.load != fresh.load:
            self.monitor.notice(
                "the state file is of another load: file, mapping or address differ; starting anew"
            )
        elif not self._has_report(kept):
            self.monitor.notice("the report of rejected rows is not as it was left; starting anew")
        elif not await self._is_known(kept):
            self.monitor.notice("the service does not hold what it had acknowledged here; starting anew")
        else:
            return kept
        return fresh

    def _identity(self) -> str:
        parts = (self.found.sha256, self.plan.mapping_text, self.plan.destination.url.rstrip("/"))
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def _has_report(self, kept: Standing) -> bool:
        path = self.plan.report_file
        return kept.report_bytes == 0 or (path.exists() and path.stat().st_size >= kept.report_bytes)

    async def _is_known(self, kept: Standing) -> bool:
        """Whether the service at this address still has the last rows it answered.

        It may have been set up anew since; going on would then leave a hole that nobody sees.
        """
        done = kept.tally.rows
        tail: list[bytes] = []
        for row in _rows(self.plan, self.mapping, self.found, max(0, done - PROBE_ROWS)):
            if row.row > done:
                break
            if isinstance(row, Sending):
                tail.append(row.content)
        outcomes = await self.ingest.send(tail) if tail else []
        return all(outcome.fate != "accepted" for outcome in outcomes)

    async def _push(self, window: Window) -> dict[int, Outcome]:
        outcomes = {settled.row: settled.outcome for settled in window.settled}
        self.monitor.advance(len(window.settled))
        try:
            async with asyncio.TaskGroup() as senders:
                for lane in window.lanes(self.plan.concurrency):
                    senders.create_task(self._push_lane(lane, outcomes))
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        return outcomes

    async def _push_lane(self, lane: list[Sending], outcomes: dict[int, Outcome]) -> None:
        for batch in batches(lane, self.plan.batch, BATCH_MAX_BYTES):
            answers = await self.ingest.send([sending.content for sending in batch])
            for sending, outcome in zip(batch, answers, strict=True):
                outcomes[sending.row] = outcome
            self.monitor.advance(len(batch))


def _rows(plan: Plan, mapping: FileMapping, found: Survey, after: int) -> Iterator[Sending | Settled]:
    return prepared(mapping, reading.rows_of(plan.file, mapping.file), found.repeated, after)
