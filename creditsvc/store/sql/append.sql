-- name: begin
-- A transaction whose statements are planned once for good. All of them go by keys, whatever the statistics say; and on a
-- table that has just begun to fill there are none.
BEGIN;
SET LOCAL plan_cache_mode = force_generic_plan;
SET LOCAL enable_seqscan = off;
SET LOCAL enable_hashjoin = off;
SET LOCAL enable_mergejoin = off;

-- name: lock_entities
-- Give every entity its row and lock it, both in key order, so that two groups that overlap wait for each other and never
-- in a ring. Whoever holds this lock alone gives out the entity's sequences. An entity that another transaction opened in
-- the meantime is not returned.
with opened as (
    insert into entity (entity_id)
    select k.entity_id
    from unnest($1::text[]) as k (entity_id)
    where not exists (select from entity e where e.entity_id = k.entity_id)
    order by k.entity_id
    on conflict (entity_id) do nothing
    returning entity_id, version, recorded_at, shared_naming, public_naming, model, announced,
              shared_summary, shared_from, shared_until, public_summary, public_version, public_from
), held as (
    select entity_id, version, recorded_at, shared_naming, public_naming, model, announced,
           shared_summary, shared_from, shared_until, public_summary, public_version, public_from
    from entity
    where entity_id = any($1::text[])
    order by entity_id
    for update
)
select entity_id, version, recorded_at, shared_naming, public_naming, model, announced,
       shared_summary, shared_from, shared_until, public_summary, public_version, public_from
from opened
union all
select entity_id, version, recorded_at, shared_naming, public_naming, model, announced,
       shared_summary, shared_from, shared_until, public_summary, public_version, public_from
from held;

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
-- The records that are to be loaded, and what profiles show of others. Loaded are those that events name (under any source:
-- who else holds the number matters), those that time has changed, where it is both twice, and all of entities that were
-- scored by another version of the model. Of the others: all, where an entity has few. Where it has many, by index, however
-- many they are: for each view those few from each end of the points that a profile may show; the newest of the listings
-- that stand; and what time alone changes next (the public view changes with what begins to be public, too). Of each as
-- many more as may be among those that are named.
-- $1, $2 the numbers named, by entity; $3 all entities, and $4 until when time changes what; $5 those that are loaded
-- whole; $6 those of few records; $7 those of many, and $8 how many numbers of each are named.
select null as why, r.entity_id, r.record, r.source, r.class, r.public, r.listing, r.since, r.code, r.points,
       r.points_until, r.next_change, r.begins, r.sequences, r.standing, r.objected, r.code_group, r.amounts,
       r.retired_from, r.erased
from unnest($1::text[], $2::text[]) as k (entity_id, record)
join record r on r.entity_id = k.entity_id and r.record = k.record
union all
select null, r.entity_id, r.record, r.source, r.class, r.public, r.listing, r.since, r.code, r.points,
       r.points_until, r.next_change, r.begins, r.sequences, r.standing, r.objected, r.code_group, r.amounts,
       r.retired_from, r.erased
from unnest($3::text[]) as k (entity_id)
join record r on r.entity_id = k.entity_id and r.next_change <= $4
union all
select null, r.entity_id, r.record, r.source, r.class, r.public, r.listing, r.since, r.code, r.points,
       r.points_until, r.next_change, r.begins, r.sequences, r.standing, r.objected, r.code_group, r.amounts,
       r.retired_from, r.erased
from unnest($5::text[]) as k (entity_id)
join record r on r.entity_id = k.entity_id
union all
select 'any', r.entity_id, r.record, r.source, r.class, r.public, r.listing, r.since, r.code, r.points,
       r.points_until, r.next_change, r.begins, null, null, null, null, null, null, null
from unnest($6::text[]) as k (entity_id)
join record r on r.entity_id = k.entity_id
union all
select r.why, k.entity_id, r.record, r.source, r.class, r.public, r.listing, r.since, r.code, r.points,
       r.points_until, r.next_change, r.begins, null, null, null, null, null, null, null
from unnest($7::text[], $8::bigint[]) as k (entity_id, named)
cross join lateral (
    (select 'shared' as why, r.record, r.source, r.class, r.public, r.listing, r.since, r.code, r.points, r.points_until,
            r.next_change, r.begins
     from record r where r.entity_id = k.entity_id and r.points < 0 and coalesce(r.next_change > $4, true)
     order by r.points, r.record, r.source limit 4 + k.named)
    union all
    (select 'shared', r.record, r.source, r.class, r.public, r.listing, r.since, r.code, r.points, r.points_until,
            r.next_change, r.begins
     from record r where r.entity_id = k.entity_id and r.points > 0 and coalesce(r.next_change > $4, true)
     order by r.points desc, r.record desc, r.source desc limit 4 + k.named)
    union all
    (select 'public', r.record, r.source, r.class, r.public, r.listing, r.since, r.code, r.points, r.points_until,
            r.next_change, r.begins
     from record r where r.entity_id = k.entity_id and r.points < 0 and r.public and coalesce(r.next_change > $4, true)
     order by r.points, r.record, r.source limit 4 + k.named)
    union all
    (select 'public', r.record, r.source, r.class, r.public, r.listing, r.since, r.code, r.points, r.points_until,
            r.next_change, r.begins
     from record r where r.entity_id = k.entity_id and r.points > 0 and r.public and coalesce(r.next_change > $4, true)
     order by r.points desc, r.record desc, r.source desc limit 4 + k.named)
    union all
    (select 'shared listing', r.record, r.source, r.class, r.public, r.listing, r.since, r.code, r.points, r.points_until,
            r.next_change, r.begins
     from record r where r.entity_id = k.entity_id and r.listing and coalesce(r.next_change > $4, true)
     order by r.since desc, r.record, r.source limit 10 + k.named)
    union all
    (select 'public listing', r.record, r.source, r.class, r.public, r.listing, r.since, r.code, r.points, r.points_until,
            r.next_change, r.begins
     from record r where r.entity_id = k.entity_id and r.listing and r.public and coalesce(r.next_change > $4, true)
     order by r.since desc, r.record, r.source limit 10 + k.named)
    union all
    (select 'shared until', r.record, r.source, r.class, r.public, r.listing, r.since, r.code, r.points, r.points_until,
            r.next_change, r.begins
     from record r where r.entity_id = k.entity_id and r.next_change > $4
     order by r.next_change limit 1 + k.named)
    union all
    (select 'public until', r.record, r.source, r.class, r.public, r.listing, r.since, r.code, r.points, r.points_until,
            r.next_change, r.begins
     from record r where r.entity_id = k.entity_id and r.next_change > $4 and (r.public or r.begins)
     order by r.next_change limit 1 + k.named)
) as r;

-- name: find_entries
-- The events of records that are to be folded again, by their place.
select e.entity_id, e.sequence, e.recorded_at, e.source, e.id, e.type, e.time, e.record, e.touches_public,
       e.content
from unnest($1::text[], $2::bigint[]) as k (entity_id, sequence)
join event e on e.entity_id = k.entity_id and e.sequence = k.sequence;

-- name: store
-- A part of what a group enters, and of what its folds come to: identities, which are claimed in key order; the history
-- itself, with the note that the log has yet to place it; records; and profiles as they will be served. Gives how many
-- identities were claimed: one that a transaction in flight claims for another subject is not, and then nothing may be
-- committed.
with claimed as (
    insert into event_identity (source, id, entity_id, sequence, content_sha256)
    select *
    from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bytea[])
        as k (source, id, entity_id, sequence, content_sha256)
    order by k.source, k.id
    on conflict (source, id) do nothing
    returning 1
), entered as (
    insert into event (source, id, entity_id, sequence, recorded_at, type, time, record, content, salt, leaf_hash, opens,
                       touches_public, holder)
    select *
    from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $6::timestamptz[], $7::text[], $8::timestamptz[],
                $9::text[], $10::bytea[], $11::bytea[], $12::bytea[], $13::boolean[], $14::boolean[], $15::text[])
    returning entity_id, sequence, recorded_at
), noted as (
    insert into log_pending (entity_id, sequence, kind, recorded_at)
    select entity_id, sequence, 'event', recorded_at from entered
), folded as (
    insert into record (entity_id, record, source, class, sequences, standing, public, objected, listing,
                        since, code, code_group, points, amounts, points_until, next_change, begins, retired_from)
    select k.entity_id, k.record, k.source, k.class, k.sequences::bigint[], k.standing, k.public, k.objected,
           k.listing, k.since, k.code, k.code_group, k.points, k.amounts, k.points_until, k.next_change, k.begins,
           k.retired_from
    from unnest($16::text[], $17::text[], $18::text[], $19::text[], $20::text[], $21::boolean[], $22::boolean[],
                $23::boolean[], $24::boolean[], $25::timestamptz[], $26::text[], $27::text[], $28::numeric[],
                $29::text[], $30::timestamptz[], $31::timestamptz[], $32::boolean[], $33::timestamptz[])
        as k (entity_id, record, source, class, sequences, standing, public, objected, listing, since, code,
              code_group, points, amounts, points_until, next_change, begins, retired_from)
    on conflict (entity_id, record, source) do update
    set class = excluded.class, sequences = excluded.sequences, standing = excluded.standing,
        public = excluded.public, objected = excluded.objected, listing = excluded.listing,
        since = excluded.since, code = excluded.code, code_group = excluded.code_group,
        points = excluded.points, amounts = excluded.amounts, points_until = excluded.points_until,
        next_change = excluded.next_change, begins = excluded.begins, retired_from = excluded.retired_from
), served as (
    update entity e
    set version = k.version, recorded_at = k.recorded_at, shared_naming = k.shared_naming,
        public_naming = k.public_naming, model = k.model, announced = k.announced, shared_summary = k.shared_summary,
        shared_from = k.shared_from, shared_until = k.shared_until, shared_profile = k.shared_profile,
        public_summary = k.public_summary, public_version = k.public_version, public_from = k.public_from,
        public_until = k.public_until, public_profile = k.public_profile
    from unnest($34::text[], $35::bigint[], $36::timestamptz[], $37::text[], $38::text[], $39::text[], $40::integer[],
                $41::bytea[], $42::timestamptz[], $43::timestamptz[], $44::bytea[], $45::bytea[], $46::bigint[],
                $47::timestamptz[], $48::timestamptz[], $49::bytea[])
        as k (entity_id, version, recorded_at, shared_naming, public_naming, model, announced, shared_summary,
              shared_from, shared_until, shared_profile, public_summary, public_version, public_from, public_until,
              public_profile)
    where e.entity_id = k.entity_id
)
select count(*) from claimed;

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
-- Profiles whose time is over, the longest first; those that somebody is at work on are passed over. By the statement's own time and in
-- the index's order, so that the index answers: `clock_timestamp()` moves on while a statement runs, and would read the whole table.
select entity_id
from entity
where shared_until <= statement_timestamp() and version > 0
order by shared_until
limit $1
for update skip locked;

-- name: outdated_entities
-- Profiles folded before the last release was announced, likewise.
select entity_id
from entity
where announced < $2 + (select count(*) from unnest($3::timestamptz[]) as a (at) where a.at <= statement_timestamp())
  and version > 0
order by announced
limit $1
for update skip locked;
