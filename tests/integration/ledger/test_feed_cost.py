"""What a page of the feed reads, in a log of a thousand positions and in one of a hundred thousand."""

import orjson
import pytest

from creditsvc.ledger.feed import SQL
from creditsvc.ledger.feed_rules import Filter, Reading
from creditsvc.store.database import connect
from tests.feeding import READERS, SHARED, feed_of, feeding

SHORT, LONG = 1_000, 100_000
PAGE = 100
BLOCKS_MAX = (
    PAGE * 3 * 4 + 20
)  # of each position its event, notice or record, each down an index of three levels
# Records of two events each, a penalty and a correction, of a tenth as many organisations.
FILL = """
    with made as (
        select n, 'usdot:' || (n / 2 % ($2 / 10)) + 1 as entity_id,
               n / 2 / ($2 / 10) * 2 + n % 2 + 1 as sequence, 'R' || n / 2 as record,
               case n % 2 when 0 then 'credit.penalty.imposed' else 'credit.record.corrected' end as type
        from generate_series($1::bigint, $2::bigint - 1) as n
    ), entered as (
        insert into event (entity_id, sequence, recorded_at, source, id, type, time, record, content, salt,
                           leaf_hash, opens, touches_public)
        select entity_id, sequence, now(), 'urn:agency:a', 'e' || n, type, now(), record,
               convert_to(json_build_object('id', n, 'title', repeat('x', 600))::text, 'UTF8'),
               decode(repeat('00', 16), 'hex'), sha256(''), n % 2 = 0, false
        from made
    ), known as (
        insert into record (entity_id, record, source, sequences, standing, public, objected, listing,
                            points)
        select entity_id, record, 'urn:agency:a', array_agg(sequence order by sequence), true, false, false,
               false, 0
        from made
        group by entity_id, record
    )
    insert into log_entry (position, entity_id, kind, sequence)
    select n, entity_id, 'event', sequence from made"""


async def filled(dsn, size):
    connection = await connect(dsn)
    await connection.execute(FILL, 0, size)
    await connection.execute("vacuum analyze")
    await connection.close()


async def blocks(dsn, query, *given):
    """How many blocks a query touches, of tables and indexes."""
    connection = await connect(dsn)
    (plan,) = orjson.loads(
        await connection.fetchval(f"explain (analyze, buffers, format json) {query}", *given)
    )
    await connection.close()
    return plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"]


@pytest.mark.parametrize("size", [SHORT, LONG])
async def test_a_page_reads_no_more_of_a_long_log(database, size):
    await filled(database, size)
    for start in (0, size // 2, size - 200):
        assert await blocks(database, SQL.positions, start, size, None, PAGE) <= BLOCKS_MAX
    assert await blocks(database, SQL.tip) < 10
    async with await feeding(database) as pool:
        feed = feed_of(pool)
        page = await feed.page(READERS["partner"], size // 2, size, limit=PAGE)
        assert [item["position"] for item in page.items] == list(range(size // 2, size // 2 + PAGE))
        one = Reading(SHARED, Filter(entities=frozenset({"usdot:7"})))
        (item, *_) = (await feed.page(one, 0, size, limit=PAGE)).items
        assert item["entity"] == "usdot:7"
