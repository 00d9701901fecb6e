-- name: due
-- Records whose legal life has been over for so long, none of whose events came later than that, and on which no clock runs: the
-- longest over first. The clock comes with them.
select r.entity_id, r.record, r.source, r.sequences, clock_timestamp() as now
from record r
where r.retired_from <= statement_timestamp() - $1::interval and r.next_change is null and not r.erased
  and not exists (select from open_case c
                  where c.entity_id = r.entity_id and c.record = r.record and c.source = r.source)
order by r.retired_from, r.entity_id, r.record, r.source
limit $2;

-- name: entries
-- The events of a record, in order.
select sequence, recorded_at, source, holder, id, type, time, record, touches_public, content
from event
where entity_id = $1 and sequence = any ($2::bigint[])
order by sequence;

-- name: erase
-- Erase a record's content; gives how many entries were erased, none when it has to be tried again.
select erase_record($1, $2, $3, $4, $5, $6, $7, $8);

-- name: oldest
-- For how long the content of some record has been kept beyond its time.
select coalesce(extract(epoch from clock_timestamp() - min(retired_from)), 0)::double precision
from record
where retired_from <= statement_timestamp() and next_change is null and not erased;
