"""Connections to PostgreSQL, each with the least it needs; and the SQL that runs over them, from files."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

from creditsvc.settings import Settings

SCHEMA = "creditsvc"
# append_horizon() in the schema finds transactions in flight by this name.
APPENDING = "creditsvc append"
LOOKING_UP = "creditsvc look-up"
SEQUENCING = "creditsvc sequence"
NOTING = "creditsvc access"
ERASING = "creditsvc erase"
ACCESS_CONNECTIONS = 2  # per worker: one writes down who looked, the other files it

_CONNECT_TIMEOUT_S = 10.0  # bounds what a first host that hangs costs
_ANSWER_GRACE_S = 5.0  # the server ends a long statement itself; this is for one that cannot answer any more
_IDLE_IN_TRANSACTION_TIMEOUT_MS = 30_000  # a worker that hangs in a transaction lets its locks go
_SQL = Path(__file__).parent / "sql"

if TYPE_CHECKING:  # generic in the stubs only
    Connection = asyncpg.Connection[asyncpg.Record]
    Pool = asyncpg.Pool[asyncpg.Record]
else:
    Connection, Pool = asyncpg.Connection, asyncpg.Pool


async def connect(dsn: str) -> Connection:
    """Connect as the login role, which owns the schema; for commands and migrations, without time limits."""
    return await asyncpg.connect(
        dsn,
        timeout=_CONNECT_TIMEOUT_S,
        server_settings={"search_path": SCHEMA, "application_name": SCHEMA, "timezone": "UTC", "jit": "off"},
    )


async def append_pool(dsn: str, settings: Settings) -> Pool:
    """Open the pool that may add to the history, and may change nothing in it."""
    session = _session("creditsvc_append", APPENDING, settings)
    return await _pool(dsn, session, settings.append_connections, settings)


async def lookup_pool(dsn: str, settings: Settings) -> Pool:
    """Open the pool that may read, and nothing else."""
    session = _session("creditsvc_lookup", LOOKING_UP, settings)
    session["default_transaction_read_only"] = "on"
    return await _pool(dsn, session, settings.lookup_connections, settings)


async def sequence_pool(dsn: str, settings: Settings) -> Pool:
    """Open the one connection that gives events their positions in the log; one lends a hand, one counts."""
    return await _pool(dsn, _session("creditsvc_sequence", SEQUENCING, settings), 3, settings)


async def access_pool(dsn: str, settings: Settings) -> Pool:
    """Open the connections that may write down who looked: one for that, one to file it."""
    return await _pool(dsn, _session("creditsvc_access", NOTING, settings), ACCESS_CONNECTIONS, settings)


async def erase_pool(dsn: str, settings: Settings) -> Pool:
    """Open the one connection that may erase what was kept for as long as it may be."""
    return await _pool(dsn, _session("creditsvc_erase", ERASING, settings), 1, settings)


def _session(role: str, name: str, settings: Settings) -> dict[str, str]:
    return {
        "role": role,
        "application_name": name,
        "search_path": SCHEMA,
        "timezone": "UTC",
        "jit": "off",  # short statements: compiling them costs more than it saves
        "statement_timeout": str(settings.statement_timeout_ms),
        "idle_in_transaction_session_timeout": str(_IDLE_IN_TRANSACTION_TIMEOUT_MS),
    }


async def _pool(dsn: str, session: dict[str, str], size: int, settings: Settings) -> Pool:
    return await asyncpg.create_pool(
        dsn,
        min_size=size,
        max_size=size,
        max_inactive_connection_lifetime=0,  # a burst after a quiet hour finds its connections open
        timeout=_CONNECT_TIMEOUT_S,
        command_timeout=settings.statement_timeout_ms / 1000 + _ANSWER_GRACE_S,
        server_settings=session,
        reset=_keep,
    )


async def _keep(_connection: Connection) -> None:
    """Give a connection back as it is: a round trip to reset it would double the cost of a look-up.

    An open transaction is rolled back all the same. In return nobody leaves state in a session of a pool:
    settings are `set local`, advisory locks are those of transactions.
    """


class Queries(Mapping[str, str]):
    """The queries of one file, by name: ``queries.key_by_id`` or ``queries["key_by_id"]``."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = dict(texts)

    def __getitem__(self, name: str) -> str:
        return self._texts[name]

    def __getattr__(self, name: str) -> str:
        try:
            return self._texts[name]
        except KeyError:
            raise AttributeError(name) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)


_HEAD = re.compile(r"^-- name: *(?P<name>.*)$", re.MULTILINE)


def load_queries(name: str) -> Queries:
    """Read ``creditsvc/store/sql/<name>.sql``.

    Each query has a line ``-- name: <identifier>`` above it and then a comment that says what it is for.
    ``ValueError`` names the query that lacks its comment or its text, or comes twice.
    """
    return parse_queries((_SQL / f"{name}.sql").read_text(encoding="utf-8"), name)


def parse_queries(text: str, file: str) -> Queries:
    """Cut a file of named queries into its queries; see `load_queries`."""
    queries: dict[str, str] = {}
    heads = [*_HEAD.finditer(text)]
    ends = [*(head.start() for head in heads[1:]), len(text)]
    if any(_is_statement(line) for line in text[: heads[0].start() if heads else None].splitlines()):
        raise ValueError(f"{file}: a query without a name")
    for head, end in zip(heads, ends, strict=True):
        name = head["name"].strip()
        body = text[head.end() : end].strip()
        if not name.isidentifier() or hasattr(Queries, name):
            raise ValueError(f"{file}: {name!r} cannot be the name of a query")
        if name in queries:
            raise ValueError(f"{file}: {name} comes twice")
        if not body.startswith("-- "):
            raise ValueError(f"{file}: {name} does not say what it is for")
        if not any(_is_statement(line) for line in body.splitlines()):
            raise ValueError(f"{file}: {name} has no statement")
        queries[name] = body.removesuffix(";")
    return Queries(queries)


def _is_statement(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("--")
