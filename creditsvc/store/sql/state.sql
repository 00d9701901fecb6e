-- For the operator's page alone. Nothing here walks a table that grows with the data: how many rows those have is what
-- the last analyze put down in pg_class.

-- name: log
-- Where the log stands, the clock, and the last checkpoint; what waits was counted when last signed. No row before it began.
select s.size, s.complete_until, s.drained_at, s.pending, c.size as checkpoint_size, c.signed_at, i.origin, i.began_at,
       clock_timestamp() as now,
       case when w.recorded_at is not null then clock_timestamp() - greatest(i.began_at, w.recorded_at) end as oldest
from log_state s
cross join log_identity i
left join lateral (select size, signed_at from log_checkpoint order by size desc limit 1) as c on true
left join lateral (select recorded_at from log_pending
                   where recorded_at >= coalesce(s.complete_until, '-infinity')
                   order by recorded_at
                   limit 1) as w on true;

-- name: rate
-- How many entries the log has grown by since the last checkpoint before so long ago, and since when that is; of so many
-- checkpoints at most.
with recent as materialized (
    select size, signed_at from log_checkpoint order by size desc limit $2
), bound as (
    select coalesce(
        (select max(size) from recent where signed_at <= clock_timestamp() - $1::interval),
        (select min(size) from recent)) as size
)
select (select max(size) from recent) - r.size as entries,
       extract(epoch from clock_timestamp() - r.signed_at)::double precision as seconds
from bound b
join recent r on r.size = b.size;

-- name: witnesses
-- Who cosigned which checkpoint last, among the last so many cosignatures.
select witness, max(size) as size, max(cosigned_at) as cosigned_at
from (select witness, size, cosigned_at from log_cosignature order by size desc limit $1) as recent
group by witness
order by witness;

-- name: clocks
-- The agencies with most overdue, and what awaits all of them together. The table holds open cases alone.
select o.handler, coalesce(a.name, '') as name, count(*) as open,
       count(*) filter (where o.due <= statement_timestamp()) as overdue, min(o.due) as first_due,
       (sum(count(*)) over ())::bigint as all_open,
       (sum(count(*) filter (where o.due <= statement_timestamp())) over ())::bigint as all_overdue
from open_case o
left join agency a on a.source = o.handler
where o.awaits = 'agency'
group by o.handler, a.name
order by 4 desc, 5, 1
limit $1;

-- name: keys_by_role
-- How many keys of each role hold, expire within so long, and were revoked within so long. Never what opens anything.
select c.role,
       count(*) filter (where k.live) as live,
       count(*) filter (where k.live and k.expires_at <= clock_timestamp() + $1::interval) as expiring,
       count(*) filter (where k.revoked_at > clock_timestamp() - $2::interval) as revoked
from (select client_id, expires_at, revoked_at,
             revoked_at is null and (expires_at is null or expires_at > clock_timestamp()) as live
      from api_key) as k
join client c using (client_id)
group by c.role
order by c.role;

-- name: keys_expiring
-- The keys that hold and are the next to expire, by their public parts.
select k.key_id, k.client_id, c.role, k.expires_at
from api_key k
join client c using (client_id)
where k.revoked_at is null and k.expires_at > clock_timestamp() and k.expires_at <= clock_timestamp() + $1::interval
order by k.expires_at, k.key_id
limit $2;

-- name: keys_revoked
-- The keys revoked last, by their public parts.
select k.key_id, k.client_id, c.role, k.revoked_at
from api_key k
join client c using (client_id)
where k.revoked_at > clock_timestamp() - $1::interval
order by k.revoked_at desc, k.key_id
limit $2;

-- name: erasures
-- How many records are to be erased whose time has been over for so long, counted up to a bound; since when the oldest.
select (select count(*)
        from (select from record
              where retired_from <= clock_timestamp() - $1::interval and next_change is null and not erased
              limit $2) as due) as due,
       (select retired_from from record
        where retired_from <= clock_timestamp() and next_change is null and not erased
        order by retired_from
        limit 1) as oldest;

-- name: migrations
-- What was done to the schema, the last first.
select number, name, phase, applied_at from migration order by number desc, phase limit $1;

-- name: rows
-- About how many rows tables have, by the last analyze; null where there was none yet.
select k.name, case when c.reltuples >= 0 then c.reltuples::bigint end as about
from unnest($1::text[]) with ordinality as k (name, place)
join pg_class c on c.oid = to_regclass('creditsvc.' || k.name)
order by k.place;

-- name: server
-- The database's version and its size on disk.
select current_setting('server_version') as version, pg_database_size(current_database()) as bytes;
