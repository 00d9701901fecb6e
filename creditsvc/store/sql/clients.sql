-- name: key_by_id
-- A key by its public part, with what its client is bound to; revoked and expired ones too, the caller decides.
select k.key_id, k.secret_sha256, k.client_id, c.role, c.sources, c.entity_id, k.expires_at, k.revoked_at,
       c.purpose
from api_key k
join client c using (client_id)
where k.key_id = $1;

-- name: list_keys
-- Every key ever made, by client and age; live: neither revoked nor expired by the database's clock.
select k.key_id, k.secret_sha256, k.client_id, c.role, c.sources, c.entity_id, k.expires_at, k.revoked_at,
       c.purpose, k.created_at,
       k.revoked_at is null and (k.expires_at is null or k.expires_at > clock_timestamp()) as live
from api_key k
join client c using (client_id)
order by k.client_id, k.created_at, k.key_id;

-- name: add_client
-- A client, unless it is there already; what it is bound to never changes.
insert into client (client_id, role, sources, entity_id)
values ($1, $2, $3, $4)
on conflict (client_id) do nothing;

-- name: lock_client
-- Its row is the lock under which live keys are counted: two makers cannot both see one key and add a second.
select role, sources, entity_id
from client
where client_id = $1
for update;

-- name: give_purpose
-- What the queries of a client are for unless they say.
update client
set purpose = $2
where client_id = $1;

-- name: live_keys
-- The ids of a client's keys that still open something.
select key_id
from api_key
where client_id = $1
  and revoked_at is null
  and (expires_at is null or expires_at > clock_timestamp())
order by created_at, key_id;

-- name: add_key
-- Of the secret only the SHA-256 is held.
insert into api_key (key_id, client_id, secret_sha256, expires_at)
values ($1, $2, $3, $4);

-- name: revoke_key
-- The first revocation's time stands; the row that comes back says that the key exists.
update api_key
set revoked_at = coalesce(revoked_at, clock_timestamp())
where key_id = $1
returning key_id;

-- name: expiry
-- The instant so many days from now, by the database's clock.
select clock_timestamp() + make_interval(days => $1);

-- name: add_agency
-- Who hands events in; its first name stands until renamed.
insert into agency (source, name)
values ($1, $2)
on conflict (source) do nothing;

-- name: name_agency
-- An agency by the name that was given for it on purpose.
insert into agency (source, name)
values ($1, $2)
on conflict (source) do update set name = excluded.name;

-- name: list_agencies
-- Every agency, with the number of keys of its clients that still open something.
select a.source, a.name, a.created_at,
       (select count(*)
        from client c
        join api_key k using (client_id)
        where c.role = 'agency'
          and a.source = any (c.sources)
          and k.revoked_at is null
          and (k.expires_at is null or k.expires_at > clock_timestamp())) as live_keys
from agency a
order by a.source;
