-- The whole schema as it is today: the sum of the migrations, written by `python -m creditsvc.store.dump`.
-- Change it by a new migration. It needs the roles of roles.sql.

SET check_function_bodies = false;

CREATE SCHEMA creditsvc;
CREATE FUNCTION creditsvc.append_horizon() RETURNS timestamp with time zone
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    select least(
        (select clock_timestamp()),
        (select min(xact_start) from pg_stat_activity
         where datname = current_database() and application_name = 'creditsvc append'))
$$;
CREATE FUNCTION creditsvc.consents_of(entity text) RETURNS TABLE(number bigint, at timestamp with time zone, client_id text, given_at timestamp with time zone, until date, withdrawn_at timestamp with time zone, holds boolean)
    LANGUAGE sql STABLE
    SET search_path TO 'creditsvc', 'pg_temp'
    AS $$
    select distinct on (c.client_id) c.number, c.at, c.client_id,
           case when c.given then c.at else lag(c.at) over said end,
           case when c.given then c.until else lag(c.until) over said end,
           case when not c.given then c.at end,
           c.given and (c.ends_at is null or c.ends_at > clock_timestamp())
    from consent c
    where c.entity_id = entity
    window said as (partition by c.client_id order by c.number)
    order by c.client_id, c.number desc
$$;
CREATE FUNCTION creditsvc.erase_record(of_entity text, of_record text, of_source text, expected bigint[], names text[], statuses text[], publics boolean[], changed_at timestamp with time zone) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'creditsvc', 'pg_temp'
    AS $$
declare
    held record;
    erased_entries integer;
begin
    perform from entity where entity_id = of_entity for update skip locked;
    if not found then
        return 0;
    end if;
    select r.sequences, r.retired_from, r.next_change, r.erased into held from creditsvc.record r
    where r.entity_id = of_entity and r.record = of_record and r.source = of_source for update;
    if held.erased or held.sequences <> expected then
        return 0;
    end if;
    if held.next_change is not null or held.retired_from > clock_timestamp() or held.retired_from is null then
        raise exception 'the record is not one to erase' using errcode = 'insufficient_privilege';
    end if;
    -- The row of the record is the appending role's to write; what follows stands in tables that nobody can change.
    if expected is distinct from (
        select array_agg(e.sequence order by e.sequence) from event e
        where e.entity_id = of_entity and e.record = of_record and coalesce(e.holder, e.source) = of_source
    ) then
        raise exception 'the record has other events' using errcode = 'insufficient_privilege';
    end if;
    if not exists (
        select from notice n
        where n.entity_id = of_entity and n.record = of_record and n.source = of_source
          and n.type = 'credit.record.retired' and n.due <= held.retired_from
    ) then
        raise exception 'no notice says that its time is over' using errcode = 'insufficient_privilege';
    end if;
    if exists (
        select from unnest(held.sequences) as s (sequence)
        where not exists (select from log_entry l
                          where l.entity_id = of_entity and l.kind = 'event' and l.sequence = s.sequence)
    ) or exists (
        select from notice n
        where n.entity_id = of_entity and n.record = of_record and n.source = of_source
          and not exists (select from log_entry l
                          where l.entity_id = of_entity and l.kind = 'notice' and l.sequence = n.number)
    ) then
        return 0;
    end if;
    insert into erasure (entity_id, kind, sequence, record, source, commitment, name, status, public, touched_public,
                         retired_from, public_changed_at)
    select of_entity, 'event', e.sequence, of_record, of_source, sha256(e.salt || e.content), k.name, k.status, k.public,
           e.touches_public, held.retired_from, changed_at
    from unnest(expected, names, statuses, publics) as k (sequence, name, status, public)
    join event e on e.entity_id = of_entity and e.sequence = k.sequence
    union all
    select of_entity, 'notice', n.number, of_record, of_source, sha256(n.salt || n.content), null, null, null, null,
           held.retired_from, changed_at
    from notice n
    where n.entity_id = of_entity and n.record = of_record and n.source = of_source;
    get diagnostics erased_entries = row_count;
    update record r set erased = true where r.entity_id = of_entity and r.record = of_record and r.source = of_source;
    update event e set content = null, salt = null where e.entity_id = of_entity and e.sequence = any (expected);
    update notice n set content = null, salt = null
    where n.entity_id = of_entity and n.record = of_record and n.source = of_source;
    update event_identity i set content_sha256 = null
    from event e
    where e.entity_id = of_entity and e.sequence = any (expected) and i.source = e.source and i.id = e.id;
    return erased_entries;
end
$$;
CREATE FUNCTION creditsvc.file_accesses(most integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'creditsvc', 'pg_temp'
    AS $$
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
CREATE FUNCTION creditsvc.give_consent(entity text, client text, last_day date, ends timestamp with time zone) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'creditsvc', 'pg_temp'
    AS $$
begin
    perform from client c where c.client_id = client and c.role = 'partner' for update;
    if not found then
        return false;
    end if;
    insert into consent (entity_id, client_id, given, until, ends_at)
    select entity, client, true, last_day, ends
    where not exists (
        select from (select c.given, c.until from consent c
                     where c.entity_id = entity and c.client_id = client
                     order by c.number desc limit 1) as said
        where said.given and said.until is not distinct from last_day);
    return true;
end
$$;
CREATE FUNCTION creditsvc.name_keys(view text, length integer, grams text[]) RETURNS text[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN string_to_array((("left"(view, 1) || chr((64 + length))) || array_to_string(grams, ((','::text || "left"(view, 1)) || chr((64 + length))))), ','::text);
CREATE FUNCTION creditsvc.name_length(name text) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN LEAST(char_length(name), 40);
CREATE FUNCTION creditsvc.refuse_all_but_erasing() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
declare
    committed bytea := sha256(old.salt || old.content);
    place bigint := (to_jsonb(old) ->> case tg_table_name when 'notice' then 'number' else 'sequence' end)::bigint;
begin
    if tg_op = 'UPDATE' and committed is not null then
        old.content := null;
        old.salt := null;
        if new is not distinct from old and exists (
            select from creditsvc.erasure x
            join creditsvc.record r on r.entity_id = x.entity_id and r.record = x.record and r.source = x.source
            where x.entity_id = old.entity_id and x.kind = tg_table_name and x.sequence = place
              and x.commitment = committed and r.erased and r.retired_from <= clock_timestamp()) then
            return new;
        end if;
    end if;
    raise exception '% is append-only', tg_table_name using errcode = 'insufficient_privilege';
end
$$;
CREATE FUNCTION creditsvc.refuse_all_but_forgetting() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    if tg_op = 'UPDATE' then
        old.content_sha256 := null;
        if new is not distinct from old and exists (
            select from creditsvc.event e
            where e.entity_id = old.entity_id and e.sequence = old.sequence and e.content is null) then
            return new;
        end if;
    end if;
    raise exception '% is append-only', tg_table_name using errcode = 'insufficient_privilege';
end
$$;
CREATE FUNCTION creditsvc.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    raise exception '% is append-only', tg_table_name using errcode = 'insufficient_privilege';
end
$$;
CREATE FUNCTION creditsvc.refuse_early_removal() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    if tg_op = 'DELETE' and old.at < clock_timestamp() - interval '5 years' then
        return old;
    end if;
    raise exception 'access is append-only' using errcode = 'insufficient_privilege';
end
$$;
CREATE FUNCTION creditsvc.refuse_shrinking() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    if tg_op = 'UPDATE' and new.level = old.level and new.tile = old.tile
       and substr(new.hashes, 1, octet_length(old.hashes)) = old.hashes then
        return new;
    end if;
    raise exception 'a tile only grows' using errcode = 'insufficient_privilege';
end
$$;
CREATE FUNCTION creditsvc.refuse_unfiled() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
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
CREATE FUNCTION creditsvc.remove_old_accesses(years integer, most integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'creditsvc', 'pg_temp'
    AS $$
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
CREATE FUNCTION creditsvc.withdraw_consent(entity text, client text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'creditsvc', 'pg_temp'
    AS $$
begin
    perform from client c where c.client_id = client for update;
    insert into consent (entity_id, client_id, given)
    select entity, client, false
    where (select c.given from consent c
           where c.entity_id = entity and c.client_id = client
           order by c.number desc limit 1);
end
$$;
GRANT USAGE ON SCHEMA creditsvc TO creditsvc_append;
GRANT USAGE ON SCHEMA creditsvc TO creditsvc_lookup;
GRANT USAGE ON SCHEMA creditsvc TO creditsvc_sequence;
GRANT USAGE ON SCHEMA creditsvc TO creditsvc_access;
GRANT USAGE ON SCHEMA creditsvc TO creditsvc_erase;
REVOKE ALL ON FUNCTION creditsvc.erase_record(of_entity text, of_record text, of_source text, expected bigint[], names text[], statuses text[], publics boolean[], changed_at timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION creditsvc.erase_record(of_entity text, of_record text, of_source text, expected bigint[], names text[], statuses text[], publics boolean[], changed_at timestamp with time zone) TO creditsvc_erase;
REVOKE ALL ON FUNCTION creditsvc.file_accesses(most integer) FROM PUBLIC;
GRANT ALL ON FUNCTION creditsvc.file_accesses(most integer) TO creditsvc_access;
REVOKE ALL ON FUNCTION creditsvc.give_consent(entity text, client text, last_day date, ends timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION creditsvc.give_consent(entity text, client text, last_day date, ends timestamp with time zone) TO creditsvc_access;
REVOKE ALL ON FUNCTION creditsvc.remove_old_accesses(years integer, most integer) FROM PUBLIC;
GRANT ALL ON FUNCTION creditsvc.remove_old_accesses(years integer, most integer) TO creditsvc_access;
REVOKE ALL ON FUNCTION creditsvc.withdraw_consent(entity text, client text) FROM PUBLIC;
GRANT ALL ON FUNCTION creditsvc.withdraw_consent(entity text, client text) TO creditsvc_access;

CREATE TABLE creditsvc.access (
    entity_id text NOT NULL COLLATE pg_catalog."C",
    number bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    client_id text NOT NULL COLLATE pg_catalog."C",
    role text NOT NULL,
    purpose text,
    what text NOT NULL
);
COMMENT ON TABLE creditsvc.access IS 'Who asked about each organisation, when, what and what for; one number is one request';
ALTER TABLE ONLY creditsvc.access
    ADD CONSTRAINT access_pkey PRIMARY KEY (entity_id, number);
CREATE INDEX access_at ON creditsvc.access USING btree (at);
CREATE TRIGGER access_append_only BEFORE DELETE OR UPDATE ON creditsvc.access FOR EACH ROW EXECUTE FUNCTION creditsvc.refuse_early_removal();
CREATE TRIGGER access_no_truncate BEFORE TRUNCATE ON creditsvc.access FOR EACH STATEMENT EXECUTE FUNCTION creditsvc.refuse_change();
GRANT SELECT ON TABLE creditsvc.access TO creditsvc_lookup;

CREATE TABLE creditsvc.access_arrived (
    number bigint NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    client_id text NOT NULL COLLATE pg_catalog."C",
    role text NOT NULL,
    purpose text,
    what text NOT NULL,
    entities text[] NOT NULL COLLATE pg_catalog."C",
    CONSTRAINT access_arrived_entities_check CHECK ((cardinality(entities) > 0)),
    CONSTRAINT access_arrived_purpose_check CHECK ((octet_length(purpose) <= 64))
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='10000');
COMMENT ON TABLE creditsvc.access_arrived IS 'Queries as they came, one row each, until they are filed in access';
COMMENT ON COLUMN creditsvc.access_arrived.what IS 'The operation of the interface, by its name';
COMMENT ON COLUMN creditsvc.access_arrived.entities IS 'Whom it was about, each once';
ALTER TABLE creditsvc.access_arrived ALTER COLUMN number ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME creditsvc.access_arrived_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE ONLY creditsvc.access_arrived
    ADD CONSTRAINT access_arrived_pkey PRIMARY KEY (number);
CREATE TRIGGER access_arrived_append_only BEFORE UPDATE ON creditsvc.access_arrived FOR EACH ROW EXECUTE FUNCTION creditsvc.refuse_change();
CREATE TRIGGER access_arrived_leaves AFTER DELETE ON creditsvc.access_arrived REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION creditsvc.refuse_unfiled();
CREATE TRIGGER access_arrived_no_truncate BEFORE TRUNCATE ON creditsvc.access_arrived FOR EACH STATEMENT EXECUTE FUNCTION creditsvc.refuse_change();
GRANT SELECT ON TABLE creditsvc.access_arrived TO creditsvc_lookup;
GRANT INSERT(client_id) ON TABLE creditsvc.access_arrived TO creditsvc_access;
GRANT INSERT(role) ON TABLE creditsvc.access_arrived TO creditsvc_access;
GRANT INSERT(purpose) ON TABLE creditsvc.access_arrived TO creditsvc_access;
GRANT INSERT(what) ON TABLE creditsvc.access_arrived TO creditsvc_access;
GRANT INSERT(entities) ON TABLE creditsvc.access_arrived TO creditsvc_access;

CREATE TABLE creditsvc.agency (
    source text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT agency_source_check CHECK ((source !~* '^urn:entity:'::text))
);
COMMENT ON TABLE creditsvc.agency IS 'Who hands events in, known by the CloudEvents source that its keys are bound to';
ALTER TABLE ONLY creditsvc.agency
    ADD CONSTRAINT agency_pkey PRIMARY KEY (source);
GRANT SELECT ON TABLE creditsvc.agency TO creditsvc_append;
GRANT SELECT ON TABLE creditsvc.agency TO creditsvc_lookup;

CREATE TABLE creditsvc.api_key (
    key_id text NOT NULL COLLATE pg_catalog."C",
    client_id text NOT NULL COLLATE pg_catalog."C",
    secret_sha256 bytea NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    expires_at timestamp with time zone,
    revoked_at timestamp with time zone,
    CONSTRAINT api_key_secret_sha256_check CHECK ((octet_length(secret_sha256) = 32))
);
COMMENT ON TABLE creditsvc.api_key IS 'Keys by their public part; of the secret only the SHA-256 is held';
ALTER TABLE ONLY creditsvc.api_key
    ADD CONSTRAINT api_key_pkey PRIMARY KEY (key_id);
CREATE INDEX api_key_client ON creditsvc.api_key USING btree (client_id);
GRANT SELECT ON TABLE creditsvc.api_key TO creditsvc_append;
GRANT SELECT ON TABLE creditsvc.api_key TO creditsvc_lookup;

CREATE TABLE creditsvc.client (
    client_id text NOT NULL COLLATE pg_catalog."C",
    role text NOT NULL,
    sources text[] DEFAULT '{}'::text[] NOT NULL,
    entity_id text COLLATE pg_catalog."C",
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    purpose text,
    CONSTRAINT client_check CHECK (((role = 'agency'::text) = (cardinality(sources) > 0))),
    CONSTRAINT client_check1 CHECK (((role = 'entity'::text) = (entity_id IS NOT NULL))),
    CONSTRAINT client_purpose_check CHECK ((purpose ~ '^[!#$%&''*+.^_`|~0-9A-Za-z-]{1,64}$'::text)),
    CONSTRAINT client_role_check CHECK ((role = ANY (ARRAY['agency'::text, 'partner'::text, 'entity'::text, 'auditor'::text, 'operator'::text])))
);
COMMENT ON TABLE creditsvc.client IS 'Who may hold keys: a role, and what it is bound to';
COMMENT ON COLUMN creditsvc.client.purpose IS 'What it asks for unless a request says; null: it has not said';
ALTER TABLE ONLY creditsvc.client
    ADD CONSTRAINT client_pkey PRIMARY KEY (client_id);
GRANT SELECT ON TABLE creditsvc.client TO creditsvc_append;
GRANT SELECT ON TABLE creditsvc.client TO creditsvc_lookup;

CREATE TABLE creditsvc.consent (
    entity_id text NOT NULL COLLATE pg_catalog."C",
    client_id text NOT NULL COLLATE pg_catalog."C",
    number bigint NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    given boolean NOT NULL,
    until date,
    ends_at timestamp with time zone,
    CONSTRAINT consent_check CHECK (((until IS NULL) = (ends_at IS NULL))),
    CONSTRAINT consent_check1 CHECK ((given OR (until IS NULL)))
);
COMMENT ON TABLE creditsvc.consent IS 'What an organisation said of a partner who would see what asks for its consent; what it said last holds';
COMMENT ON COLUMN creditsvc.consent.given IS 'Consent was given; false: it was withdrawn';
COMMENT ON COLUMN creditsvc.consent.until IS 'The last day that it holds on; null: until withdrawn';
COMMENT ON COLUMN creditsvc.consent.ends_at IS 'The end of that day where the organisation is';
ALTER TABLE creditsvc.consent ALTER COLUMN number ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME creditsvc.consent_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE ONLY creditsvc.consent
    ADD CONSTRAINT consent_pkey PRIMARY KEY (entity_id, client_id, number);
CREATE TRIGGER consent_append_only BEFORE DELETE OR UPDATE ON creditsvc.consent FOR EACH ROW EXECUTE FUNCTION creditsvc.refuse_change();
CREATE TRIGGER consent_no_truncate BEFORE TRUNCATE ON creditsvc.consent FOR EACH STATEMENT EXECUTE FUNCTION creditsvc.refuse_change();
GRANT SELECT ON TABLE creditsvc.consent TO creditsvc_lookup;

CREATE TABLE creditsvc.entity (
    entity_id text NOT NULL COLLATE pg_catalog."C",
    version bigint DEFAULT 0 NOT NULL,
    recorded_at timestamp with time zone,
    shared_naming text,
    public_naming text,
    model text,
    announced integer DEFAULT 0 NOT NULL,
    shared_summary bytea,
    shared_from timestamp with time zone,
    shared_until timestamp with time zone,
    shared_profile bytea,
    public_summary bytea,
    public_version bigint DEFAULT 0 NOT NULL,
    public_from timestamp with time zone,
    public_until timestamp with time zone,
    public_profile bytea
);
COMMENT ON TABLE creditsvc.entity IS 'One organisation: its last sequence, and its profile as bytes for the public and for those it is shared with';
COMMENT ON COLUMN creditsvc.entity.shared_naming IS 'Name, its rank, status, its rank, as JSON: the greatest rank wins, whatever arrives first; null: as the public''s';
COMMENT ON COLUMN creditsvc.entity.model IS 'Version of the official model that it was scored by';
COMMENT ON COLUMN creditsvc.entity.announced IS 'How many releases of that model had been announced then';
COMMENT ON COLUMN creditsvc.entity.shared_summary IS 'Null: as the public''s';
COMMENT ON COLUMN creditsvc.entity.shared_profile IS 'Null: as the public''s';
COMMENT ON COLUMN creditsvc.entity.public_profile IS 'Null while nothing on record is public';
ALTER TABLE ONLY creditsvc.entity
    ADD CONSTRAINT entity_pkey PRIMARY KEY (entity_id);
CREATE INDEX entity_announced ON creditsvc.entity USING btree (announced);
CREATE INDEX entity_due ON creditsvc.entity USING btree (shared_until) WHERE (shared_until IS NOT NULL);
GRANT SELECT,INSERT,UPDATE ON TABLE creditsvc.entity TO creditsvc_append;
GRANT SELECT ON TABLE creditsvc.entity TO creditsvc_lookup;
GRANT SELECT(entity_id) ON TABLE creditsvc.entity TO creditsvc_sequence;
GRANT SELECT(public_profile) ON TABLE creditsvc.entity TO creditsvc_sequence;

CREATE TABLE creditsvc.entity_name (
    entity_id text NOT NULL COLLATE pg_catalog."C",
    view text NOT NULL COLLATE pg_catalog."C",
    since timestamp with time zone NOT NULL,
    until timestamp with time zone,
    name text,
    status text,
    grams text[] NOT NULL,
    CONSTRAINT entity_name_view_check CHECK ((view = ANY (ARRAY['public'::text, 'shared'::text])))
);
COMMENT ON TABLE creditsvc.entity_name IS 'What each view has known an organisation as, from when until when; bigrams for search';
ALTER TABLE ONLY creditsvc.entity_name
    ADD CONSTRAINT entity_name_pkey PRIMARY KEY (entity_id, view, since);
CREATE INDEX entity_name_closest ON creditsvc.entity_name USING btree (view, creditsvc.name_length(name), char_length(name), name COLLATE "C", entity_id, since DESC);
CREATE INDEX entity_name_keys ON creditsvc.entity_name USING gin (creditsvc.name_keys(view, creditsvc.name_length(name), grams)) WITH (gin_pending_list_limit='64');
CREATE INDEX entity_name_sample ON creditsvc.entity_name USING gin (grams) WHERE ((hashtext(entity_id) & 255) = 0);
CREATE INDEX entity_name_sample_order ON creditsvc.entity_name USING btree (view, creditsvc.name_length(name), name COLLATE "C") WHERE ((hashtext(entity_id) & 255) = 0);
GRANT SELECT,INSERT,UPDATE ON TABLE creditsvc.entity_name TO creditsvc_append;
GRANT SELECT ON TABLE creditsvc.entity_name TO creditsvc_lookup;

CREATE TABLE creditsvc.erasure (
    entity_id text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    sequence bigint NOT NULL,
    record text NOT NULL COLLATE pg_catalog."C",
    source text NOT NULL COLLATE pg_catalog."C",
    commitment bytea NOT NULL,
    name text,
    status text,
    public boolean,
    touched_public boolean,
    retired_from timestamp with time zone NOT NULL,
    public_changed_at timestamp with time zone,
    erased_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT erasure_check CHECK (((kind = 'event'::text) = ((public IS NOT NULL) AND (touched_public IS NOT NULL)))),
    CONSTRAINT erasure_commitment_check CHECK ((octet_length(commitment) = 32)),
    CONSTRAINT erasure_kind_check CHECK ((kind = ANY (ARRAY['event'::text, 'notice'::text]))),
    CONSTRAINT erasure_sequence_check CHECK ((sequence > 0))
);
COMMENT ON TABLE creditsvc.erasure IS 'What is kept of events and notices whose content was erased: their commitment, and what they did to names and views';
COMMENT ON COLUMN creditsvc.erasure.source IS 'The source that handed the record in';
COMMENT ON COLUMN creditsvc.erasure.name IS 'What the event called the organisation';
COMMENT ON COLUMN creditsvc.erasure.status IS 'What status it told';
COMMENT ON COLUMN creditsvc.erasure.public IS 'The record was public once the event had come; null of a notice';
COMMENT ON COLUMN creditsvc.erasure.public_changed_at IS 'When time last changed what the public saw of the record';
ALTER TABLE ONLY creditsvc.erasure
    ADD CONSTRAINT erasure_pkey PRIMARY KEY (entity_id, kind, sequence);
CREATE TRIGGER erasure_append_only BEFORE DELETE OR UPDATE ON creditsvc.erasure FOR EACH ROW EXECUTE FUNCTION creditsvc.refuse_change();
CREATE TRIGGER erasure_no_truncate BEFORE TRUNCATE ON creditsvc.erasure FOR EACH STATEMENT EXECUTE FUNCTION creditsvc.refuse_change();
GRANT SELECT ON TABLE creditsvc.erasure TO creditsvc_append;
GRANT SELECT ON TABLE creditsvc.erasure TO creditsvc_lookup;
GRANT SELECT ON TABLE creditsvc.erasure TO creditsvc_sequence;

CREATE TABLE creditsvc.event (
    entity_id text NOT NULL COLLATE pg_catalog."C",
    sequence bigint NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    source text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    type text NOT NULL,
    "time" timestamp with time zone NOT NULL,
    record text NOT NULL COLLATE pg_catalog."C",
    content bytea,
    salt bytea,
    leaf_hash bytea NOT NULL,
    opens boolean NOT NULL,
    touches_public boolean NOT NULL,
    holder text COLLATE pg_catalog."C",
    CONSTRAINT event_leaf_hash_check CHECK ((octet_length(leaf_hash) = 32)),
    CONSTRAINT event_salt_check CHECK ((octet_length(salt) = 16)),
    CONSTRAINT event_sequence_check CHECK ((sequence > 0))
);
COMMENT ON TABLE creditsvc.event IS 'Immutable statements of agencies, in the gap-free order in which each entity received them';
COMMENT ON COLUMN creditsvc.event.content IS 'The CloudEvent in canonical JSON (RFC 8785); null once erased';
COMMENT ON COLUMN creditsvc.event.salt IS 'Blinds the commitment to the content in the leaf; erased with it when the law says so';
COMMENT ON COLUMN creditsvc.event.opens IS 'The first event held on its record: where the record stands in the list of records';
COMMENT ON COLUMN creditsvc.event.touches_public IS 'The public view changed with this event';
COMMENT ON COLUMN creditsvc.event.holder IS 'The source that handed the record in which this is about, where that is another; null: this source';
ALTER TABLE ONLY creditsvc.event
    ADD CONSTRAINT event_pkey PRIMARY KEY (entity_id, sequence);
CREATE TRIGGER event_append_only BEFORE DELETE OR UPDATE ON creditsvc.event FOR EACH ROW EXECUTE FUNCTION creditsvc.refuse_all_but_erasing();
CREATE TRIGGER event_no_truncate BEFORE TRUNCATE ON creditsvc.event FOR EACH STATEMENT EXECUTE FUNCTION creditsvc.refuse_change();
CREATE TRIGGER event_whole BEFORE INSERT ON creditsvc.event FOR EACH ROW WHEN (((new.content IS NULL) OR (new.salt IS NULL))) EXECUTE FUNCTION creditsvc.refuse_change();
GRANT SELECT,INSERT ON TABLE creditsvc.event TO creditsvc_append;
GRANT SELECT ON TABLE creditsvc.event TO creditsvc_lookup;
GRANT SELECT ON TABLE creditsvc.event TO creditsvc_sequence;
GRANT SELECT ON TABLE creditsvc.event TO creditsvc_erase;

CREATE TABLE creditsvc.event_identity (
    source text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    entity_id text NOT NULL COLLATE pg_catalog."C",
    sequence bigint NOT NULL,
    content_sha256 bytea,
    CONSTRAINT event_identity_content_sha256_check CHECK ((octet_length(content_sha256) = 32))
);
COMMENT ON TABLE creditsvc.event_identity IS 'The identity of an event is unique over all subjects; keyed by it alone';
COMMENT ON COLUMN creditsvc.event_identity.content_sha256 IS 'Tells a repeat from a conflict; null once the event was erased';
ALTER TABLE ONLY creditsvc.event_identity
    ADD CONSTRAINT event_identity_pkey PRIMARY KEY (source, id);
CREATE TRIGGER event_identity_append_only BEFORE DELETE OR UPDATE ON creditsvc.event_identity FOR EACH ROW EXECUTE FUNCTION creditsvc.refuse_all_but_forgetting();
CREATE TRIGGER event_identity_no_truncate BEFORE TRUNCATE ON creditsvc.event_identity FOR EACH STATEMENT EXECUTE FUNCTION creditsvc.refuse_change();
CREATE TRIGGER event_identity_whole BEFORE INSERT ON creditsvc.event_identity FOR EACH ROW WHEN ((new.content_sha256 IS NULL)) EXECUTE FUNCTION creditsvc.refuse_change();
GRANT SELECT,INSERT ON TABLE creditsvc.event_identity TO creditsvc_append;
GRANT SELECT ON TABLE creditsvc.event_identity TO creditsvc_lookup;

CREATE TABLE creditsvc.grade_count (
    one boolean DEFAULT true NOT NULL,
    began_at timestamp with time zone,
    reached text COLLATE pg_catalog."C",
    counted jsonb DEFAULT '{}'::jsonb NOT NULL,
    done_at timestamp with time zone,
    grades jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT grade_count_one_check CHECK (one)
)
WITH (fillfactor='10');
COMMENT ON TABLE creditsvc.grade_count IS 'Organisations by the grade that the public sees: the last count that was finished, and the one under way';
COMMENT ON COLUMN creditsvc.grade_count.began_at IS 'When the count under way began; null: none is';
COMMENT ON COLUMN creditsvc.grade_count.reached IS 'The last organisation it has counted';
COMMENT ON COLUMN creditsvc.grade_count.counted IS 'What it has come to so far, as the grades and their numbers';
COMMENT ON COLUMN creditsvc.grade_count.done_at IS 'When the last finished count began: nothing since then need be in it';
ALTER TABLE ONLY creditsvc.grade_count
    ADD CONSTRAINT grade_count_pkey PRIMARY KEY (one);
GRANT SELECT,INSERT,UPDATE ON TABLE creditsvc.grade_count TO creditsvc_sequence;
GRANT SELECT ON TABLE creditsvc.grade_count TO creditsvc_lookup;

CREATE TABLE creditsvc.notice (
    entity_id text NOT NULL COLLATE pg_catalog."C",
    number bigint NOT NULL,
    due timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    type text NOT NULL COLLATE pg_catalog."C",
    record text NOT NULL COLLATE pg_catalog."C",
    source text NOT NULL COLLATE pg_catalog."C",
    content bytea,
    salt bytea,
    leaf_hash bytea NOT NULL,
    CONSTRAINT notice_leaf_hash_check CHECK ((octet_length(leaf_hash) = 32)),
    CONSTRAINT notice_number_check CHECK ((number > 0)),
    CONSTRAINT notice_salt_check CHECK ((octet_length(salt) = 16))
);
COMMENT ON TABLE creditsvc.notice IS 'What time alone changed in a record, told by the service itself: once for each boundary';
COMMENT ON COLUMN creditsvc.notice.due IS 'The boundary: when it took effect';
COMMENT ON COLUMN creditsvc.notice.source IS 'Of the record';
COMMENT ON COLUMN creditsvc.notice.content IS 'A CloudEvent of the service, in canonical JSON (RFC 8785)';
ALTER TABLE ONLY creditsvc.notice
    ADD CONSTRAINT notice_entity_id_due_type_record_source_key UNIQUE (entity_id, due, type, record, source);
ALTER TABLE ONLY creditsvc.notice
    ADD CONSTRAINT notice_pkey PRIMARY KEY (entity_id, number);
CREATE TRIGGER notice_append_only BEFORE DELETE OR UPDATE ON creditsvc.notice FOR EACH ROW EXECUTE FUNCTION creditsvc.refuse_all_but_erasing();
CREATE TRIGGER notice_no_truncate BEFORE TRUNCATE ON creditsvc.notice FOR EACH STATEMENT EXECUTE FUNCTION creditsvc.refuse_change();
CREATE TRIGGER notice_whole BEFORE INSERT ON creditsvc.notice FOR EACH ROW WHEN (((new.content IS NULL) OR (new.salt IS NULL))) EXECUTE FUNCTION creditsvc.refuse_change();
GRANT SELECT,INSERT ON TABLE creditsvc.notice TO creditsvc_append;
GRANT SELECT ON TABLE creditsvc.notice TO creditsvc_lookup;
GRANT SELECT ON TABLE creditsvc.notice TO creditsvc_sequence;

CREATE TABLE creditsvc.log_checkpoint (
    size bigint NOT NULL,
    root bytea NOT NULL,
    signed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    note text NOT NULL,
    CONSTRAINT log_checkpoint_root_check CHECK ((octet_length(root) = 32)),
    CONSTRAINT log_checkpoint_size_check CHECK ((size >= 0))
);
COMMENT ON TABLE creditsvc.log_checkpoint IS 'Every checkpoint that was signed (C2SP tlog-checkpoint): never two for a size';
ALTER TABLE ONLY creditsvc.log_checkpoint
    ADD CONSTRAINT log_checkpoint_pkey PRIMARY KEY (size);
CREATE TRIGGER log_checkpoint_append_only BEFORE DELETE OR UPDATE ON creditsvc.log_checkpoint FOR EACH ROW EXECUTE FUNCTION creditsvc.refuse_change();
CREATE TRIGGER log_checkpoint_no_truncate BEFORE TRUNCATE ON creditsvc.log_checkpoint FOR EACH STATEMENT EXECUTE FUNCTION creditsvc.refuse_change();
GRANT SELECT ON TABLE creditsvc.log_checkpoint TO creditsvc_append;
GRANT SELECT ON TABLE creditsvc.log_checkpoint TO creditsvc_lookup;
GRANT SELECT,INSERT ON TABLE creditsvc.log_checkpoint TO creditsvc_sequence;

CREATE TABLE creditsvc.log_cosignature (
    size bigint NOT NULL,
    witness text NOT NULL COLLATE pg_catalog."C",
    line text NOT NULL,
    cosigned_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
COMMENT ON TABLE creditsvc.log_cosignature IS 'Signature lines of witnesses under checkpoints (C2SP tlog-cosignature)';
ALTER TABLE ONLY creditsvc.log_cosignature
    ADD CONSTRAINT log_cosignature_pkey PRIMARY KEY (size, witness);
CREATE TRIGGER log_cosignature_append_only BEFORE DELETE OR UPDATE ON creditsvc.log_cosignature FOR EACH ROW EXECUTE FUNCTION creditsvc.refuse_change();
CREATE TRIGGER log_cosignature_no_truncate BEFORE TRUNCATE ON creditsvc.log_cosignature FOR EACH STATEMENT EXECUTE FUNCTION creditsvc.refuse_change();
GRANT SELECT ON TABLE creditsvc.log_cosignature TO creditsvc_append;
GRANT SELECT ON TABLE creditsvc.log_cosignature TO creditsvc_lookup;
GRANT SELECT,INSERT ON TABLE creditsvc.log_cosignature TO creditsvc_sequence;

CREATE TABLE creditsvc.log_entry (
    "position" bigint NOT NULL,
    entity_id text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    sequence bigint NOT NULL,
    CONSTRAINT log_entry_kind_check CHECK ((kind = ANY (ARRAY['event'::text, 'notice'::text]))),
    CONSTRAINT log_entry_position_check CHECK (("position" >= 0)),
    CONSTRAINT log_entry_sequence_check CHECK ((sequence > 0))
);
COMMENT ON TABLE creditsvc.log_entry IS 'What stands at each position of the log: an event or a notice';
ALTER TABLE ONLY creditsvc.log_entry
    ADD CONSTRAINT log_entry_entity_id_kind_sequence_key UNIQUE (entity_id, kind, sequence);
ALTER TABLE ONLY creditsvc.log_entry
    ADD CONSTRAINT log_entry_pkey PRIMARY KEY ("position");
CREATE TRIGGER log_entry_append_only BEFORE DELETE OR UPDATE ON creditsvc.log_entry FOR EACH ROW EXECUTE FUNCTION creditsvc.refuse_change();
CREATE TRIGGER log_entry_no_truncate BEFORE TRUNCATE ON creditsvc.log_entry FOR EACH STATEMENT EXECUTE FUNCTION creditsvc.refuse_change();
GRANT SELECT ON TABLE creditsvc.log_entry TO creditsvc_append;
GRANT SELECT ON TABLE creditsvc.log_entry TO creditsvc_lookup;
GRANT SELECT,INSERT ON TABLE creditsvc.log_entry TO creditsvc_sequence;

CREATE TABLE creditsvc.log_identity (
    one boolean DEFAULT true NOT NULL,
    origin text NOT NULL,
    verifier_key text NOT NULL,
    receipt_verifier_key text NOT NULL,
    began_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT log_identity_one_check CHECK (one)
);
COMMENT ON TABLE creditsvc.log_identity IS 'Which log this is, for good: one row, once it has begun';
COMMENT ON COLUMN creditsvc.log_identity.origin IS 'First line of every checkpoint (C2SP tlog-checkpoint)';
COMMENT ON COLUMN creditsvc.log_identity.began_at IS 'What only time changes is noticed from here on';
ALTER TABLE ONLY creditsvc.log_identity
    ADD CONSTRAINT log_identity_pkey PRIMARY KEY (one);
CREATE TRIGGER log_identity_append_only BEFORE DELETE OR UPDATE ON creditsvc.log_identity FOR EACH ROW EXECUTE FUNCTION creditsvc.refuse_change();
CREATE TRIGGER log_identity_no_truncate BEFORE TRUNCATE ON creditsvc.log_identity FOR EACH STATEMENT EXECUTE FUNCTION creditsvc.refuse_change();
GRANT SELECT ON TABLE creditsvc.log_identity TO creditsvc_append;
GRANT SELECT ON TABLE creditsvc.log_identity TO creditsvc_lookup;
GRANT SELECT ON TABLE creditsvc.log_identity TO creditsvc_sequence;

CREATE TABLE creditsvc.log_pending (
    entity_id text NOT NULL COLLATE pg_catalog."C",
    sequence bigint NOT NULL,
    kind text DEFAULT 'event'::text NOT NULL COLLATE pg_catalog."C",
    recorded_at timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    CONSTRAINT log_pending_kind_check CHECK ((kind = ANY (ARRAY['event'::text, 'notice'::text])))
);
COMMENT ON TABLE creditsvc.log_pending IS 'Events and notices that the log has not yet given a position';
ALTER TABLE ONLY creditsvc.log_pending
    ADD CONSTRAINT log_pending_pkey PRIMARY KEY (recorded_at, entity_id, kind, sequence);
GRANT SELECT,INSERT ON TABLE creditsvc.log_pending TO creditsvc_append;
GRANT SELECT ON TABLE creditsvc.log_pending TO creditsvc_lookup;
GRANT SELECT,DELETE ON TABLE creditsvc.log_pending TO creditsvc_sequence;

CREATE TABLE creditsvc.log_state (
    one boolean DEFAULT true NOT NULL,
    size bigint DEFAULT 0 NOT NULL,
    root bytea DEFAULT sha256('\x'::bytea) NOT NULL,
    complete_until timestamp with time zone,
    drained_at timestamp with time zone,
    pending bigint DEFAULT 0 NOT NULL,
    CONSTRAINT log_state_one_check CHECK (one),
    CONSTRAINT log_state_root_check CHECK ((octet_length(root) = 32)),
    CONSTRAINT log_state_size_check CHECK ((size >= 0))
)
WITH (fillfactor='10');
COMMENT ON TABLE creditsvc.log_state IS 'Where the log stands: one row, once it has begun';
COMMENT ON COLUMN creditsvc.log_state.size IS 'Positions given so far; compared and swapped by whoever gives more';
COMMENT ON COLUMN creditsvc.log_state.complete_until IS 'Everything recorded before this instant has its position';
COMMENT ON COLUMN creditsvc.log_state.pending IS 'How many waited when last counted';
ALTER TABLE ONLY creditsvc.log_state
    ADD CONSTRAINT log_state_pkey PRIMARY KEY (one);
GRANT SELECT ON TABLE creditsvc.log_state TO creditsvc_append;
GRANT SELECT ON TABLE creditsvc.log_state TO creditsvc_lookup;
GRANT SELECT,UPDATE ON TABLE creditsvc.log_state TO creditsvc_sequence;

CREATE TABLE creditsvc.log_tile (
    level smallint NOT NULL,
    tile bigint NOT NULL,
    hashes bytea NOT NULL,
    CONSTRAINT log_tile_hashes_check CHECK (((octet_length(hashes) >= 32) AND (octet_length(hashes) <= 8192))),
    CONSTRAINT log_tile_hashes_check1 CHECK (((octet_length(hashes) % 32) = 0)),
    CONSTRAINT log_tile_level_check CHECK (((level >= 0) AND (level <= 63))),
    CONSTRAINT log_tile_tile_check CHECK ((tile >= 0))
);
ALTER TABLE ONLY creditsvc.log_tile ALTER COLUMN hashes SET STORAGE EXTERNAL;
COMMENT ON TABLE creditsvc.log_tile IS 'The Merkle tree as C2SP tlog-tiles: up to 256 hashes each; level 0 holds the leaf hashes';
ALTER TABLE ONLY creditsvc.log_tile
    ADD CONSTRAINT log_tile_pkey PRIMARY KEY (level, tile);
CREATE TRIGGER log_tile_grows BEFORE DELETE OR UPDATE ON creditsvc.log_tile FOR EACH ROW EXECUTE FUNCTION creditsvc.refuse_shrinking();
CREATE TRIGGER log_tile_no_truncate BEFORE TRUNCATE ON creditsvc.log_tile FOR EACH STATEMENT EXECUTE FUNCTION creditsvc.refuse_change();
GRANT SELECT ON TABLE creditsvc.log_tile TO creditsvc_append;
GRANT SELECT ON TABLE creditsvc.log_tile TO creditsvc_lookup;
GRANT SELECT,INSERT,UPDATE ON TABLE creditsvc.log_tile TO creditsvc_sequence;

CREATE TABLE creditsvc.migration (
    number integer NOT NULL,
    name text NOT NULL,
    phase text NOT NULL,
    checksum bytea NOT NULL,
    applied_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT migration_checksum_check CHECK ((octet_length(checksum) = 32)),
    CONSTRAINT migration_phase_check CHECK ((phase = ANY (ARRAY['pre'::text, 'post'::text])))
);
COMMENT ON TABLE creditsvc.migration IS 'What was done to this schema, file by file; checksum: SHA-256 of the file';
ALTER TABLE ONLY creditsvc.migration
    ADD CONSTRAINT migration_pkey PRIMARY KEY (number, phase);
GRANT SELECT ON TABLE creditsvc.migration TO creditsvc_lookup;

CREATE TABLE creditsvc.model_ranking (
    name text NOT NULL,
    version text NOT NULL,
    peer_group integer NOT NULL,
    ranked_at timestamp with time zone NOT NULL,
    measures text[] NOT NULL
);
COMMENT ON TABLE creditsvc.model_ranking IS 'The measures of all organisations of similar size at an instant: whom a percentile compares with';
COMMENT ON COLUMN creditsvc.model_ranking.measures IS 'Ascending, exact: decimals, or fractions where a decimal has no end';
ALTER TABLE ONLY creditsvc.model_ranking
    ADD CONSTRAINT model_ranking_pkey PRIMARY KEY (name, version, peer_group, ranked_at);
CREATE TRIGGER model_ranking_append_only BEFORE DELETE OR UPDATE ON creditsvc.model_ranking FOR EACH ROW EXECUTE FUNCTION creditsvc.refuse_change();
CREATE TRIGGER model_ranking_no_truncate BEFORE TRUNCATE ON creditsvc.model_ranking FOR EACH STATEMENT EXECUTE FUNCTION creditsvc.refuse_change();
GRANT SELECT,INSERT ON TABLE creditsvc.model_ranking TO creditsvc_append;
GRANT SELECT ON TABLE creditsvc.model_ranking TO creditsvc_lookup;

CREATE TABLE creditsvc.model_release (
    number integer NOT NULL,
    name text NOT NULL,
    version text NOT NULL,
    sha256 bytea NOT NULL,
    in_force_from date,
    announced_at timestamp with time zone,
    CONSTRAINT model_release_sha256_check CHECK ((octet_length(sha256) = 32))
);
COMMENT ON TABLE creditsvc.model_release IS 'The scoring models as released: which bytes, and since when everybody could know';
COMMENT ON COLUMN creditsvc.model_release.announced_at IS 'Null for what was there from the beginning';
ALTER TABLE ONLY creditsvc.model_release
    ADD CONSTRAINT model_release_name_version_key UNIQUE (name, version);
ALTER TABLE ONLY creditsvc.model_release
    ADD CONSTRAINT model_release_pkey PRIMARY KEY (number);
CREATE TRIGGER model_release_append_only BEFORE DELETE OR UPDATE ON creditsvc.model_release FOR EACH ROW EXECUTE FUNCTION creditsvc.refuse_change();
CREATE TRIGGER model_release_no_truncate BEFORE TRUNCATE ON creditsvc.model_release FOR EACH STATEMENT EXECUTE FUNCTION creditsvc.refuse_change();
GRANT SELECT ON TABLE creditsvc.model_release TO creditsvc_append;
GRANT SELECT ON TABLE creditsvc.model_release TO creditsvc_lookup;

CREATE TABLE creditsvc.open_case (
    entity_id text NOT NULL COLLATE pg_catalog."C",
    record text NOT NULL COLLATE pg_catalog."C",
    source text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL,
    number text NOT NULL COLLATE pg_catalog."C",
    opened_by text NOT NULL COLLATE pg_catalog."C",
    handler text NOT NULL COLLATE pg_catalog."C",
    ground text,
    procedure text NOT NULL,
    opened_at timestamp with time zone NOT NULL,
    step text NOT NULL,
    awaits text NOT NULL,
    since timestamp with time zone NOT NULL,
    days integer NOT NULL,
    counted text NOT NULL,
    due timestamp with time zone NOT NULL,
    certain boolean NOT NULL,
    calendar integer[] NOT NULL,
    place bigint NOT NULL,
    CONSTRAINT open_case_awaits_check CHECK ((awaits = ANY (ARRAY['agency'::text, 'applicant'::text]))),
    CONSTRAINT open_case_counted_check CHECK ((counted = ANY (ARRAY['working-days'::text, 'days'::text]))),
    CONSTRAINT open_case_days_check CHECK ((days > 0))
);
COMMENT ON TABLE creditsvc.open_case IS 'The cases in which a clock runs: what each comes to by its record''s events, and when it is due';
COMMENT ON COLUMN creditsvc.open_case.source IS 'The source that handed the record in';
COMMENT ON COLUMN creditsvc.open_case.handler IS 'The agency that has to act, or has acted last';
COMMENT ON COLUMN creditsvc.open_case.since IS 'What the clock counts from, for so many days';
COMMENT ON COLUMN creditsvc.open_case.certain IS 'No calendar yet to be published can move due';
COMMENT ON COLUMN creditsvc.open_case.calendar IS 'The edition of the calendar of working days that due was worked out by; empty: none';
COMMENT ON COLUMN creditsvc.open_case.place IS 'Tells apart on a page what is due at one instant';
ALTER TABLE creditsvc.open_case ALTER COLUMN place ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME creditsvc.open_case_place_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE ONLY creditsvc.open_case
    ADD CONSTRAINT open_case_pkey PRIMARY KEY (entity_id, record, source, kind, number);
CREATE INDEX open_case_desk ON creditsvc.open_case USING btree (handler, due, place) WHERE (awaits = 'agency'::text);
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE creditsvc.open_case TO creditsvc_append;
GRANT SELECT ON TABLE creditsvc.open_case TO creditsvc_lookup;
GRANT SELECT ON TABLE creditsvc.open_case TO creditsvc_erase;

CREATE TABLE creditsvc.record (
    entity_id text NOT NULL COLLATE pg_catalog."C",
    record text NOT NULL COLLATE pg_catalog."C",
    source text NOT NULL COLLATE pg_catalog."C",
    class text,
    sequences bigint[] NOT NULL,
    standing boolean NOT NULL,
    public boolean NOT NULL,
    objected boolean NOT NULL,
    listing boolean NOT NULL,
    since timestamp with time zone,
    code text,
    code_group text,
    points numeric NOT NULL,
    amounts text,
    points_until timestamp with time zone,
    next_change timestamp with time zone,
    begins boolean DEFAULT false NOT NULL,
    retired_from timestamp with time zone,
    erased boolean DEFAULT false NOT NULL
);
COMMENT ON TABLE creditsvc.record IS 'What the fold of each record''s events comes to, until next_change; its events by sequence';
COMMENT ON COLUMN creditsvc.record.class IS 'Null while only amendments have arrived and the record itself has not';
COMMENT ON COLUMN creditsvc.record.standing IS 'Counts in the profile and may score: not ended, expired, revoked or repaired';
COMMENT ON COLUMN creditsvc.record.public IS 'In the public view now';
COMMENT ON COLUMN creditsvc.record.since IS 'When what it records took effect';
COMMENT ON COLUMN creditsvc.record.code IS 'Reason code of its contribution to the official score';
COMMENT ON COLUMN creditsvc.record.code_group IS 'The sum of the score that the points are added to';
COMMENT ON COLUMN creditsvc.record.amounts IS 'What is added to further sums, as canonical JSON; null for nothing';
COMMENT ON COLUMN creditsvc.record.next_change IS 'When time alone next changes any of this';
COMMENT ON COLUMN creditsvc.record.begins IS 'Not in the public view yet, but time alone brings it there';
COMMENT ON COLUMN creditsvc.record.retired_from IS 'From then on it is in no view: its legal life is over, and its last event has come; null: not known, or never';
COMMENT ON COLUMN creditsvc.record.erased IS 'The contents of its events and notices were erased';
ALTER TABLE ONLY creditsvc.record
    ADD CONSTRAINT record_pkey PRIMARY KEY (entity_id, record, source);
CREATE INDEX record_listing ON creditsvc.record USING btree (entity_id, since) WHERE listing;
CREATE INDEX record_next_change ON creditsvc.record USING btree (entity_id, next_change) WHERE (next_change IS NOT NULL);
CREATE INDEX record_objected ON creditsvc.record USING btree (entity_id, record, source) WHERE objected;
CREATE INDEX record_points ON creditsvc.record USING btree (entity_id, points, record, source) WHERE (points <> (0)::numeric);
CREATE INDEX record_retired ON creditsvc.record USING btree (retired_from) WHERE ((next_change IS NULL) AND (retired_from IS NOT NULL) AND (NOT erased));
GRANT SELECT,INSERT,UPDATE ON TABLE creditsvc.record TO creditsvc_append;
GRANT SELECT ON TABLE creditsvc.record TO creditsvc_lookup;
GRANT SELECT ON TABLE creditsvc.record TO creditsvc_erase;

CREATE TABLE creditsvc.statistic (
    month date NOT NULL,
    type text NOT NULL COLLATE pg_catalog."C",
    events bigint NOT NULL,
    CONSTRAINT statistic_events_check CHECK ((events > 0)),
    CONSTRAINT statistic_month_check CHECK ((EXTRACT(day FROM month) = (1)::numeric))
);
COMMENT ON TABLE creditsvc.statistic IS 'Events that the public view changed with or is to change with, by the month they took effect in and by type';
ALTER TABLE ONLY creditsvc.statistic
    ADD CONSTRAINT statistic_pkey PRIMARY KEY (month, type);
GRANT SELECT,INSERT,UPDATE ON TABLE creditsvc.statistic TO creditsvc_sequence;
GRANT SELECT ON TABLE creditsvc.statistic TO creditsvc_lookup;

CREATE TABLE creditsvc.statistic_state (
    one boolean DEFAULT true NOT NULL,
    "position" bigint DEFAULT 0 NOT NULL,
    counted_at timestamp with time zone,
    CONSTRAINT statistic_state_one_check CHECK (one),
    CONSTRAINT statistic_state_position_check CHECK (("position" >= 0))
)
WITH (fillfactor='10');
COMMENT ON TABLE creditsvc.statistic_state IS 'How far the log was counted: every event below this position is in statistic, once';
ALTER TABLE ONLY creditsvc.statistic_state
    ADD CONSTRAINT statistic_state_pkey PRIMARY KEY (one);
GRANT SELECT,INSERT,UPDATE ON TABLE creditsvc.statistic_state TO creditsvc_sequence;
GRANT SELECT ON TABLE creditsvc.statistic_state TO creditsvc_lookup;

CREATE VIEW creditsvc.leaf_part AS
 SELECT e.entity_id,
    ('event'::text COLLATE "C") AS kind,
    e.sequence,
    e.recorded_at,
    e.source,
    NULL::timestamp with time zone AS due,
    COALESCE(sha256((e.salt || e.content)), ( SELECT x.commitment
           FROM creditsvc.erasure x
          WHERE ((x.entity_id = e.entity_id) AND (x.kind = 'event'::text) AND (x.sequence = e.sequence)))) AS commitment,
    e.leaf_hash
   FROM creditsvc.event e
UNION ALL
 SELECT n.entity_id,
    ('notice'::text COLLATE "C") AS kind,
    n.number AS sequence,
    n.recorded_at,
    NULL::text AS source,
    n.due,
    COALESCE(sha256((n.salt || n.content)), ( SELECT x.commitment
           FROM creditsvc.erasure x
          WHERE ((x.entity_id = n.entity_id) AND (x.kind = 'notice'::text) AND (x.sequence = n.number)))) AS commitment,
    n.leaf_hash
   FROM creditsvc.notice n;
COMMENT ON VIEW creditsvc.leaf_part IS 'The parts of the leaf of each event and notice, and the hash stored with it';
GRANT SELECT ON TABLE creditsvc.leaf_part TO creditsvc_append;
GRANT SELECT ON TABLE creditsvc.leaf_part TO creditsvc_lookup;
GRANT SELECT ON TABLE creditsvc.leaf_part TO creditsvc_sequence;

ALTER TABLE ONLY creditsvc.api_key
    ADD CONSTRAINT api_key_client_id_fkey FOREIGN KEY (client_id) REFERENCES creditsvc.client(client_id);
ALTER TABLE ONLY creditsvc.consent
    ADD CONSTRAINT consent_client_id_fkey FOREIGN KEY (client_id) REFERENCES creditsvc.client(client_id);
ALTER TABLE ONLY creditsvc.log_cosignature
    ADD CONSTRAINT log_cosignature_size_fkey FOREIGN KEY (size) REFERENCES creditsvc.log_checkpoint(size);
