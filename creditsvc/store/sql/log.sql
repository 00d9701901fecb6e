-- name: lock_beginning
-- One process at a time begins the log; held to the end of the transaction.
select pg_advisory_xact_lock(7240117, 2);

-- name: identity
-- Which log this is; no row before it has begun.
select origin, verifier_key, receipt_verifier_key, began_at from log_identity;

-- name: begin
-- Begin the log: its identity for good, and where it stands.
with begun as (
    insert into log_identity (origin, verifier_key, receipt_verifier_key) values ($1, $2, $3)
)
insert into log_state default values;

-- name: newest_checkpoint
-- The last checkpoint that was signed, and the cosignatures that have come in under it; as many as a note may bear.
select c.size, c.root, c.note,
       array(select s.line from log_cosignature s where s.size = c.size order by s.witness limit 63) as cosignatures
from log_checkpoint c
order by c.size desc
limit 1;

-- name: checkpoint_root
-- The root that was signed for a size, if one was.
select root from log_checkpoint where size = $1;

-- name: tile_beginning
-- The first bytes of a tile.
select substr(hashes, 1, $3) from log_tile where level = $1 and tile = $2;

-- name: positions
-- Where some events of an entity stand in the log; those that wait for it are left out.
select sequence, position
from log_entry
where entity_id = $1 and kind = 'event' and sequence = any($2::bigint[]);
