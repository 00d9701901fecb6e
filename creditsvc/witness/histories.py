"""Holds the histories of the organisations against the log: what they show, it must have.

A service that wants to be looked at for ever can show a history without an end, so each is bounded; one that
cannot be read does not keep the others from being read.
"""

from datetime import datetime
from typing import Any

from creditsvc.domain import instants
from creditsvc.witness.faults import FAULTS_MAX, Faults
from creditsvc.witness.memory import Memory, Reading
from creditsvc.witness.remote import ITEM_MAX_BYTES, PAGE_MAX_BYTES, Remote, Unanswered, Unreadable

PAGE = PAGE_MAX_BYTES // ITEM_MAX_BYTES
REQUESTS_BEYOND = 1_000  # for what a history has that the log did not have yet when it was read
UNREAD_MAX = 10  # histories that cannot be read, before the look is given up


class Histories:
    """The histories of all organisations that a reading found in the log."""

    def __init__(self, remote: Remote, memory: Memory, reading: Reading, faults: Faults) -> None:
        self._remote = remote
        self._memory = memory
        self._reading = reading
        self._faults = faults

    async def compare(self, horizon: datetime) -> None:
        """Look for events recorded before an instant that the log does not have.

        And for what was in the log once and was not found in this full reading. Raises ``Unanswered`` when
        some could not be read, and the others were.
        """
        for one in self._memory.gone(FAULTS_MAX):
            self._faults.add(
                f"position {one.position}, {one.entity}, {one.kind} {one.number}: it was in the log, "
                f"which has {one.found or 'none'} as the last of them now"
            )
        unread: list[str] = []
        for entity, last in self._memory.entities(self._reading):
            if self._faults.are_many or len(unread) >= UNREAD_MAX:
                break
            try:
                await self._one(entity, last, horizon)
            except Unanswered as unanswered:
                unread.append(f"the history of {entity}: {unanswered}")
        if unread:
            raise Unanswered("; ".join(unread))

    async def _one(self, entity: str, last: int, horizon: datetime) -> None:
        """Read a history to its end; every page but the last has events, and their sequences rise."""
        query: dict[str, str] = {}
        count, before = PAGE, 0
        for _ in range(last + REQUESTS_BEYOND):  # a page has one event at least
            try:
                page = await self._remote.history(entity, count, query)
            except Unreadable:
                if count == 1:
                    raise
                count //= 2
                continue
            match page:
                case None:
                    return
                case {"items": list(items), "next": None | str() as cursor}:
                    pass
                case _:
                    raise Unreadable("it is not answered as one")
            for item in items:
                before = self._follow(entity, item, before)
                if before > last:
                    self._unlogged(entity, item, horizon)
            if cursor is None:
                return
            if not items:
                raise Unreadable("a page is empty, and is said not to be the last")
            query["cursor"] = cursor
        raise Unreadable("it has no end")

    @staticmethod
    def _follow(entity: str, item: Any, before: int) -> int:
        match item:
            case {"sequence": int(sequence), "recorded_at": str()} if sequence > before:
                return sequence
        raise Unreadable(f"an event after {before} of {entity} is none, or not in order")

    def _unlogged(self, entity: str, item: Any, horizon: datetime) -> None:
        recorded = item["recorded_at"]
        try:
            recorded_at = instants.parse(recorded)
        except ValueError as error:
            raise Unreadable("it has a time that is none") from error
        if recorded_at < horizon:
            self._faults.add(
                f"{entity}, event {item['sequence']}: the history shows it as recorded at {recorded}, and "
                "the log does not have it"
            )
