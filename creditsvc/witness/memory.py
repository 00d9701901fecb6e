"""What a witness remembers of a log's entries, in a SQLite file of its own: little, and enough to catch it.

Of each entity the last event and the last notice; when sizes of the log were first seen; how far it has read.
A full reading is kept apart until it is done, beside what is known from following.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

from creditsvc.domain import instants
from creditsvc.witness.entries import Entry

KEEP_EVERY_S = 60.0  # of the sizes seen, one a minute is enough
CLOCKS_DIFFER_S = 5.0  # the log's and ours, and for how long a checkpoint may have been cached

SCHEMA = """
create table if not exists last (
    reading integer not null,
    entity text not null,
    kind text not null,
    number integer not null,
    recorded_us integer not null,
    position integer not null,
    primary key (reading, entity, kind)
) strict, without rowid;
create table if not exists reading (
    reading integer primary key,
    size integer not null,
    latest_us integer not null
) strict;
create table if not exists seen (
    size integer primary key,
    at_us integer not null,
    bound_us integer not null
) strict;
"""
FIND_LAST = "select number, recorded_us from last where reading = ? and entity = ? and kind = ?"
KEEP_LAST = "insert or replace into last values (?, ?, ?, ?, ?, ?)"
FIND_READING = "select size, latest_us from reading where reading = ?"
KEEP_READING = "insert or replace into reading values (?, ?, ?)"
FIND_NEWEST_SEEN = "select size, at_us from seen order by size desc limit 2"
FORGET_SEEN = "delete from seen where size = ?"
KEEP_SEEN = "insert or replace into seen values (?, ?, ?)"
FIND_BOUND = "select bound_us from seen where size <= ? order by size desc limit 1"
FIND_GONE = """
select known.entity, known.kind, known.number, known.position, coalesce(found.number, 0)
from last as known
left join last as found on found.reading = 1 and found.entity = known.entity and found.kind = known.kind
where known.reading = 0 and known.number > coalesce(found.number, 0)
order by known.position
limit ?
"""
FIND_ENTITIES = """
select entity, number from last where reading = ? and kind = 'event' and entity > ? order by entity limit 1000
"""
FORGET_LAST = "delete from last where reading = ?"
FORGET_READING = "delete from reading where reading = ?"
ADOPT_LAST = "update last set reading = 0 where reading = 1"
ADOPT_READING = "update reading set reading = 0 where reading = 1"


class Reading(IntEnum):
    """Which reading: the one that follows the log, or one that begins again from the start."""

    FOLLOWING = 0
    FULL = 1


class Progress(NamedTuple):
    """How far a reading is, and the latest time recorded in what it read (microseconds since 1970)."""

    size: int
    latest_us: int


class Gone(NamedTuple):
    """An entry that was read once, and that a full reading did not find."""

    entity: str
    kind: str
    number: int
    position: int
    found: int


class Memory:
    """The file, open."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def progress(self, reading: Reading) -> Progress:
        row = self._connection.execute(FIND_READING, (reading,)).fetchone()
        return Progress(0, 0) if row is None else Progress(*row)

    def advance(self, reading: Reading, progress: Progress) -> None:
        """Keep how far a reading is, with all that was entered meanwhile, durably."""
        self._connection.execute(KEEP_READING, (reading, *progress))
        self._connection.commit()

    def last(self, reading: Reading, entry: Entry) -> tuple[int, int]:
        """Give the last number of an entry's entity and kind, and when it was recorded; 0 where none is."""
        row = self._connection.execute(FIND_LAST, (reading, entry.entity, entry.kind)).fetchone()
        return (0, 0) if row is None else (row[0], row[1])

    def enter(self, reading: Reading, entry: Entry) -> None:
        recorded_us = instants.microseconds(entry.recorded_at)
        values = (reading, entry.entity, entry.kind, entry.number, recorded_us, entry.position)
        self._connection.execute(KEEP_LAST, values)

    def see(self, size: int, at: datetime, max_delay_s: float) -> None:
        """Keep that the log had no more than this size at an instant, and what delay it promised then."""
        at_us = instants.microseconds(at)
        seen = self._connection.execute(FIND_NEWEST_SEEN).fetchall()
        if len(seen) == 2 and seen[0][1] - seen[1][1] < KEEP_EVERY_S * instants.MICROSECONDS:
            self._connection.execute(FORGET_SEEN, (seen[0][0],))
        bound_us = instants.microseconds(at - timedelta(seconds=max_delay_s + CLOCKS_DIFFER_S))
        self._connection.execute(KEEP_SEEN, (size, at_us, bound_us))
        self._connection.commit()

    def bound_us(self, position: int) -> int:
        """Give the time before which nothing may be recorded that stands at a position or later."""
        row = self._connection.execute(FIND_BOUND, (position,)).fetchone()
        return 0 if row is None else int(row[0])

    def gone(self, most: int) -> list[Gone]:
        """Give what following had seen and a full reading of at least as much did not find."""
        return [Gone(*row) for row in self._connection.execute(FIND_GONE, (most,))]

    def entities(self, reading: Reading) -> Iterator[tuple[str, int]]:
        """Give every entity that was read, with its last event's sequence."""
        after = ""
        while rows := self._connection.execute(FIND_ENTITIES, (reading, after)).fetchall():
            yield from rows
            after = rows[-1][0]

    def begin_full(self) -> None:
        self._connection.execute(FORGET_LAST, (Reading.FULL,))
        self._connection.execute(FORGET_READING, (Reading.FULL,))
        self._connection.commit()

    def adopt_full(self) -> None:
        """Go on from where a full reading came to."""
        self._connection.execute(FORGET_LAST, (Reading.FOLLOWING,))
        self._connection.execute(FORGET_READING, (Reading.FOLLOWING,))
        self._connection.execute(ADOPT_LAST)
        self._connection.execute(ADOPT_READING)
        self._connection.commit()


@contextmanager
def remembered(path: Path) -> Iterator[Memory]:
    """Open the file, made where there is none."""
    connection = sqlite3.connect(path)
    try:
        connection.execute("pragma journal_mode = wal")
        connection.executescript(SCHEMA)
        yield Memory(connection)
    finally:
        connection.close()


def instant(us: int) -> str:
    """Write microseconds since 1970 as an instant."""
    return instants.text(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us))
