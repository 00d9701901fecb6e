-- name: remove
-- Take off what is over: rows of these records whose clock does not run any more.
delete from open_case c
using unnest($1::text[], $2::text[], $3::text[]) as k (entity_id, record, source)
where c.entity_id = k.entity_id and c.record = k.record and c.source = k.source
  and not exists (
      select from unnest($4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
          as kept (entity_id, record, source, kind, number)
      where kept.entity_id = c.entity_id and kept.record = c.record and kept.source = c.source
        and kept.kind = c.kind and kept.number = c.number);

-- name: upsert
-- The clocks that run. A calendar's edition comes as text with blanks between.
insert into open_case (entity_id, record, source, kind, number, opened_by, handler, ground, procedure, opened_at, step,
                       awaits, since, days, counted, due, certain, calendar)
select entity_id, record, source, kind, number, opened_by, handler, ground, procedure, opened_at, step,
       awaits, since, days, counted, due, certain, string_to_array(calendar, ' ')::integer[]
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
            $10::timestamptz[], $11::text[], $12::text[], $13::timestamptz[], $14::integer[], $15::text[],
            $16::timestamptz[], $17::boolean[], $18::text[])
    as k (entity_id, record, source, kind, number, opened_by, handler, ground, procedure, opened_at, step, awaits, since,
          days, counted, due, certain, calendar)
order by entity_id, record, source, kind, number
on conflict (entity_id, record, source, kind, number) do update
set handler = excluded.handler, ground = excluded.ground, procedure = excluded.procedure,
    opened_at = excluded.opened_at, opened_by = excluded.opened_by, step = excluded.step, awaits = excluded.awaits,
    since = excluded.since, days = excluded.days, counted = excluded.counted, due = excluded.due,
    certain = excluded.certain, calendar = excluded.calendar;

-- name: outdated
-- Some clocks of places (by the schemes of their entities) that were counted by an older edition of their calendar;
-- those that somebody is at work on are passed over.
select entity_id, record, source, kind, number, since, days, counted
from open_case
where counted = 'working-days' and split_part(entity_id, ':', 1) = any ($1::text[]) and calendar < $2::integer[]
limit $3
for update skip locked;

-- name: reckon
-- When clocks are due by another edition of the calendar of their place.
update open_case c
set due = k.due, certain = k.certain, calendar = $8::integer[]
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::boolean[])
    as k (entity_id, record, source, kind, number, due, certain)
where c.entity_id = k.entity_id and c.record = k.record and c.source = k.source and c.kind = k.kind
  and c.number = k.number;

-- name: lapse
-- Take off refusals that may not be appealed against any more: their cases are over, without an event; gives each.
delete from open_case c
using (select entity_id, record, source, kind, number
       from open_case
       where step = 'appeal' and due <= statement_timestamp()
       limit $1
       for update skip locked) as over
where c.entity_id = over.entity_id and c.record = over.record and c.source = over.source and c.kind = over.kind
  and c.number = over.number
returning 1;

-- name: unlisted
-- Some records that are objected to and have no clock yet: folded by software that knew none.
select r.entity_id, r.record, r.source
from record r
where r.objected and not exists (
    select from open_case c where c.entity_id = r.entity_id and c.record = r.record and c.source = r.source)
limit $1;

-- name: desk
-- What awaits an agency, the earliest due first, from behind a place on; nothing for whom it is not to see.
-- $1 the agency; $2 the sources of whoever asks, null for one who sees every desk; $3, $4 the place; $5 the kind or
-- null for any; $6 whether it is overdue, null for either.
select entity_id, record, source, kind, number, opened_by, handler, ground, procedure, opened_at, step, awaits, since, due,
       certain, place, due <= statement_timestamp() as overdue
from open_case
where handler = $1 and awaits = 'agency' and ($2::text[] is null or handler = any ($2::text[]))
  and (due, place) > ($3::timestamptz, $4::bigint)
  and ($5::text is null or kind = $5) and ($6::boolean is null or (due <= statement_timestamp()) = $6)
order by due, place
limit $7;

-- name: of_entity
-- The open cases of an organisation, the earliest due first, from behind a place on; of those a viewer with sources sees
-- what these hold, handle or opened. A refusal that may not be appealed against any more is over.
select entity_id, record, source, kind, number, opened_by, handler, ground, procedure, opened_at, step, awaits, since, due,
       certain, place, due <= statement_timestamp() as overdue
from open_case
where entity_id = $1
  and ($2::text[] is null or source = any ($2::text[]) or handler = any ($2::text[]) or opened_by = any ($2::text[]))
  and (due, place) > ($3::timestamptz, $4::bigint)
  and not (step = 'appeal' and due <= statement_timestamp())
order by due, place
limit $5;

-- name: count
-- How many cases await agencies, and how many of them for too long.
select handler, kind, step, count(*) as open, count(*) filter (where due <= statement_timestamp()) as overdue
from open_case
where awaits = 'agency'
group by handler, kind, step;
