-- name: public_profiles
-- What the public is shown of each entity, and whether time has outrun it. $2 is what the other view takes: no consent is asked here.
select entity_id, ($2::text[])[1] as client_id, public_version as version, public_from as valid_from, public_until as valid_until,
       public_profile as profile, recorded_at,
       announced < $3 + (select count(*) from unnest($4::timestamptz[]) as a (at) where a.at <= clock_timestamp())
       or coalesce(shared_until <= clock_timestamp(), false) as outrun, version as events, announced, false as consented
from entity
where entity_id = any($1::text[]) and version > 0;

-- name: shared_profiles
-- The same for those that the record is shared with; of a partner ($2) also whether the organisation consents to what asks for it.
select e.entity_id, k.client_id, version, shared_from as valid_from, shared_until as valid_until,
       shared_profile as profile, recorded_at,
       announced < $3 + (select count(*) from unnest($4::timestamptz[]) as a (at) where a.at <= clock_timestamp())
       or coalesce(shared_until <= clock_timestamp(), false) as outrun, version as events, announced,
       coalesce((select c.given and (c.ends_at is null or c.ends_at > clock_timestamp())
                 from consent c
                 where c.entity_id = k.entity_id and c.client_id = k.client_id
                 order by c.number desc limit 1), false) as consented
from unnest($1::text[], $2::text[]) as k (entity_id, client_id)
join entity e on e.entity_id = k.entity_id
where version > 0;

-- name: shared_batch
-- The same of many at once, in two arrays; no bytes where nothing is shown, and null where it has to be looked at one by one: time
-- has outrun it, or it was folded by more releases than the $4 that whoever asks knows.
select array_agg(entity_id) as entities,
       array_agg(case when announced < $2 + (select count(*) from unnest($3::timestamptz[]) as a (at) where a.at <= clock_timestamp())
                        or announced > $4 or shared_until <= clock_timestamp() then null
                      else coalesce(shared_profile, '') end) as profiles
from entity
where entity_id = any($1::text[]) and version > 0;

-- name: consenting
-- Which of some entities consent to what asks for it, as partner $2 asks.
select k.entity_id
from unnest($1::text[]) as k (entity_id)
where (select c.given and (c.ends_at is null or c.ends_at > clock_timestamp())
       from consent c
       where c.entity_id = k.entity_id and c.client_id = $2
       order by c.number desc limit 1);

-- name: horizon
-- The database's clock, and the instant before which nothing more can come to be recorded.
select clock_timestamp() as now, append_horizon() as settled;

-- name: entries_until
-- One entity's events as recorded up to an instant, in order; of those that were erased, what is kept.
select e.sequence, e.recorded_at, e.source, e.holder, e.id, e.type, e.time, e.record, e.touches_public, e.content,
       x.name, x.status, x.public, x.touched_public, x.retired_from, x.public_changed_at
from event e
left join erasure x on e.content is null and x.entity_id = e.entity_id and x.kind = 'event' and x.sequence = e.sequence
where e.entity_id = $1 and e.recorded_at <= $2
order by e.sequence;

-- name: openings
-- The first events of an entity's records that were not erased, a page at a time: the order in which records are listed.
select sequence, record, source
from event
where entity_id = $1 and opens and sequence > $2 and recorded_at <= $3 and content is not null
order by sequence
limit $4;

-- name: history
-- An entity's events that were not erased, a page at a time.
select sequence, recorded_at, record, source, coalesce(holder, source) as holder, leaf_hash, salt, content
from event
where entity_id = $1 and sequence > $2 and recorded_at <= $3 and content is not null
order by sequence
limit $4;

-- name: erased
-- Events of an entity that were erased, from behind one up to another, of some sources' records or of all: what their leaves are
-- made of.
select e.sequence, e.recorded_at, e.source, x.commitment
from event e
join erasure x on x.entity_id = e.entity_id and x.kind = 'event' and x.sequence = e.sequence
where e.entity_id = $1 and e.sequence > $2 and e.sequence <= $3 and e.recorded_at <= $4 and e.content is null
  and ($5::text[] is null or x.source = any ($5))
order by e.sequence
limit $6;

-- name: records_entries
-- All events of some records of an entity, as recorded up to an instant; none of those that were erased.
select e.sequence, e.recorded_at, e.source, e.id, e.type, e.time, e.record, e.touches_public, e.content
from unnest($2::text[], $3::text[]) as k (record, source)
join record r on r.entity_id = $1 and r.record = k.record and r.source = k.source
cross join unnest(r.sequences) as s (sequence)
join event e on e.entity_id = $1 and e.sequence = s.sequence and e.recorded_at <= $4 and e.content is not null;

-- name: matching_public_names
-- Names known to the public, borne or former at $3, that have all of the query's bigrams: the closest in length first. Before them
-- come those that changed after $3, as far as $4 lets them be seen: whoever asks waits until there are none.
select entity_id, name, since, until, changed, pending
from (
    select entity_id, name, since, until,
           $4::timestamptz > $3::timestamptz and greatest(since, until) > $3 as pending,
           max(case when until <= $3 then until when since <= $3 then since end) over () as changed
    from entity_name
    where grams @> $1::text[] and since <= $4 and view = 'public'
) as matching
order by pending desc, char_length(name), name collate "C", entity_id, since desc
limit $2;

-- name: matching_shared_names
-- The same among the names that those know with whom the record is shared.
select entity_id, name, since, until, changed, pending
from (
    select entity_id, name, since, until,
           $4::timestamptz > $3::timestamptz and greatest(since, until) > $3 as pending,
           max(case when until <= $3 then until when since <= $3 then since end) over () as changed
    from entity_name
    where grams @> $1::text[] and since <= $4 and view = 'shared'
) as matching
order by pending desc, char_length(name), name collate "C", entity_id, since desc
limit $2;

-- name: namings
-- What each view knew an entity as at an instant.
select view, name, status
from entity_name
where entity_id = $1 and since <= $2 and (until is null or until > $2);
