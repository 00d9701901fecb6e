-- name: tip
-- Where the newest checkpoint and the log itself stand, at one moment; no row before the log has begun.
select coalesce((select size from log_checkpoint order by size desc limit 1), 0) as size,
       s.size as placed, s.complete_until
from log_state s;

-- name: positions
-- What stands at the positions from $1 until $2, of some entities or of all, in order and by primary keys: what it is, without its content.
with place as materialized (
    select position, entity_id, kind, sequence
    from log_entry
    where position >= $1 and position < $2 and ($3::text[] is null or entity_id = any($3))
    order by position
    limit $4
), stored as (
    select p.position, p.entity_id, p.kind, p.sequence, n.due,
           coalesce(e.recorded_at, n.recorded_at) as recorded_at, coalesce(e.type, n.type) as type, e.time,
           coalesce(e.record, n.record) as record, coalesce(e.source, n.source) as source,
           coalesce(e.holder, e.source, n.source) as holder,
           coalesce(e.leaf_hash, n.leaf_hash) as leaf_hash,
           coalesce(octet_length(e.content), octet_length(n.content), 0) as bytes,
           coalesce(e.content, n.content) is null as erased
    from place p
    left join event e on p.kind = 'event' and e.entity_id = p.entity_id and e.sequence = p.sequence
    left join notice n on p.kind = 'notice' and n.entity_id = p.entity_id and n.number = p.sequence
)
select s.position, s.entity_id, s.kind, s.sequence, s.due, s.recorded_at, s.type, s.time, s.record, s.source, s.holder, s.leaf_hash, s.bytes,
       coalesce(cardinality(r.sequences), 0) as held, s.erased, coalesce(r.retired_from <= clock_timestamp(), s.erased) as retired
from stored s
left join record r on r.entity_id = s.entity_id and r.record = s.record and r.source = s.holder
order by s.position;

-- name: courses
-- All events of some records, without their contents, each with the position that the log has given it.
select k.place, l.position, e.sequence, e.type, coalesce(octet_length(e.content), 0) as bytes
from unnest($1::text[], $2::text[], $3::text[]) with ordinality as k (entity_id, record, source, place)
join record r on r.entity_id = k.entity_id and r.record = k.record and r.source = k.source
cross join lateral unnest(r.sequences) as s (sequence)
join event e on e.entity_id = k.entity_id and e.sequence = s.sequence
left join log_entry l on l.entity_id = k.entity_id and l.kind = 'event' and l.sequence = s.sequence;

-- name: events
-- Events by their places in their entities: whole, or what their leaves are made of, or neither.
select e.entity_id, e.sequence, k.part, e.recorded_at, e.source, e.leaf_hash,
       case when k.part = 'whole' then e.content end as content,
       case when k.part = 'whole' then e.salt end as salt,
       case when k.part = 'leaf' then coalesce(sha256(e.salt || e.content), x.commitment) end as commitment
from unnest($1::text[], $2::bigint[], $3::text[]) as k (entity_id, sequence, part)
join event e on e.entity_id = k.entity_id and e.sequence = k.sequence
left join erasure x on e.content is null and x.entity_id = e.entity_id and x.kind = 'event' and x.sequence = e.sequence;

-- name: notices
-- The same for notices.
select n.entity_id, n.number as sequence, k.part, n.recorded_at, n.source, n.leaf_hash,
       case when k.part = 'whole' then n.content end as content,
       case when k.part = 'whole' then n.salt end as salt,
       case when k.part = 'leaf' then coalesce(sha256(n.salt || n.content), x.commitment) end as commitment
from unnest($1::text[], $2::bigint[], $3::text[]) as k (entity_id, number, part)
join notice n on n.entity_id = k.entity_id and n.number = k.number
left join erasure x on n.content is null and x.entity_id = n.entity_id and x.kind = 'notice' and x.sequence = n.number;
