-- name: insert
-- A ranking, at the clock of this transaction: whoever asks about that instant waits until it is committed.
insert into model_ranking (name, version, peer_group, ranked_at, measures)
select $1, $2, g.peer_group, $5, string_to_array(g.measures, ' ')
from unnest($3::integer[], $4::text[]) as g (peer_group, measures);

-- name: now
-- The database's clock.
select clock_timestamp();

-- name: ranked_at
-- When a group was last ranked by an instant.
select max(ranked_at)
from model_ranking
where name = $1 and version = $2 and peer_group = $3 and ranked_at <= $4;

-- name: measures
-- What the organisations of a group measured then.
select measures
from model_ranking
where name = $1 and version = $2 and peer_group = $3 and ranked_at = $4;
