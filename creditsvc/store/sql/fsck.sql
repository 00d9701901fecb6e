-- name: count_entities
-- How much there is to check.
select count(*) from entity;

-- name: entities
-- A page of entities as stored.
select entity_id, version, recorded_at, shared_naming, public_naming, model, announced, shared_summary, shared_from,
       shared_until, shared_profile, public_summary, public_version, public_from, public_until, public_profile
from entity
where entity_id > $1
order by entity_id
limit $2;

-- name: events
-- All events of some entities, each with what is held under its identity and whether the log will see it.
select e.entity_id, e.sequence, e.recorded_at, e.source, e.id, e.type, e.time, e.record, e.content, e.salt,
       e.leaf_hash, e.opens, e.touches_public,
       i.entity_id as identity_entity, i.sequence as identity_sequence, i.content_sha256,
       p.entity_id is not null as pending
from event e
left join event_identity i on i.source = e.source and i.id = e.id
left join log_pending p on p.entity_id = e.entity_id and p.sequence = e.sequence
where e.entity_id = any($1::text[])
order by e.entity_id, e.sequence;

-- name: records
-- All records of some entities as stored.
select entity_id, record, source, class, sequences, standing, public, objected, listing, since, code,
       code_group, points, amounts, points_until, next_change
from record
where entity_id = any($1::text[])
order by entity_id, record, source;

-- name: names
-- The names that some entities bear and bore.
select entity_id, view, since, until, name, status, grams
from entity_name
where entity_id = any($1::text[])
order by entity_id, since, view;

-- name: strays
-- Rows that no entity's history accounts for.
select 'event' as kind, entity_id, sequence::text as place
from event e where not exists (select from entity n where n.entity_id = e.entity_id)
union all
select 'identity', i.entity_id, i.source || ' ' || i.id
from event_identity i
where not exists (select from event e where e.entity_id = i.entity_id and e.sequence = i.sequence
                  and e.source = i.source and e.id = i.id)
union all
select 'record', r.entity_id, r.record
from record r where not exists (select from entity n where n.entity_id = r.entity_id)
union all
select 'pending', p.entity_id, p.sequence::text
from log_pending p
where not exists (select from event e where e.entity_id = p.entity_id and e.sequence = p.sequence)
limit 1000;
