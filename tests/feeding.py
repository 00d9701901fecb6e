"""Readers of the feed, what a slow and obvious model would show them, and what they can check themselves."""

from base64 import b64decode, b64encode
from collections import defaultdict
from datetime import UTC, datetime

import orjson

from creditsvc.domain import instants
from creditsvc.domain.canonical import commit, leaf_hash, notice_leaf
from creditsvc.domain.notices import EXPIRED, Notice
from creditsvc.domain.records import fold
from creditsvc.domain.standing import evaluate
from creditsvc.domain.views import Viewer
from creditsvc.ledger.entries import entry
from creditsvc.ledger.feed import Feed
from creditsvc.ledger.feed_rules import Reading
from creditsvc.settings import Settings
from creditsvc.store.database import APPENDING, connect, lookup_pool
from creditsvc.verifier.encoding import canonical
from creditsvc.web.feed_shapes import FeedPage
from tests.making import CATALOGUE, OTHER_SOURCE, RULES, SOURCE

SHARED = Viewer("partner")
READERS = {
    "partner": Reading(SHARED),
    "agency": Reading(Viewer("agency", frozenset({SOURCE}))),
    "another agency": Reading(Viewer("agency", frozenset({OTHER_SOURCE}))),
    "auditor": Reading(Viewer("auditor"), leaves=True),
    "operator": Reading(Viewer("operator")),
}
SALT = bytes(range(16))
LOG = """
    select l.position, l.kind, l.entity_id, l.sequence, n.due, e.id, e.time, e.touches_public,
           coalesce(e.recorded_at, n.recorded_at) as recorded_at, coalesce(e.type, n.type) as type,
           coalesce(e.record, n.record) as record, coalesce(e.source, n.source) as source,
           coalesce(e.leaf_hash, n.leaf_hash) as leaf_hash, coalesce(e.content, n.content) as content
    from log_entry l
    left join event e on l.kind = 'event' and e.entity_id = l.entity_id and e.sequence = l.sequence
    left join notice n on l.kind = 'notice' and n.entity_id = l.entity_id and n.number = l.sequence
    order by l.position"""


async def whole_log(dsn):
    """Everything in the log, by position."""
    connection = await connect(dsn)
    rows = await connection.fetch(LOG)
    await connection.close()
    assert [row["position"] for row in rows] == list(range(len(rows)))
    return rows


async def notice_of(dsn, entity, record, source=SOURCE):
    """Have the service tell, out of turn, that a record expired."""
    connection = await connect(dsn)
    # By this name the sequencer knows who may still record something of this instant.
    await connection.execute(f"set application_name to '{APPENDING}'")
    async with connection.transaction():
        await connection.execute("select from entity where entity_id = $1 for update", entity)
        number = await connection.fetchval(
            "select coalesce(max(number), 0) + 1 from notice where entity_id = $1", entity
        )
        now = await connection.fetchval("select clock_timestamp()")
        due = datetime(2026, 1, 1, tzinfo=UTC).replace(microsecond=number)
        content = Notice(entity, due, EXPIRED, record, source).content
        hashed = leaf_hash(notice_leaf(entity, number, due, now, commit(SALT, content)))
        await connection.execute(
            "insert into notice values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            *(entity, number, due, now, EXPIRED, record, source, content, SALT, hashed),
        )
        await connection.execute(
            "insert into log_pending (entity_id, sequence, kind, recorded_at) values ($1, $2, 'notice', $3)",
            *(entity, number, now),
        )
    await connection.close()


def feeding(dsn, **given):
    """The pool that a feed reads from."""
    return lookup_pool(dsn, Settings(**given))


def feed_of(pool):
    return Feed(pool, CATALOGUE)


async def read_all(feed, reading, size, limit=100, start=0):
    """All pages up to a size, one after the other."""
    items = []
    while start < size:
        page = await feed.page(reading, start, size, limit=limit)
        assert start < page.next <= size
        assert len(page.items) <= limit
        places = [item["position"] for item in page.items]
        assert places == sorted(places)
        assert all(start <= place < page.next for place in places)
        items += well_formed(page.items)
        start = page.next
    return items


def well_formed(items):
    """The items as whoever asks receives them."""
    page = {"items": items, "next": 0, "size": 0, "complete_until": None}
    read = orjson.loads(orjson.dumps(page))
    FeedPage.model_validate(read)
    return list(read["items"])


def shown(item):
    """How an item shows its position, and the positions it brings along."""
    ways = [way for way in ("event", "withdrawn", "leaf") if way in item]
    return item["position"], ways, [one["position"] for one in item.get("earlier", ())]


def sees(viewer, rows):
    """Whether a viewer sees the record of these events."""
    if not rows:
        return False
    record = fold(map(entry, rows), CATALOGUE)
    zone = instants.zone_of(rows[0]["entity_id"])
    return viewer.sees(record, evaluate(record, datetime.now(UTC), RULES, zone), CATALOGUE)


def slowly(log, reading, now=None):
    """What a reader is shown of a log, when all events there are by now are those of ``now``."""
    records = defaultdict(list)
    for row in now or log:
        if row["kind"] == "event":
            records[row["entity_id"], row["record"], row["source"]].append(row)
    found = []
    for row in log:
        events = records[row["entity_id"], row["record"], row["source"]]
        before = [one for one in events if one["position"] < row["position"]]
        found += _slowly_one(row, before, events, reading)
    return found


def _slowly_one(row, before, events, reading):
    place, viewer = row["position"], reading.viewer
    seen = sees(viewer, events)
    if row["kind"] == "notice":
        return [(place, ["event"], [])] if seen else [(place, ["leaf"], [])] * reading.leaves
    seen_before, seen_after = sees(viewer, before), sees(viewer, [*before, row])
    if seen and seen_after:
        party = viewer.is_party(row["source"])
        brought = [] if seen_before or party else [one["position"] for one in before]
        return [(place, ["event"], brought)]
    if not seen and seen_before and not seen_after:
        return [(place, ["withdrawn", *["leaf"] * reading.leaves], [])]
    return [(place, ["leaf"], [])] * reading.leaves


def check_contents(items, log):
    """Every item says what is stored at its position, and nothing of what it does not show whole."""
    for item in items:
        for one in (item, *item.get("earlier", ())):
            row = log[one["position"]]
            assert one["entity"] == row["entity_id"]
            assert one["sequence" if row["kind"] == "event" else "notice"] == row["sequence"]
            assert one["recorded_at"] == instants.text(row["recorded_at"])
            assert b64decode(one["leaf_hash"]) == row["leaf_hash"]
            if "event" in one:
                assert one["event"] == orjson.loads(row["content"])
                assert leaf_hash(leaf_of(one)) == row["leaf_hash"]
        if "leaf" in item:
            assert leaf_hash(canonical(item["leaf"])) == log[item["position"]]["leaf_hash"]
        if "withdrawn" in item:
            row = log[item["position"]]
            assert item["withdrawn"] == {
                "type": row["type"],
                "record": row["record"],
                "source": row["source"],
                "time": instants.text(row["time"]),
            }


def leaf_of(item):
    """The leaf of an item that is shown whole, made from what it says."""
    salt, content = b64decode(item["salt"]), canonical(item["event"])
    told = {
        name: item[name] for name in ("entity", "sequence", "notice", "due", "recorded_at") if name in item
    }
    if "sequence" in item:
        told["source"] = item["event"]["source"]
    commitment = commit(salt, content)
    return canonical({**told, "commitment": b64encode(commitment).decode(), "v": 1})
