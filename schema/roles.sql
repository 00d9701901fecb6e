-- The group roles of the service, which no one logs in as. The service's login owns the schema; its
-- connections take one of these roles and so cannot do more than they need.
--
-- `creditsvc migrate` runs this itself where the login may create roles. Where it may not, have an
-- administrator run it once for each server, naming the login:
--
--     psql -c "set creditsvc.login = 'the_login'" -f schema/roles.sql
--
-- Roles belong to the whole server, not to a database: this may be run again, and for several logins.

do $$
declare
    login name := coalesce(nullif(current_setting('creditsvc.login', true), ''), current_user);
    group_role name;
begin
    foreach group_role in array array['creditsvc_append', 'creditsvc_lookup', 'creditsvc_sequence', 'creditsvc_access', 'creditsvc_erase']::name[]
    loop
        if not exists (select from pg_roles where rolname = group_role) then
            execute format('create role %I nologin', group_role);
        end if;
        if not pg_has_role(login, group_role, 'SET') then
            execute format('grant %I to %I with inherit false, set true', group_role, login);
        end if;
    end loop;
end
$$;
