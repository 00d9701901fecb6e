-- name: lock
-- One service at a time announces; held to the end of the transaction.
select pg_advisory_xact_lock(7240117, 1);

-- name: releases
-- What has been released so far, in the order in which it was announced.
select number, name, version, sha256, in_force_from, announced_at
from model_release
order by number;

-- name: announce
-- Make a release known after a notice, or (where $6) as one that was there from the beginning.
insert into model_release (number, name, version, sha256, in_force_from, announced_at)
values ($1, $2, $3, $4, $5, case when $6 then null else clock_timestamp() + $7::interval end);

-- name: today
-- The date by the database's clock, at the place on Earth where a day begins first: there it is no later than anywhere.
select (clock_timestamp() at time zone 'Pacific/Kiritimati')::date;

-- name: count_outdated
-- How many profiles were folded before the last release was announced.
select count(*) filter (where announced < $1 + (select count(*) from unnest($2::timestamptz[]) as a (at) where a.at <= clock_timestamp())),
       count(*)
from entity
where version > 0;

-- name: count_releases
-- How many releases of a model there are.
select count(*) from model_release where name = $1;
