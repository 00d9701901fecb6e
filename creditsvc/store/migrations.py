"""Bring the schema up to date: plain SQL files, in order, each once.

A file ``NNNN_name.pre.sql`` or ``NNNN_name.post.sql`` has a section ``-- up`` and a section ``-- down``. What
the code of both versions can live with comes *before* the new code is started, in ``pre``; what the old code
could not live with comes *after* the last of it has gone, in ``post``. So a ``pre`` must not count on the
``post`` of the number before it having run, unless that shipped in an earlier release.
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal, Self

import asyncpg

import schema
from creditsvc.errors import Unavailable
from creditsvc.store.database import Connection, connect

Phase = Literal["pre", "post"]

_ROLES = (schema.ROOT / "roles.sql").read_text(encoding="utf-8")
DIRECTORY = schema.ROOT / "migrations"
OLDEST_SERVER = 16  # the first where a role may be taken without its rights being inherited
LOCK_TIMEOUT_MS = 5_000  # a lock that a migration waits for makes every later query wait behind it

_PREPARE = """
create schema if not exists creditsvc;
create table if not exists migration (
    number integer not null,
    name text not null,
    phase text not null check (phase in ('pre', 'post')),
    checksum bytea not null check (octet_length(checksum) = 32),
    applied_at timestamptz not null default clock_timestamp(),
    primary key (number, phase)
);
comment on table migration is 'What was done to this schema, file by file; checksum: SHA-256 of the file';
"""
_PREPARED = "select to_regclass('creditsvc.migration') is not null"
_ROLES_READY = """
select count(*) = 5 from pg_roles
where rolname in ('creditsvc_append', 'creditsvc_lookup', 'creditsvc_sequence', 'creditsvc_access',
                  'creditsvc_erase')
  and pg_has_role(oid, 'SET')
"""
_APPLIED = "select number, name, phase, checksum from migration"
_NOTE_DONE = "insert into migration (number, name, phase, checksum) values ($1, $2, $3, $4)"
_NOTE_UNDONE = "delete from migration where number = $1 and name = $2 and phase = $3 and checksum = $4"

_TURN_TIMEOUT_MS = 15 * 60_000  # for another process that is migrating already
_TURN_KEY = 0x6372656469747376  # "creditsv", an advisory lock of the database
_ROLE_ATTEMPTS = 10
_ROLE_PAUSE_S = 0.05


class MigrationFailed(Unavailable):
    """The schema cannot be brought up to date; the detail says what to do. What was begun is undone."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: what it is called, how it is done and undone."""

    number: int
    name: str
    phase: Phase
    up: str
    down: str
    checksum: bytes  # SHA-256 of the file

    @property
    def label(self) -> str:
        return f"{self.number:04}_{self.name}.{self.phase}"

    @property
    def order(self) -> tuple[int, bool]:
        return (self.number, self.phase == "post")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file; ``ValueError`` when its name or its sections are not as they must be."""
        named = re.fullmatch(r"([0-9]{4})_([a-z0-9_]+)\.(pre|post)\.sql", path.name)
        content = path.read_bytes()
        cut = re.fullmatch(r"-- up\n(.*)^-- down\n(.*)", content.decode(), re.DOTALL | re.MULTILINE)
        if named is None or cut is None:
            raise ValueError(f"{path.name} is not NNNN_name.pre.sql or .post.sql with '-- up' and '-- down'")
        phase: Phase = "pre" if named[3] == "pre" else "post"
        return cls(int(named[1]), named[2], phase, cut[1], cut[2], hashlib.sha256(content).digest())


def read_all(directory: Path = DIRECTORY) -> list[Migration]:
    """Read the migrations in the order in which they are done; ``ValueError`` for two with one number."""
    migrations = sorted((Migration.read(path) for path in directory.glob("*.sql")), key=lambda m: m.order)
    for one, next_one in pairwise(migrations):
        if one.order == next_one.order or (one.number == next_one.number and one.name != next_one.name):
            raise ValueError(f"{one.label} and {next_one.label} have one number")
    return migrations


async def migrate(
    dsn: str,
    *,
    phase: Literal["pre", "post", "all"] = "all",
    report: Callable[[str], None],
    directory: Path = DIRECTORY,
    lock_timeout_ms: int = LOCK_TIMEOUT_MS,
) -> list[str]:
    """Do what is still to be done, telling ``report`` of each migration; return their labels.

    Processes that start together do it once: the others wait for their turn and find nothing left.
    Raises ``MigrationFailed``.
    """
    migrations = read_all(directory)
    async with _turn(dsn) as connection:
        await _prepare(connection)
        applied = await _applied(connection)
        _check(migrations, applied)
        todo = [m for m in migrations if m.order not in applied and phase in (m.phase, "all")]
        for migration in todo:
            report(f"migrating {migration.label}")
            await _step(connection, migration, migration.up, _NOTE_DONE, lock_timeout_ms)
        ahead = applied.keys() - {m.order for m in migrations}
        if ahead:
            report(f"the database is ahead of this code by {len(ahead)} migrations")
    return [m.label for m in todo]


async def rollback(
    dsn: str, to: int, *, directory: Path = DIRECTORY, lock_timeout_ms: int = LOCK_TIMEOUT_MS
) -> list[str]:
    """Undo every migration with a number above ``to``, the last first; return their labels.

    What they made is lost with what it holds. Raises ``MigrationFailed``, also when one of them is unknown
    to this code.
    """
    migrations = {m.order: m for m in read_all(directory)}
    async with _turn(dsn) as connection:
        await _prepare(connection)
        applied = await _applied(connection)
        _check([*migrations.values()], applied)
        undone = sorted((order for order in applied if order[0] > to), reverse=True)
        for order in undone:
            if order not in migrations:
                raise MigrationFailed(
                    f"Migration {order[0]:04} is not known here: undo it with the release that has it."
                )
        for order in undone:
            migration = migrations[order]
            await _step(connection, migration, migration.down, _NOTE_UNDONE, lock_timeout_ms)
    return [migrations[order].label for order in undone]


@asynccontextmanager
async def _turn(dsn: str) -> AsyncIterator[Connection]:
    """Yield a connection whose turn it is to migrate this database."""
    try:
        connection = await connect(dsn)
    except OSError as error:
        raise MigrationFailed(f"The database cannot be reached: {error.strerror or 'no answer'}.") from error
    try:
        try:
            await connection.execute("select set_config('lock_timeout', $1, false)", str(_TURN_TIMEOUT_MS))
            await connection.execute("select pg_advisory_lock($1)", _TURN_KEY)
        except asyncpg.LockNotAvailableError:
            raise MigrationFailed("Another process has been migrating this database for too long.") from None
        yield connection
    finally:
        await connection.close()  # and with the session goes the lock


async def _prepare(connection: Connection) -> None:
    """See to what migrations stand on: the group roles, the schema, the table of what was done."""
    if connection.get_server_version().major < OLDEST_SERVER:
        raise MigrationFailed(f"PostgreSQL {OLDEST_SERVER} or later is needed.")
    await _ensure_roles(connection)
    if await connection.fetchval(_PREPARED):
        return
    try:
        async with connection.transaction():
            await connection.execute(_PREPARE)
    except asyncpg.InsufficientPrivilegeError as error:
        raise MigrationFailed(
            "The login may not make the schema creditsvc: give it the database (alter database … owner to …)."
        ) from error


async def _ensure_roles(connection: Connection) -> None:
    """Have the group roles, and the right to take them.

    Roles belong to the whole server, while the turn is that of one database: two that migrate at the same
    time may both see a role missing, and the slower one is told so by an error; then it looks again.
    """
    for _ in range(_ROLE_ATTEMPTS):
        if await connection.fetchval(_ROLES_READY):
            return
        try:
            await connection.execute(_ROLES)
        except asyncpg.InsufficientPrivilegeError as error:
            raise MigrationFailed(
                "A role of the service is missing (creditsvc_append, creditsvc_lookup, creditsvc_sequence, "
                "creditsvc_access, creditsvc_erase), or the login may not take it, and it may not see "
                "to that itself: have an administrator run schema/roles.sql, which says how."
            ) from error
        except (asyncpg.UniqueViolationError, asyncpg.DuplicateObjectError, asyncpg.InternalServerError):
            await asyncio.sleep(_ROLE_PAUSE_S)
    raise MigrationFailed("The roles of the service cannot be made: others keep changing them.")


async def _applied(connection: Connection) -> dict[tuple[int, bool], asyncpg.Record]:
    return {(row["number"], row["phase"] == "post"): row for row in await connection.fetch(_APPLIED)}


def _check(migrations: Sequence[Migration], applied: Mapping[tuple[int, bool], asyncpg.Record]) -> None:
    """Refuse to go on from what these files did not lead to."""
    for migration in migrations:
        row = applied.get(migration.order)
        if row is not None and row["checksum"] != migration.checksum:
            raise MigrationFailed(
                f"{migration.label} was changed after it had been applied: restore the file, and make the "
                "change in a new migration."
            )
        later = [
            number for number, post in applied if post == migration.order[1] and number > migration.number
        ]
        if row is None and later:
            raise MigrationFailed(
                f"{migration.label} was not applied, but the later {max(later):04} was: renumber it."
            )


async def _step(
    connection: Connection, migration: Migration, sql: str, note: str, lock_timeout_ms: int
) -> None:
    """Do or undo one migration and note it, in one transaction."""
    noted = (migration.number, migration.name, migration.phase, migration.checksum)
    try:
        async with connection.transaction():
            await connection.execute("select set_config('lock_timeout', $1, true)", str(lock_timeout_ms))
            await connection.execute(sql)
            await connection.execute(note, *noted)
    except asyncpg.LockNotAvailableError as error:
        raise MigrationFailed(
            f"{migration.label} gave up waiting {lock_timeout_ms} ms for a lock that others hold, so as not "
            "to make them wait in turn. It changed nothing: run it again."
        ) from error
    except asyncpg.PostgresError as error:
        # Its message only: the detail may show a row.
        raise MigrationFailed(f"{migration.label} failed and changed nothing: {error.args[0]}") from error
