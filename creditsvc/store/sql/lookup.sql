-- name: public_profiles
-- What the public is shown of each entity, and whether time has outrun it. $2 is what the other view takes: no consent is asked here.
-- How many entities there are is hidden from the planner: for fewer than it expects it would plan anew each time.
select entity_id, ($2::text[])[1] as client_id, public_version as version, public_from as valid_from, public_until as valid_until,
       public_profile as profile, recorded_at,
       announced < $3 + (select count(*) from unnest($4::timestamptz[]) as a (at) where a.at <= clock_timestamp())
       or coalesce(shared_until <= clock_timestamp(), false) as outrun, version as events, announced, false as consented
from entity
where entity_id = any((select $1::text[])::text[]) and version > 0;

-- name: shared_profiles
-- The same for those that the record is shared with; of a partner ($2) also whether the organisation consents to what asks for it.
select e.entity_id, k.client_id, version, shared_from as valid_from, shared_until as valid_until,
       coalesce(shared_profile, public_profile) as profile, recorded_at,
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
-- The same of many at once ($1, with blanks between), in two arrays; no bytes where nothing is shown, and null where it has to be
-- looked at one by one: time has outrun it, or it was folded by more releases than the $4 that whoever asks knows.
select array_agg(entity_id) as entities,
       array_agg(case when announced < $2 + (select count(*) from unnest($3::timestamptz[]) as a (at) where a.at <= clock_timestamp())
                        or announced > $4 or shared_until <= clock_timestamp() then null
                      else coalesce(shared_profile, public_profile, '') end) as profiles
from entity
where entity_id = any(string_to_array($1, ' ')) and version > 0;

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

-- name: stretch
-- All events of the records that some of an entity's events are of ($2 < sequence <= $3), as recorded up to an instant, each with what
-- its agency is called; none of those that were erased.
select e.sequence, e.recorded_at, e.source, e.id, e.type, e.time, e.record, e.touches_public, e.content, a.name as agency
from (select distinct record, coalesce(holder, source) as source
      from event
      where entity_id = $1 and sequence > $2 and sequence <= $3 and recorded_at <= $4 and content is not null) as k
join record r on r.entity_id = $1 and r.record = k.record and r.source = k.source
cross join unnest(r.sequences) as s (sequence)
join event e on e.entity_id = $1 and e.sequence = s.sequence and e.recorded_at <= $4 and e.content is not null
left join agency a on a.source = e.source;

-- name: public_records
-- How many records the public is shown of an entity; no row where that is not what it has been shown since $2.
select (convert_from(public_summary, 'UTF8')::json ->> 'records')::bigint as records
from entity
where entity_id = $1 and public_from = $2;

-- name: matching_names
-- Names that a view knew at $5, borne or former, of some lengths ($3), that have all of a query's pairs of characters: those that they
-- are looked for by ($2) and all the others ($4, null for none). The closest in length come first.
select found.entity_id, found.name, found.since, found.until
from unnest($3::integer[]) as l (length)
cross join lateral (
    select entity_id, name, since, until, grams
    from entity_name
    where name_keys(view, name_length(name), grams) @> name_keys($1::text, l.length, $2::text[])
    offset 0  -- found by its keys alone: a planner that knows neither how rare they are nor how many lengths would read the table
) as found
where ($4::text[] is null or grams @> $4) and since <= $5
order by char_length(name), name collate "C", entity_id, since desc
limit $6;

-- name: crowded_names
-- The same of one length, looked for among the first $5 in that order: where what is asked for is common they soon are enough.
select entity_id, name, since, until
from (
    select entity_id, name, since, until, grams
    from entity_name
    where view = $1 and name_length(name) = $2
    order by char_length(name), name collate "C", entity_id, since desc
    limit $5
) as first
where grams @> $3::text[] and since <= $4
limit $6;

-- name: crowds
-- How many names of a view have some pairs of characters, about, by their length; not told of few. Of $3 or more also how many others
-- come before the first of them, in the order of answers, up to $4.
select length, names, case when names >= $3 then (
           select count(*) * 256
           from (select from entity_name
                 where hashtext(entity_id) & 255 = 0 and view = $1 and name_length(name) = length and name collate "C" < first
                 limit $4 / 256) as counted) end as before
from (select name_length(name) as length, count(*) * 256 as names, min(name collate "C") as first
      from entity_name
      where hashtext(entity_id) & 255 = 0 and view = $1 and grams @> $2::text[]
      group by 1) as matching;

-- name: gram_counts
-- In how many names of the sample each pair of characters is, counted up to $2.
select g.gram, (select count(*)
                from (select from entity_name
                      where hashtext(entity_id) & 255 = 0 and grams @> array[g.gram]
                      limit $2) as counted) as names
from unnest($1::text[]) as g (gram);

-- name: public_at
-- Since when each of many entities stands, and whether the public is shown anything of it; null where this has to be looked at one by
-- one: time has outrun it, it was folded by more releases than the $5 that whoever asks knows, or it stood otherwise at $4.
select entity_id, public_from as since, public_profile is not null as shown,
       announced < $2 + (select count(*) from unnest($3::timestamptz[]) as a (at) where a.at <= clock_timestamp())
       or announced > $5 or coalesce(shared_until <= clock_timestamp(), false)
       or public_from > $4 or coalesce(public_until <= $4, false) as apart
from entity
where entity_id = any($1::text[]) and version > 0 and public_from is not null;

-- name: namings
-- What each view knew an entity as at an instant.
select view, name, status
from entity_name
where entity_id = $1 and since <= $2 and (until is null or until > $2);

-- name: agency_names
-- What agencies are called, by their sources.
select source, name from agency where source = any($1::text[]);
