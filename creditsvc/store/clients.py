"""Who may use the service: agencies, clients and their keys.

A key is ``<key id>.<secret>``. Its secret is 192 random bits, shown once; only its SHA-256 is stored, which
for a secret of that size needs neither salt nor stretching. A client has at most two live keys: the one in
use and the one about to replace it.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal, TypeAlias, get_args

import asyncpg

from creditsvc.domain import identifiers
from creditsvc.domain.parties import is_party
from creditsvc.errors import NotFound, Refusal
from creditsvc.store.database import load_queries

Role = Literal["agency", "partner", "entity", "auditor", "operator"]
ROLES: tuple[Role, ...] = get_args(Role)
LIVE_KEYS_MAX = 2
CLIENT_MAX_CHARS = 128
SOURCE_MAX_CHARS = 256
# An RFC 8141 name without components. It is compared byte for byte with the source of an event.
SOURCE_PATTERN = re.compile(
    r"urn:[A-Za-z0-9][A-Za-z0-9-]{0,30}[A-Za-z0-9]:([A-Za-z0-9._~:/@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+"
)

# Quoted: asyncpg's classes take type arguments in its stubs only.
Connection: TypeAlias = (
    "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
)

_SQL = load_queries("clients")


class KeyRefused(Refusal):
    """A key cannot be made as asked; the detail says what to do instead."""

    slug: ClassVar[str] = "key-refused"
    status: ClassVar[int] = 409
    title: ClassVar[str] = "The key cannot be made"


@dataclass(frozen=True, slots=True)
class Key:
    """A key as stored: what it opens, and until when. Times are the database's clock."""

    key_id: str
    secret_sha256: bytes  # of the part behind the dot, in UTF-8
    client_id: str
    role: Role
    sources: frozenset[str]  # what an agency's key may send as ``source``; else empty
    entity: str | None  # the organisation whose own key this is, "scheme:value"
    expires_at: datetime | None
    revoked_at: datetime | None
    purpose: str | None = None  # what its queries are for unless they say

    def has_secret(self, secret: str) -> bool:
        """Whether this is the key's secret; takes the same time whatever differs."""
        return hmac.compare_digest(self.secret_sha256, _sha256(secret))


@dataclass(frozen=True, slots=True)
class ListedKey:
    """A key with what a list of keys says beside it."""

    key: Key
    created_at: datetime
    live: bool  # neither revoked nor expired at the moment of listing


@dataclass(frozen=True, slots=True)
class Agency:
    """Who hands events in, known by its CloudEvents ``source``."""

    source: str
    name: str
    created_at: datetime
    live_keys: int


@dataclass(frozen=True, slots=True)
class _Binding:
    """What a client is bound to; never changes once the client is there."""

    role: Role
    sources: tuple[str, ...]
    entity: str | None

    @property
    def default_client_id(self) -> str:
        bound_to = self.entity or ",".join(self.sources)
        return f"{self.role}:{bound_to}" if bound_to else self.role


async def key_by_id(connection: Connection, key_id: str) -> Key | None:
    """Find a key by its public part, whether or not it still opens anything; None when there is none."""
    row = await connection.fetchrow(_SQL["key_by_id"], key_id)
    return None if row is None else _key(row)


async def create_key(  # noqa: PLR0913  what a client is bound to
    connection: Connection,
    role: Role,
    *,
    sources: Iterable[str] = (),
    entity: str | None = None,
    client_id: str | None = None,
    expires_at: datetime | None = None,
    purpose: str | None = None,
) -> str:
    """Make a key and give the whole of it, which nobody can do again.

    An agency's key needs at least one source, and an unknown source becomes an agency under its URN; an
    entity's key needs its identifier. A purpose becomes that of all queries by this client that do not say
    theirs; without one it stays as it is. Raises ``KeyRefused`` when the binding is wrong or the client has
    two live keys, ``IdentifierInvalid`` or ``NaturalPerson`` for the entity's identifier.
    """
    binding = _binding(role, sources, entity)
    client = _client_id(client_id) if client_id is not None else binding.default_client_id
    async with connection.transaction():
        for source in binding.sources:
            await connection.execute(_SQL["add_agency"], source, source)
        await _hold_client(connection, client, binding)
        if purpose is not None:
            await connection.execute(_SQL["give_purpose"], client, purpose)
        live = [row["key_id"] for row in await connection.fetch(_SQL["live_keys"], client)]
        if len(live) >= LIVE_KEYS_MAX:
            raise KeyRefused(
                f"the client {client} has {LIVE_KEYS_MAX} live keys already ({', '.join(live)}): "
                f"close one of them first, by `creditsvc keys revoke {live[0]}` for the older, "
                "or make the key for another client"
            )
        key_id, secret = secrets.token_hex(8), secrets.token_urlsafe(24)
        await connection.execute(_SQL["add_key"], key_id, client, _sha256(secret), expires_at)
    return f"{key_id}.{secret}"


async def revoke_key(connection: Connection, key_id: str) -> None:
    """Close a key for good; closing it twice is no error. Raises ``NotFound`` for an id that no key has."""
    if await connection.fetchval(_SQL["revoke_key"], key_id) is None:
        raise NotFound("no key has this id: `creditsvc keys list` shows the ids")


async def list_keys(connection: Connection) -> list[ListedKey]:
    """Every key ever made, revoked and expired ones too, by client and age."""
    rows = await connection.fetch(_SQL["list_keys"])
    return [ListedKey(_key(row), row["created_at"], row["live"]) for row in rows]


async def expiry(connection: Connection, days: int) -> datetime:
    """Give the instant ``days`` days from now by the database's clock, which decides when a key expires."""
    at: datetime = await connection.fetchval(_SQL["expiry"], days)
    return at


async def name_agency(connection: Connection, source: str, name: str) -> None:
    """Add an agency, or rename the one with this source. ``KeyRefused`` when either cannot be taken."""
    if not name.strip() or len(name) > CLIENT_MAX_CHARS or not name.isprintable():
        raise KeyRefused(f"an agency's name is 1 to {CLIENT_MAX_CHARS} printable characters")
    await connection.execute(_SQL["name_agency"], _source(source), name.strip())


async def list_agencies(connection: Connection) -> list[Agency]:
    """Every agency by its source."""
    rows = await connection.fetch(_SQL["list_agencies"])
    return [Agency(row["source"], row["name"], row["created_at"], row["live_keys"]) for row in rows]


async def _hold_client(connection: Connection, client_id: str, binding: _Binding) -> None:
    """Make sure the client is there as bound, and keep its row locked until the transaction ends."""
    await connection.execute(
        _SQL["add_client"], client_id, binding.role, list(binding.sources), binding.entity
    )
    row = await connection.fetchrow(_SQL["lock_client"], client_id)
    assert row is not None, "clients are never deleted"  # noqa: S101  an invariant, not a check of input
    if _Binding(row["role"], tuple(row["sources"]), row["entity_id"]) != binding:
        raise KeyRefused(
            f"the client {client_id} is there already with another role, source or entity: "
            "give the same again, or name another client"
        )


def check_binding(role: Role, sources: Iterable[str], entity: str | None) -> None:
    """Raise what ``create_key`` would for a role with a wrong source or entity; needs no database."""
    _binding(role, sources, entity)


def _binding(role: Role, sources: Iterable[str], entity: str | None) -> _Binding:
    if role not in ROLES:
        raise KeyRefused(f"a key's role is one of {', '.join(ROLES)}")
    bound = tuple(sorted({_source(source) for source in sources}))
    if (role == "agency") != bool(bound):
        raise KeyRefused(
            "an agency's key needs the source it may send (--source), such as urn:agency:cn-tj-samr"
            if role == "agency"
            else "only an agency's key is bound to a source"
        )
    if (role == "entity") != (entity is not None):
        raise KeyRefused(
            "an entity's key needs the organisation's identifier (--entity), such as siren:552081317"
            if role == "entity"
            else "only an entity's key is bound to an organisation"
        )
    return _Binding(role, bound, None if entity is None else identifiers.parse(entity))


def _source(text: str) -> str:
    if len(text) > SOURCE_MAX_CHARS or not SOURCE_PATTERN.fullmatch(text):
        raise KeyRefused(
            f"a source is a URN of at most {SOURCE_MAX_CHARS} characters, such as urn:agency:cn-tj-samr"
        )
    if is_party(text):
        raise KeyRefused("urn:entity: is how organisations speak for themselves: make a key with --entity")
    return text


def _client_id(text: str) -> str:
    if not text.strip() or len(text) > CLIENT_MAX_CHARS or not text.isprintable():
        raise KeyRefused(f"a client's name is 1 to {CLIENT_MAX_CHARS} printable characters")
    return text.strip()


def _key(row: asyncpg.Record) -> Key:
    return Key(
        key_id=row["key_id"],
        secret_sha256=row["secret_sha256"],
        client_id=row["client_id"],
        role=row["role"],
        sources=frozenset(row["sources"]),
        entity=row["entity_id"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
        purpose=row["purpose"],
    )


def _sha256(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
