-- name: begin
-- Have the rows in which counting stands.
with positions as (
    insert into statistic_state default values on conflict (one) do nothing
)
insert into grade_count default values on conflict (one) do nothing;

-- name: lock_position
-- From which position on the log is still to be counted; held to the end of the transaction, so one counts at a time. And how long
-- the log is.
select position, (select size from log_state) as size from statistic_state for update;

-- name: entries
-- The next positions of the log in order, each with its event where it is one that the public could notice.
select l.position, e.entity_id, e.type, e.time
from log_entry l
left join event e on l.kind = 'event' and e.entity_id = l.entity_id and e.sequence = l.sequence and e.touches_public
where l.position >= $1 and l.position < (select size from log_state)
order by l.position
limit $2;

-- name: add
-- What was counted, added to what was counted before.
insert into statistic (month, type, events)
select k.month, k.type, k.events
from unnest($1::date[], $2::text[], $3::bigint[]) as k (month, type, events)
order by k.month, k.type
on conflict (month, type) do update set events = statistic.events + excluded.events;

-- name: move
-- Everything below this position is counted.
update statistic_state set position = $1, counted_at = clock_timestamp();

-- name: lock_grades
-- Where the count of grades stands, and whether the next is due, which it is sooner where the last found nobody; held to
-- the end of the transaction.
select began_at is not null as under_way, reached,
       began_at is null and (done_at is null or
                             done_at <= clock_timestamp() - case grades when '{}' then $2::interval else $1::interval end) as due
from grade_count
for update;

-- name: begin_grades
-- A new count of grades.
update grade_count set began_at = clock_timestamp(), reached = '', counted = '{}';

-- name: grades_after
-- The next organisations by their key, and how many of them have each grade; no grade where nothing is public.
with page as materialized (
    select entity_id, public_profile from entity where entity_id > $1 order by entity_id limit $2
), graded as (
    select convert_from(public_profile, 'UTF8')::json -> 'score' ->> 'grade' as grade
    from page
    where public_profile is not null
)
select (select count(*) from page) as organisations, (select max(entity_id) from page) as reached,
       (select array_agg(grade order by grade) from graded) as grades;

-- name: add_grades
-- What a page came to, added to what the count under way has come to.
update grade_count
set reached = $1,
    counted = (
        select coalesce(jsonb_object_agg(grade, organisations), '{}')
        from (select grade, sum(organisations) as organisations
              from (select key as grade, value::bigint as organisations from jsonb_each_text(counted)
                    union all
                    select grade, 1 from unnest($2::text[]) as k (grade)) as both_counts
              group by grade) as together);

-- name: finish_grades
-- The count under way is whole: it is what anybody sees from now on.
update grade_count set grades = counted, done_at = began_at, began_at = null, reached = null, counted = '{}';

-- name: shown
-- All that is shown, in one row: how far the log was counted and when, null before counting has begun; the last count of grades; the
-- years in which events took effect, with the sum of the cells that are shown and how many cells are too small; and the events of a
-- year by month and type, of the latest where $2 is null.
select s.position, s.counted_at, s.done_at, s.grades,
       (select coalesce(json_agg(json_build_array(year, events, small) order by year desc), '[]')
        from (select extract(year from month)::integer as year, coalesce(sum(events) filter (where events >= $1), 0)::bigint as events,
                     count(*) filter (where events < $1) as small
              from statistic
              group by 1) as y) as years,
       (select coalesce(json_agg(json_build_array(extract(month from month)::integer, type, events)), '[]')
        from statistic
        where extract(year from month) = coalesce($2::integer, (select extract(year from max(month)) from statistic))) as months
from (select) as one
left join (select position, counted_at, done_at, grades from statistic_state cross join grade_count) as s on true;
