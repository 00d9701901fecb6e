"""What an operator with the database in hand can do behind the service's back, better and worse hidden.

All of it takes a connection of the login role, which owns the tables and so can switch off what guards them.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from secrets import token_bytes
from typing import Any

import asyncpg
import orjson

from creditsvc.domain.canonical import SALT_BYTES, canonical, commit, leaf, leaf_hash, notice_leaf
from creditsvc.ledger.tiles import Edge

GUARDED = (
    "event",
    "event_identity",
    "notice",
    "log_identity",
    "log_entry",
    "log_tile",
    "log_checkpoint",
    "log_cosignature",
)
Place = tuple[str, int]  # entity, sequence
OF_AN_EVENT = (
    *("recorded_at", "source", "id", "type", "time", "record", "content", "salt", "leaf_hash"),
    *("opens", "touches_public"),
)


@asynccontextmanager
async def unguarded(connection: asyncpg.Connection) -> AsyncIterator[asyncpg.Connection]:
    """Switch off the triggers that refuse changes, in one transaction, and on again."""
    async with connection.transaction():
        for table in GUARDED:
            await connection.execute(f"alter table {table} disable trigger user")
        yield connection
        await connection.execute("set constraints all immediate")
        for table in GUARDED:
            await connection.execute(f"alter table {table} enable trigger user")


async def flip(connection: asyncpg.Connection, place: Place, column: str = "content", byte: int = 7) -> None:
    """Flip one bit in what is stored of an event."""
    async with unguarded(connection):
        await connection.execute(
            f"update event set {column} = set_byte({column}, $3, get_byte({column}, $3) # 1)"  # noqa: S608
            " where entity_id = $1 and sequence = $2",
            *place,
            byte,
        )


async def remove(connection: asyncpg.Connection, place: Place) -> None:
    async with unguarded(connection):
        await connection.execute("delete from event where entity_id = $1 and sequence = $2", *place)


async def put_back(connection: asyncpg.Connection, row: asyncpg.Record) -> None:
    """Put an event back that was removed, as it was."""
    async with unguarded(connection):
        await connection.execute(
            f"insert into event ({', '.join(row.keys())}) values"  # noqa: S608
            f" ({', '.join(f'${number}' for number in range(1, len(row) + 1))})",
            *row.values(),
        )


async def swap(connection: asyncpg.Connection, one: Place, other: Place) -> None:
    """Put into each of two rows what the other holds, down to the leaf hash."""
    reading = "select * from event where entity_id = $1 and sequence = $2"
    first, second = [await connection.fetchrow(reading, *place) for place in (one, other)]
    async with unguarded(connection):
        await _put(connection, one, second)
        await _put(connection, other, first)


async def _put(connection: asyncpg.Connection, place: Place, row: asyncpg.Record) -> None:
    assignments = ", ".join(f"{name} = ${number}" for number, name in enumerate(OF_AN_EVENT, 3))
    await connection.execute(
        f"update event set {assignments} where entity_id = $1 and sequence = $2",  # noqa: S608
        *place,
        *(row[name] for name in OF_AN_EVENT),
    )


async def back_date(
    connection: asyncpg.Connection, place: Place, by: timedelta = timedelta(days=1), *, queued: bool = False
) -> Place:
    """Add an event like another one, as recorded so long before it, well-formed down to its hashes.

    It gets the organisation's next sequence; ``queued``: and is put where events wait for the log.
    """
    entity, sequence = place
    row = await connection.fetchrow(
        "select *, (select max(sequence) from event n where n.entity_id = e.entity_id) as last"
        " from event e where entity_id = $1 and sequence = $2",
        entity,
        sequence,
    )
    said: dict[str, Any] = orjson.loads(row["content"])
    said["id"] = f"forged-{row['last'] + 1}"
    forged = dict(row) | {
        "sequence": row["last"] + 1,
        "recorded_at": row["recorded_at"] - by,
        "id": said["id"],
        "content": canonical(said),
        "salt": token_bytes(SALT_BYTES),
    }
    forged["leaf_hash"] = _hash(forged, "event")
    names = ("entity_id", "sequence", *OF_AN_EVENT)
    await connection.execute(
        f"insert into event ({', '.join(names)}) values"  # noqa: S608
        f" ({', '.join(f'${number}' for number in range(1, len(names) + 1))})",
        *(forged[name] for name in names),
    )
    if queued:
        await connection.execute(
            "insert into log_pending (entity_id, sequence, recorded_at) values ($1, $2, $3)",
            *(forged[name] for name in ("entity_id", "sequence", "recorded_at")),
        )
    return entity, row["last"] + 1


def _hash(row: dict[str, Any] | asyncpg.Record, kind: str) -> bytes:
    entity, recorded_at = row["entity_id"], row["recorded_at"]
    commitment = commit(row["salt"], row["content"])
    if kind == "notice":
        return leaf_hash(notice_leaf(entity, row["sequence"], row["due"], recorded_at, commitment))
    return leaf_hash(leaf(entity, row["sequence"], recorded_at, row["source"], commitment))


async def squeeze_in(connection: asyncpg.Connection, position: int, place: Place) -> None:
    """Give an event a position in the midst of the log; all after it move up by one."""
    far = 1 << 40
    async with unguarded(connection):
        await connection.execute(
            "update log_entry set position = position + $2 where position >= $1", position, far
        )
        await connection.execute(
            "update log_entry set position = position - $2 + 1 where position >= $1", position + far, far
        )
        await connection.execute("insert into log_entry values ($1, $2, 'event', $3)", position, *place)
        await connection.execute("delete from log_pending where entity_id = $1 and sequence = $2", *place)
        await connection.execute("update log_state set size = size + 1")
    await rewrite(connection)


async def rewrite(connection: asyncpg.Connection) -> bytes:
    """Make hashes, tiles and root anew from the rows as they stand, so that all agree; gives the root.

    What is left to tell are the checkpoints that were signed before.
    """
    rows = await connection.fetch(
        "select l.position, l.kind, l.entity_id, l.sequence, e.source, n.due,"
        " coalesce(e.recorded_at, n.recorded_at) as recorded_at,"
        " coalesce(e.salt, n.salt) as salt, coalesce(e.content, n.content) as content,"
        " coalesce(e.leaf_hash, n.leaf_hash) as leaf_hash"
        " from log_entry l"
        " left join event e on l.kind = 'event' and (e.entity_id, e.sequence) = (l.entity_id, l.sequence)"
        " left join notice n on l.kind = 'notice' and (n.entity_id, n.number) = (l.entity_id, l.sequence)"
        " order by l.position"
    )
    hashes = [_hash(row, row["kind"]) for row in rows]
    edge = Edge()
    grown = edge.extend(hashes)
    async with unguarded(connection):
        for kind, table, number in (("event", "event", "sequence"), ("notice", "notice", "number")):
            await connection.executemany(
                f"update {table} set leaf_hash = $3 where entity_id = $1 and {number} = $2",  # noqa: S608
                [
                    (row["entity_id"], row["sequence"], hashed)
                    for row, hashed in zip(rows, hashes, strict=True)
                    if row["kind"] == kind and row["leaf_hash"] != hashed
                ],
            )
        await connection.execute("delete from log_tile")
        await connection.executemany(
            "insert into log_tile values ($1, $2, $3)", [(*place, tile) for place, tile in grown.items()]
        )
        await connection.execute("update log_state set root = $1", edge.root())
    return edge.root()


async def recorded_at(connection: asyncpg.Connection, place: Place) -> datetime:
    found: datetime = await connection.fetchval(
        "select recorded_at from event where entity_id = $1 and sequence = $2", *place
    )
    return found
