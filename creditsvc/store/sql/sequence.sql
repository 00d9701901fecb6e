-- name: try_lock
-- One sequencer at a time; held to the end of the transaction.
select pg_try_advisory_xact_lock(7240117, 3);

-- name: state
-- Where the log stands, and the instant before which nothing more can come to be recorded. Read before the queue is.
select size, root, complete_until, append_horizon() as horizon from log_state;

-- name: pending
-- The next of what waits, in the order of the queue, each with its leaf's parts from the stored row, and whether it has a position
-- already. As much of what was put there without a time, so that neither can keep the other waiting; what stands before the instant
-- that the log is complete until was refused, and stays.
select p.ctid, p.entity_id, p.kind, p.sequence, p.recorded_at > '-infinity' as timed,
       case when p.recorded_at > '-infinity' then p.recorded_at end as queued_at,
       s.recorded_at, s.source, s.due, s.commitment, s.leaf_hash,
       exists (select from log_entry l
               where l.entity_id = p.entity_id and l.kind = p.kind and l.sequence = p.sequence) as placed
from (
    (select ctid, entity_id, kind, sequence, recorded_at
     from log_pending
     where recorded_at = '-infinity'
     order by recorded_at, entity_id, kind, sequence
     limit $1)
    union all
    (select ctid, entity_id, kind, sequence, recorded_at
     from log_pending
     where recorded_at > '-infinity' and recorded_at >= coalesce($2::timestamptz, '-infinity')
     order by recorded_at, entity_id, kind, sequence
     limit $1)
) as p
left join leaf_part s on s.entity_id = p.entity_id and s.kind = p.kind and s.sequence = p.sequence
order by p.recorded_at, p.entity_id, p.kind, p.sequence;

-- name: tiles
-- Tiles of the tree, by their places.
select t.level, t.tile, t.hashes
from unnest($1::smallint[], $2::bigint[]) as k (level, tile)
join log_tile t on t.level = k.level and t.tile = k.tile;

-- name: insert_entries
-- What stands at the next positions.
insert into log_entry (position, entity_id, kind, sequence)
select $1::bigint + k.place - 1, k.entity_id, k.kind, k.sequence
from unnest($2::text[], $3::text[], $4::bigint[]) with ordinality as k (entity_id, kind, sequence, place);

-- name: grow_tiles
-- Tiles as they stand now; the table sees to it that one only grows.
insert into log_tile (level, tile, hashes)
select k.level, k.tile, k.hashes
from unnest($1::smallint[], $2::bigint[], $3::bytea[]) as k (level, tile, hashes)
on conflict (level, tile) do update set hashes = excluded.hashes;

-- name: delete_pending
-- What has its position waits no longer; nobody changes rows of this table, so their places hold.
delete from log_pending where ctid = any($1::tid[]);

-- name: swap
-- Compare and swap: no row when somebody else gave out positions since.
update log_state
set size = $2, root = $3, complete_until = greatest(complete_until, $4), drained_at = clock_timestamp()
where size = $1
returning size;

-- name: count_pending
-- How much waits, and how much was refused, each counted up to a bound: what was refused must not hide what waits.
select (select count(*)
        from (select from log_pending
              where recorded_at = '-infinity' or recorded_at >= coalesce($2::timestamptz, '-infinity')
              limit $1) as w) as pending,
       (select count(*)
        from (select from log_pending
              where recorded_at > '-infinity' and recorded_at < $2
              limit $1) as r) as refused;

-- name: note
-- That the sequencer is alive, how much waits, and until when the log is complete.
update log_state
set pending = $1, complete_until = greatest(complete_until, $2), drained_at = clock_timestamp();

-- name: last_checkpoint
-- The last one signed.
select note from log_checkpoint order by size desc limit 1;

-- name: insert_checkpoint
-- A checkpoint as it is signed.
insert into log_checkpoint (size, root, note) values ($1, $2, $3);

-- name: insert_cosignatures
-- What witnesses answered to one checkpoint.
insert into log_cosignature (size, witness, line)
select $1::bigint, k.witness, k.line
from unnest($2::text[], $3::text[]) as k (witness, line)
on conflict (size, witness) do nothing;

-- name: backlog
-- How much waits for the log, and for how long the oldest of it has; what waited when the log began counts from then.
select s.pending, s.drained_at,
       extract(epoch from clock_timestamp() - greatest(i.began_at, (
           select w.recorded_at
           from log_pending w
           where w.recorded_at >= coalesce(s.complete_until, '-infinity')
           order by w.recorded_at
           limit 1)))::double precision as oldest_s
from log_state s, log_identity i
where exists (select from log_pending w where w.recorded_at >= coalesce(s.complete_until, '-infinity'));

-- name: standing
-- Where the log stands, for people: what is signed and by whom, and how much waits now.
select s.size, s.complete_until, s.drained_at, c.size as checkpoint_size, c.signed_at,
       (select count(*) from log_pending) as pending,
       array(select w.witness from log_cosignature w where w.size = c.size order by w.witness) as witnesses
from log_state s
left join lateral (select size, signed_at from log_checkpoint order by size desc limit 1) as c on true;
