-- name: count_all
-- How much there is to check: organisations, and entries of the log.
select (select count(*) from entity) as entities, coalesce((select size from log_state), 0) as entries;

-- name: counted_until
-- Every event below this position of the log is in the statistics.
select position from statistic_state;

-- name: counts
-- The statistics: events by month and type.
select month, type, events from statistic;

-- name: moment
-- How the log stands: since when, and complete until when; nulls before it has begun.
select (select began_at from log_identity) as began_at, (select complete_until from log_state) as complete_until;

-- name: entities
-- A page of entities; what both views have in common is stored once.
select entity_id, version, recorded_at, coalesce(shared_naming, public_naming) as shared_naming, public_naming, model, announced,
       coalesce(shared_summary, public_summary) as shared_summary, shared_from, shared_until,
       coalesce(shared_profile, public_profile) as shared_profile, public_summary, public_version, public_from, public_until,
       public_profile
from entity
where entity_id > $1
order by entity_id
limit $2;

-- name: events
-- All events of some entities, each with what is held under its identity, and with what is kept of one that was erased.
select e.entity_id, e.sequence, e.recorded_at, e.source, e.id, e.type, e.time, e.record, e.content, e.holder,
       coalesce(sha256(e.salt || e.content), x.commitment) as commitment, e.leaf_hash, e.opens, e.touches_public,
       i.entity_id as identity_entity, i.sequence as identity_sequence, i.content_sha256,
       x.commitment as erased_commitment, x.record as erased_record, x.source as erased_source, x.name, x.status, x.public,
       x.touched_public, x.retired_from, x.public_changed_at
from event e
left join event_identity i on i.source = e.source and i.id = e.id
left join erasure x on x.entity_id = e.entity_id and x.kind = 'event' and x.sequence = e.sequence
where e.entity_id = any($1::text[])
order by e.entity_id, e.sequence;

-- name: notices
-- All that time alone changed in some entities, as told.
select n.entity_id, n.number, n.due, n.recorded_at, n.type, n.record, n.source, null as holder, n.content, n.leaf_hash,
       coalesce(sha256(n.salt || n.content), x.commitment) as commitment, x.commitment as erased_commitment,
       x.record as erased_record, x.source as erased_source, x.retired_from
from notice n
left join erasure x on x.entity_id = n.entity_id and x.kind = 'notice' and x.sequence = n.number
where n.entity_id = any($1::text[])
order by n.entity_id, n.number;

-- name: places
-- Where the entries of some entities stand in the log.
select entity_id, kind, sequence, position
from log_entry
where entity_id = any($1::text[])
order by entity_id, kind, sequence, position;

-- name: waiting
-- Which of some entries, that have no position, wait for one; by index, at the time that each must wait under.
select k.entity_id, k.kind, k.sequence
from unnest($1::text[], $2::text[], $3::bigint[], $4::timestamptz[]) as k (entity_id, kind, sequence, recorded_at)
where exists (select from log_pending p
              where p.recorded_at = k.recorded_at and p.entity_id = k.entity_id and p.kind = k.kind
                    and p.sequence = k.sequence)
      or exists (select from log_pending p
                 where p.recorded_at = '-infinity' and p.entity_id = k.entity_id and p.kind = k.kind
                       and p.sequence = k.sequence);

-- name: waiting_at_all
-- The same at whatever time: for the few that are not found at theirs.
select distinct p.entity_id, p.kind, p.sequence
from unnest($1::text[], $2::text[], $3::bigint[]) as k (entity_id, kind, sequence)
join log_pending p on p.entity_id = k.entity_id and p.kind = k.kind and p.sequence = k.sequence;

-- name: records
-- All records of some entities as stored.
select entity_id, record, source, class, sequences, standing, public, objected, listing, since, code,
       code_group, points, amounts, points_until, next_change, begins, retired_from, erased
from record
where entity_id = any($1::text[])
order by entity_id, record, source;

-- name: names
-- The names that some entities bear and bore.
select entity_id, view, since, until, name, status, grams
from entity_name
where entity_id = any($1::text[])
order by entity_id, since, view;

-- name: cases
-- The clocks that run in cases of some entities, as stored.
select entity_id, record, source, kind, number, opened_by, handler, ground, procedure, opened_at, step, awaits, since,
       days, counted, due, certain, calendar
from open_case
where entity_id = any($1::text[])
order by entity_id, record, source, kind, number;

-- name: overdue
-- Some records that should have been erased so long ago, and were not.
select entity_id, record, retired_from
from record
where retired_from < clock_timestamp() - $1::interval and next_change is null and not erased
order by retired_from
limit 100;

-- name: strays
-- Rows that no entity's history accounts for, with what is wrong with each.
select e.entity_id, 'event ' || e.sequence as place, 'belongs to no history' as fault
from event e where not exists (select from entity n where n.entity_id = e.entity_id)
union all
select x.entity_id, x.kind || ' ' || x.sequence, 'was erased, and is not stored: it was removed'
from erasure x
where not exists (select from leaf_part l
                  where l.entity_id = x.entity_id and l.kind = x.kind and l.sequence = x.sequence)
union all
select n.entity_id, 'notice ' || n.number, 'belongs to no history'
from notice n where not exists (select from entity o where o.entity_id = n.entity_id)
union all
select i.entity_id, 'identity ' || i.source || ' ' || i.id, 'belongs to no history'
from event_identity i
where not exists (select from event e where e.entity_id = i.entity_id and e.sequence = i.sequence
                  and e.source = i.source and e.id = i.id)
union all
select r.entity_id, 'record ' || r.record, 'belongs to no history'
from record r where not exists (select from entity n where n.entity_id = r.entity_id)
union all
select c.entity_id, c.kind || ' ' || c.number || ' on record ' || c.record, 'belongs to no history'
from open_case c where not exists (select from entity n where n.entity_id = c.entity_id)
union all
select p.entity_id, p.kind || ' ' || p.sequence, 'waits for the log, and is not stored: it was removed'
from log_pending p
where p.kind = 'event' and not exists (
          select from event e where e.entity_id = p.entity_id and e.sequence = p.sequence)
      or p.kind = 'notice' and not exists (
          select from notice n where n.entity_id = p.entity_id and n.number = p.sequence)
union all
select p.entity_id, p.kind || ' ' || p.sequence || ' (position ' || l.position || ')',
       'waits for the log though it has its position'
from log_pending p
join log_entry l on l.entity_id = p.entity_id and l.kind = p.kind and l.sequence = p.sequence
limit 1000;

-- name: has_log
-- Whether there is anything of a log.
select exists (select from log_state) or exists (select from log_entry) or exists (select from log_tile)
       or exists (select from log_checkpoint);

-- name: log_state
-- Where the log stands.
select size, root, drained_at from log_state;

-- name: entries_beyond
-- Entries where the log does not reach.
select position, entity_id, kind, sequence
from log_entry
where position >= $1 or position < 0
order by position
limit 100;

-- name: tiles_beyond
-- Tiles with more hashes than the tree of a size has of them; by index, however many tiles there are.
select t.level, t.tile, octet_length(t.hashes) / 32 as width
from generate_series(0, 63) as l (level)
cross join lateral (select case when l.level < 8 then $1::bigint >> (8 * l.level) else 0 end as nodes) as w
join log_tile t on t.level = l.level::smallint and t.tile >= w.nodes / 256
where t.tile > w.nodes / 256 or octet_length(t.hashes) / 32 > w.nodes % 256
order by t.level, t.tile
limit 100;

-- name: signed_beyond
-- Checkpoints of more than the log has, and cosignatures of checkpoints that are not there.
select 'the checkpoint of size ' || size as what, 'the log has only ' || $1::bigint || ' entries: it was set back' as fault
from log_checkpoint
where size > $1
union all
select 'the cosignature by ' || witness || ' of size ' || size, 'there is no such checkpoint: it was removed'
from log_cosignature s
where not exists (select from log_checkpoint c where c.size = s.size)
limit 100;

-- name: entries
-- What stands at some positions, with its leaf's parts from the stored row.
select l.position, l.entity_id, l.kind, l.sequence, s.recorded_at, s.source, s.due, s.commitment, s.leaf_hash
from log_entry l
left join leaf_part s on s.entity_id = l.entity_id and s.kind = l.kind and s.sequence = l.sequence
where l.position >= $1 and l.position < $2
order by l.position;

-- name: leaf_tiles
-- The tiles of leaf hashes, of some positions.
select tile, hashes from log_tile where level = 0 and tile >= $1::bigint and tile < $2::bigint;

-- name: checkpoints
-- The checkpoints of some sizes.
select size, root, signed_at, note from log_checkpoint where size >= $1 and size <= $2 order by size;

-- name: cosignatures
-- The cosignatures of some sizes.
select size, witness, line from log_cosignature where size >= $1 and size <= $2 order by size, witness;
