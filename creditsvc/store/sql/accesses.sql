-- name: arrive
-- Write down requests, one row each; whom each was about comes as text with blanks between.
insert into access_arrived (client_id, role, purpose, what, entities)
select client_id, role, purpose, what, string_to_array(entities, ' ')
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
    as arrived (client_id, role, purpose, what, entities);

-- name: of_entity
-- Who asked about an organisation, the newest first: those filed and those yet to be, each in one of the two.
select number, at, client_id, role, purpose, what
from ((select number, at, client_id, role, purpose, what
       from access
       where entity_id = $1 and number < $2
       order by number desc limit $3)
      union all
      (select number, at, client_id, role, purpose, what
       from access_arrived
       where $1 = any (entities) and number < $2
       order by number desc limit $3)) as found
order by number desc limit $3;

-- name: file
-- File the oldest that have arrived, about so many organisations together; gives how many requests.
select file_accesses($1);

-- name: remove_old
-- Remove up to $2 that are older than $1 years, of which five are the least; gives how many.
select remove_old_accesses($1, $2);
