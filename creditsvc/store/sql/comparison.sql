-- name: count_entities
-- How many organisations there are to compare.
select count(*) from entity where version > 0;

-- name: entities
-- A page of organisations.
select entity_id
from entity
where entity_id > $1 and version > 0
order by entity_id
limit $2;

-- name: entries
-- All events of some organisations that were not erased.
select entity_id, sequence, recorded_at, source, id, type, time, record, touches_public, content
from event
where entity_id = any($1::text[]) and content is not null
order by entity_id, sequence;
