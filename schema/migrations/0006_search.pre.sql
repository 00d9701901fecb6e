-- up
-- Names are found by the length that they have, and requests that wait to be filed are counted one by one.
--
-- The indexes are made here unless they are there. Where names are many, and being named must not wait for that, make them
-- first with `create index concurrently`, each as it is written here.

-- The length by which a name is found; the longest go together.
create function name_length(name text) returns integer language sql immutable parallel safe
    return least(char_length(name), 40);
-- What it is found by: its pairs of characters, each behind the view and the length. So a search takes up what is closest
-- first, and leaves off once it has enough.
create function name_keys(view text, length integer, grams text[]) returns text[] language sql immutable parallel safe
    return string_to_array(left(view, 1) || chr(64 + length)
                           || array_to_string(grams, ',' || left(view, 1) || chr(64 + length)), ',');
-- The list of what is yet to be indexed is kept short: each search reads it, once for every length.
create index if not exists entity_name_keys on entity_name
    using gin (name_keys(view, name_length(name), grams)) with (gin_pending_list_limit = 64);
-- In the order of answers, for what most names have.
create index if not exists entity_name_closest on entity_name
    (view, name_length(name), char_length(name), name collate "C", entity_id, since desc);
-- One name in 256, by which it is told what is common, and where in that order.
create index if not exists entity_name_sample on entity_name using gin (grams) where hashtext(entity_id) & 255 = 0;
create index if not exists entity_name_sample_order on entity_name (view, name_length(name), name collate "C")
    where hashtext(entity_id) & 255 = 0;

-- To count whom a request was about means to read all of them: of no more requests than are taken.
create or replace function file_accesses(most integer) returns integer
    language plpgsql volatile security definer set search_path = creditsvc, pg_temp as $$
declare
    oldest record;
    taken bigint[] := '{}';
    size bigint := 0;
begin
    for oldest in
        select number, cardinality(entities) as size
        from access_arrived order by number limit most for update skip locked
    loop
        exit when size >= most;
        taken := taken || oldest.number;
        size := size + oldest.size;
    end loop;
    insert into access (entity_id, number, at, client_id, role, purpose, what)
    select entity_id, number, at, client_id, role, purpose, what
    from access_arrived, unnest(entities) as entity_id
    where number = any (taken)
    order by entity_id, number;
    delete from access_arrived where number = any (taken);
    return cardinality(taken);
end
$$;

-- down
create or replace function file_accesses(most integer) returns integer
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
drop index entity_name_sample_order, entity_name_sample, entity_name_closest, entity_name_keys;
drop function name_keys(text, integer, text[]), name_length(text);
