-- up
-- Who looked: every non-public query, written before it is answered. A request is one row in a table that is
-- quick to write to, and soon filed under each organisation that it was about, where it is quick to find.

alter table client
    add column purpose text check (purpose ~ '^[!#$%&''*+.^_`|~0-9A-Za-z-]{1,64}$');
comment on column client.purpose is 'What it asks for unless a request says; null: it has not said';

create table access_arrived (
    number bigint generated always as identity primary key,
    at timestamptz not null default clock_timestamp(),
    client_id text collate "C" not null,
    role text not null,
    purpose text check (octet_length(purpose) <= 64),
    what text not null,
    entities text[] collate "C" not null check (cardinality(entities) > 0)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);
comment on table access_arrived is 'Queries as they came, one row each, until they are filed in access';
comment on column access_arrived.what is 'The operation of the interface, by its name';
comment on column access_arrived.entities is 'Whom it was about, each once';

create table access (
    entity_id text collate "C" not null,
    number bigint not null,
    at timestamptz not null,
    client_id text collate "C" not null,
    role text not null,
    purpose text,
    what text not null,
    primary key (entity_id, number)
);
create index access_at on access (at);
comment on table access is 'Who asked about each organisation, when, what and what for; one number is one request';

-- Both only grow, for their owner too. A row leaves the first when the second has it for each of its
-- organisations, and the second when it is older than any place lets it be removed.
create function refuse_unfiled() returns trigger language plpgsql as $$
begin
    if exists (
        select from gone, unnest(gone.entities) as whom (entity_id)
        where not exists (
            select from (
                select a.at, a.client_id, a.role, a.what, a.purpose from creditsvc.access a
                where a.entity_id = whom.entity_id and a.number = gone.number
                offset 0) as filed  -- found by its key alone: many have one instant
            where filed.at = gone.at and filed.client_id = gone.client_id and filed.role = gone.role
              and filed.what = gone.what and filed.purpose is not distinct from gone.purpose)) then
        raise exception 'access_arrived is append-only' using errcode = 'insufficient_privilege';
    end if;
    return null;
end
$$;
create trigger access_arrived_leaves after delete on access_arrived
    referencing old table as gone for each statement execute function refuse_unfiled();
create trigger access_arrived_append_only before update on access_arrived
    for each row execute function refuse_change();
create trigger access_arrived_no_truncate before truncate on access_arrived
    for each statement execute function refuse_change();

create function refuse_early_removal() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' and old.at < clock_timestamp() - interval '5 years' then
        return old;
    end if;
    raise exception 'access is append-only' using errcode = 'insufficient_privilege';
end
$$;
create trigger access_append_only before update or delete on access
    for each row execute function refuse_early_removal();
create trigger access_no_truncate before truncate on access
    for each statement execute function refuse_change();

-- File the oldest: requests about ``most`` organisations together, and at least one request. Gives how many
-- requests were filed. Several may do it at once: each takes what no other has.
create function file_accesses(most integer) returns integer
    language plpgsql volatile security definer set search_path = creditsvc, pg_temp as $$
declare
    taken bigint[];
begin
    select array_agg(number) into taken
    from (select number, sum(size) over (order by number) - size as before
          from (select number, cardinality(entities) as size
                from access_arrived order by number limit most for update skip locked) as oldest) as counted
    where before < most;
    insert into access (entity_id, number, at, client_id, role, purpose, what)
    select entity_id, number, at, client_id, role, purpose, what
    from access_arrived, unnest(entities) as entity_id
    where number = any (taken)
    order by entity_id, number;
    delete from access_arrived where number = any (taken);
    return coalesce(cardinality(taken), 0);
end
$$;

-- Remove up to ``most`` of those that are older than so many years, of which five are the least. Gives how many.
create function remove_old_accesses(years integer, most integer) returns integer
    language plpgsql volatile security definer set search_path = creditsvc, pg_temp as $$
declare
    removed integer;
begin
    delete from access where ctid = any (array(
        select ctid from access
        where at < clock_timestamp() - make_interval(years => greatest(years, 5))
        order by at limit most for update skip locked));
    get diagnostics removed = row_count;
    return removed;
end
$$;

revoke execute on function file_accesses(integer), remove_old_accesses(integer, integer) from public;
grant usage on schema creditsvc to creditsvc_access;
grant insert (client_id, role, purpose, what, entities) on access_arrived to creditsvc_access;
grant execute on function file_accesses(integer), remove_old_accesses(integer, integer) to creditsvc_access;
grant select on access_arrived, access to creditsvc_lookup;

-- down
drop function remove_old_accesses(integer, integer), file_accesses(integer);
drop table access, access_arrived;
drop function refuse_unfiled(), refuse_early_removal();
alter table client drop column purpose;
revoke usage on schema creditsvc from creditsvc_access;
