-- name: insert_missing_entities
-- Give every entity its row, in key order, so that two groups that overlap wait for each other and never in a ring.
insert into entity (entity_id)
select k.entity_id
from unnest($1::text[]) as k (entity_id)
where not exists (select from entity e where e.entity_id = k.entity_id)
order by k.entity_id
on conflict (entity_id) do nothing;

-- name: lock_entities
-- Lock the entities in key order. Whoever holds this lock alone gives out the entity's sequences.
select entity_id, version, recorded_at, shared_naming, public_naming, model, announced,
       shared_summary, shared_from, shared_until, public_summary, public_version, public_from
from entity
where entity_id = any($1::text[])
order by entity_id
for update;

-- name: now
-- The database's clock, read once the locks are held: later than all that was recorded under them before, and, even
-- if the clock was set back, no earlier than what the log says it is complete up to. How many releases of the official
-- model there are: whoever knows fewer must not fold. Whether the clock is too far behind the log. And since when the log tells what only time changes.
select greatest(clock_timestamp(), s.complete_until) as now,
       coalesce(s.complete_until > clock_timestamp() + $2::interval, false) as behind,
       (select count(*) from model_release where name = $1) as released,
       (select began_at from log_identity) as began_at
from (select (select complete_until from log_state) as complete_until) as s;

-- name: find_identities
-- The events already held under these identities, for their original receipts.
select i.source, i.id, i.entity_id, i.sequence, i.content_sha256, e.recorded_at, e.leaf_hash, e.salt
from unnest($1::text[], $2::text[]) as k (source, id)
join event_identity i on i.source = k.source and i.id = k.id
join event e on e.entity_id = i.entity_id and e.sequence = i.sequence;

-- name: known_agencies
-- Which of these are agencies that hand events in.
select source from agency where source = any($1::text[]);

-- name: find_records
-- The records that events name (under any source: who else holds the number matters), those that time has
-- changed, and all of entities that were scored by another version of the model.
select r.entity_id, r.record, r.source, r.class, r.sequences, r.standing, r.public, r.objected,
       r.listing, r.since, r.code, r.code_group, r.points, r.amounts, r.points_until, r.next_change,
       r.begins, r.retired_from, r.erased
from unnest($1::text[], $2::text[]) as k (entity_id, record)
join record r on r.entity_id = k.entity_id and r.record = k.record
union
select r.entity_id, r.record, r.source, r.class, r.sequences, r.standing, r.public, r.objected,
       r.listing, r.since, r.code, r.code_group, r.points, r.amounts, r.points_until, r.next_change,
       r.begins, r.retired_from, r.erased
from unnest($3::text[]) as k (entity_id)
join record r on r.entity_id = k.entity_id and r.next_change <= $4
union
select r.entity_id, r.record, r.source, r.class, r.sequences, r.standing, r.public, r.objected,
       r.listing, r.since, r.code, r.code_group, r.points, r.amounts, r.points_until, r.next_change,
       r.begins, r.retired_from, r.erased
from unnest($5::text[]) as k (entity_id)
join record r on r.entity_id = k.entity_id;

-- name: find_entries
-- The events of records that are to be folded again, by their place.
select e.entity_id, e.sequence, e.recorded_at, e.source, e.id, e.type, e.time, e.record, e.touches_public,
       e.content
from unnest($1::text[], $2::bigint[]) as k (entity_id, sequence)
join event e on e.entity_id = k.entity_id and e.sequence = k.sequence;

-- name: insert_identities
-- Claim identities in key order. One that a transaction in flight claims for another subject is not returned.
insert into event_identity (source, id, entity_id, sequence, content_sha256)
select *
from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bytea[]) as k (source, id, entity_id, sequence, content_sha256)
order by k.source, k.id
on conflict (source, id) do nothing
returning source;

-- name: insert_events
-- The history itself, and the note that the log has yet to place it.
with inserted as (
    insert into event (entity_id, sequence, recorded_at, source, id, type, time, record, content, salt,
                       leaf_hash, opens, touches_public, holder)
    select *
    from unnest($1::text[], $2::bigint[], $3::timestamptz[], $4::text[], $5::text[], $6::text[],
                $7::timestamptz[], $8::text[], $9::bytea[], $10::bytea[], $11::bytea[], $12::boolean[],
                $13::boolean[], $14::text[])
    returning entity_id, sequence, recorded_at
)
insert into log_pending (entity_id, sequence, kind, recorded_at)
select entity_id, sequence, 'event', recorded_at from inserted;

-- name: upsert_records
-- What the folds come to.
insert into record (entity_id, record, source, class, sequences, standing, public, objected, listing,
                    since, code, code_group, points, amounts, points_until, next_change, begins, retired_from)
select k.entity_id, k.record, k.source, k.class, k.sequences::bigint[], k.standing, k.public, k.objected,
       k.listing, k.since, k.code, k.code_group, k.points, k.amounts, k.points_until, k.next_change, k.begins,
       k.retired_from
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::boolean[], $7::boolean[],
            $8::boolean[], $9::boolean[], $10::timestamptz[], $11::text[], $12::text[], $13::numeric[],
            $14::text[], $15::timestamptz[], $16::timestamptz[], $17::boolean[], $18::timestamptz[])
    as k (entity_id, record, source, class, sequences, standing, public, objected, listing, since, code,
          code_group, points, amounts, points_until, next_change, begins, retired_from)
on conflict (entity_id, record, source) do update
set class = excluded.class, sequences = excluded.sequences, standing = excluded.standing,
    public = excluded.public, objected = excluded.objected, listing = excluded.listing,
    since = excluded.since, code = excluded.code, code_group = excluded.code_group,
    points = excluded.points, amounts = excluded.amounts, points_until = excluded.points_until, next_change = excluded.next_change,
    begins = excluded.begins, retired_from = excluded.retired_from;

-- name: last_notices
-- The last that each entity has told, for the next number; by index.
select k.entity_id, told.number, told.due
from unnest($1::text[]) as k (entity_id)
cross join lateral (
    select number, due from notice n where n.entity_id = k.entity_id order by number desc limit 1
) as told;

-- name: insert_notices
-- What time alone changed, and the note that the log has yet to place it. A boundary is never told twice.
with inserted as (
    insert into notice (entity_id, number, due, recorded_at, type, record, source, content, salt, leaf_hash)
    select *
    from unnest($1::text[], $2::bigint[], $3::timestamptz[], $4::timestamptz[], $5::text[], $6::text[],
                $7::text[], $8::bytea[], $9::bytea[], $10::bytea[])
    on conflict (entity_id, due, type, record, source) do nothing
    returning entity_id, number, recorded_at
)
insert into log_pending (entity_id, sequence, kind, recorded_at)
select entity_id, number, 'notice', recorded_at from inserted;

-- name: strongest_records
-- From each end of the points, and for each view, the few that a profile may show; by index, however many there are.
select k.entity_id, top.view, top.record, top.source, top.code, top.points, top.points_until
from unnest($1::text[]) as k (entity_id)
cross join lateral (
    (select 'shared' as view, record, source, code, points, points_until from record r
     where r.entity_id = k.entity_id and points < 0
     order by points, record, source limit 4)
    union all
    (select 'shared', record, source, code, points, points_until from record r
     where r.entity_id = k.entity_id and points > 0
     order by points desc, record desc, source desc limit 4)
    union all
    (select 'public', record, source, code, points, points_until from record r
     where r.entity_id = k.entity_id and points < 0 and public
     order by points, record, source limit 4)
    union all
    (select 'public', record, source, code, points, points_until from record r
     where r.entity_id = k.entity_id and points > 0 and public
     order by points desc, record desc, source desc limit 4)
) as top;

-- name: listed_records
-- The listings that stand, the newest first.
select k.entity_id, listed.record, listed.source, listed.class, listed.since, listed.public
from unnest($1::text[]) as k (entity_id)
cross join lateral (
    select record, source, class, since, public from record r
    where r.entity_id = k.entity_id and listing
    order by since desc, record, source limit 100
) as listed;

-- name: next_changes
-- When time alone next changes what each view shows; by index. The public view changes with what begins to be public, too.
select k.entity_id,
       (select next_change from record r where r.entity_id = k.entity_id and next_change is not null
        order by next_change limit 1) as shared_until,
       (select next_change from record r where r.entity_id = k.entity_id and next_change is not null
          and (public or begins)
        order by next_change limit 1) as public_until
from unnest($1::text[]) as k (entity_id);

-- name: update_entities
-- The profiles as they will be served.
update entity e
set version = k.version, recorded_at = k.recorded_at, shared_naming = k.shared_naming,
    public_naming = k.public_naming, model = k.model, announced = k.announced, shared_summary = k.shared_summary,
    shared_from = k.shared_from, shared_until = k.shared_until, shared_profile = k.shared_profile,
    public_summary = k.public_summary, public_version = k.public_version, public_from = k.public_from,
    public_until = k.public_until, public_profile = k.public_profile
from unnest($1::text[], $2::bigint[], $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::integer[],
            $8::bytea[], $9::timestamptz[], $10::timestamptz[], $11::bytea[], $12::bytea[], $13::bigint[],
            $14::timestamptz[], $15::timestamptz[], $16::bytea[])
    as k (entity_id, version, recorded_at, shared_naming, public_naming, model, announced,
          shared_summary, shared_from, shared_until, shared_profile, public_summary, public_version, public_from, public_until,
          public_profile)
where e.entity_id = k.entity_id;

-- name: end_names
-- A name that is borne no longer stays searchable as a former one.
update entity_name n
set until = k.since
from unnest($1::text[], $2::text[], $3::timestamptz[]) as k (entity_id, view, since)
where n.entity_id = k.entity_id and n.view = k.view and n.until is null;

-- name: insert_names
-- Names as they come to be borne.
insert into entity_name (entity_id, view, since, until, name, status, grams)
select k.entity_id, k.view, k.since, k.until, k.name, k.status, string_to_array(k.grams, ' ')
from unnest($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::text[], $6::text[], $7::text[])
    as k (entity_id, view, since, until, name, status, grams);

-- name: due_entities
-- Profiles that time has outrun; those that somebody is at work on are passed over.
select entity_id
from entity
where version > 0
  and (shared_until <= clock_timestamp()
       or announced < $2 + (select count(*) from unnest($3::timestamptz[]) as a (at) where a.at <= clock_timestamp()))
limit $1
for update skip locked;
