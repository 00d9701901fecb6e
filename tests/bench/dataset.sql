-- How the benchmark's data set is copied: each statement from the rows that the service itself wrote of a template.

-- name: begin
drop schema if exists bench cascade;
create schema bench;
-- JSON as it is stored, of another organisation: neither identifier nor name holds anything that JSON escapes.
create function bench.stamped(content bytea, value text, by_value text, name text, by_name text) returns bytea
    language sql immutable parallel safe
    return convert_to(replace(replace(convert_from(content, 'UTF8'), value, by_value), name, by_name), 'UTF8');
-- The leaf as creditsvc/domain/canonical.py says, hashed.
create function bench.leaf_hash(entity text, sequence bigint, recorded_at timestamptz, source text, commitment bytea)
    returns bytea language sql stable parallel safe
    return sha256('\x00'::bytea || convert_to(
        '{"commitment":"' || encode(commitment, 'base64') || '","entity":"' || entity || '","recorded_at":"'
        || to_char(recorded_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '","sequence":' || sequence
        || ',"source":"' || source || '","v":1}', 'UTF8'));

-- name: name_indexes
select c.oid::regclass::text as name, pg_get_indexdef(c.oid) as definition
from pg_index i
join pg_class c on c.oid = i.indexrelid
join pg_am a on a.oid = c.relam
where i.indrelid = 'creditsvc.entity_name'::regclass and a.amname = 'gin';

-- name: copies
create temporary table copies (
    entity_id text collate "C", value text, name text, grams text[],
    template text collate "C", template_value text, template_name text
) on commit drop;

-- name: events
create temporary table made on commit drop as
select c.entity_id, e.sequence, e.recorded_at, e.source, replace(e.id, c.template_value, c.value) as id, e.type, e.time,
       replace(e.record, c.template_value, c.value) as record,
       bench.stamped(e.content, c.template_value, c.value, c.template_name, c.name) as content,
       uuid_send(gen_random_uuid()) as salt, e.opens, e.touches_public, e.holder
from copies c
join event e on e.entity_id = c.template;
insert into event (entity_id, sequence, recorded_at, source, id, type, time, record, content, salt, leaf_hash, opens,
                   touches_public, holder)
select entity_id, sequence, recorded_at, source, id, type, time, record, content, salt,
       bench.leaf_hash(entity_id, sequence, recorded_at, source, sha256(salt || content)), opens, touches_public, holder
from made
order by entity_id, sequence;
insert into event_identity (source, id, entity_id, sequence, content_sha256)
select source, id, entity_id, sequence, sha256(content) from made order by source, id;

-- name: pending
insert into log_pending (entity_id, sequence, kind, recorded_at)
select entity_id, sequence, 'event', recorded_at from made;

-- name: records
insert into record (entity_id, record, source, class, sequences, standing, public, objected, listing, since, code,
                    code_group, points, amounts, points_until, next_change, begins, retired_from)
select c.entity_id, replace(r.record, c.template_value, c.value), r.source, r.class, r.sequences, r.standing, r.public,
       r.objected, r.listing, r.since, r.code, r.code_group, r.points, r.amounts, r.points_until, r.next_change, r.begins,
       r.retired_from
from copies c
join record r on r.entity_id = c.template;

-- name: entities
insert into entity (entity_id, version, recorded_at, shared_naming, public_naming, model, announced, shared_summary,
                    shared_from, shared_until, shared_profile, public_summary, public_version, public_from, public_until,
                    public_profile)
select c.entity_id, e.version, e.recorded_at, replace(replace(e.shared_naming, c.template_value, c.value), c.template_name, c.name),
       replace(replace(e.public_naming, c.template_value, c.value), c.template_name, c.name), e.model, e.announced, e.shared_summary, e.shared_from,
       e.shared_until, bench.stamped(e.shared_profile, c.template_value, c.value, c.template_name, c.name),
       e.public_summary, e.public_version, e.public_from, e.public_until,
       bench.stamped(e.public_profile, c.template_value, c.value, c.template_name, c.name)
from copies c
join entity e on e.entity_id = c.template;

-- name: names
insert into entity_name (entity_id, view, since, until, name, status, grams)
select c.entity_id, n.view, n.since, n.until, c.name, n.status, c.grams
from copies c
join entity_name n on n.entity_id = c.template;

-- name: end
drop schema bench cascade;
