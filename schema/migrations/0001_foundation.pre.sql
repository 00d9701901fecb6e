-- up
-- The record of organisations. Every table that grows with the data has entity_id first in its primary
-- key, and keys compare as bytes ("C"), the same on every server; event_identity and the log are the only things that cross entities, each in a table of its own.

create table agency (
    source text collate "C" primary key,
    name text not null,
    created_at timestamptz not null default clock_timestamp()
);
comment on table agency is 'Who hands events in, known by the CloudEvents source that its keys are bound to';

create table client (
    client_id text collate "C" primary key,
    role text not null check (role in ('agency', 'partner', 'entity', 'auditor', 'operator')),
    sources text[] not null default '{}',
    entity_id text collate "C",
    created_at timestamptz not null default clock_timestamp(),
    check ((role = 'agency') = (cardinality(sources) > 0)),
    check ((role = 'entity') = (entity_id is not null))
);
comment on table client is 'Who may hold keys: a role, and what it is bound to';

create table api_key (
    key_id text collate "C" primary key,
    client_id text collate "C" not null references client,
    secret_sha256 bytea not null check (octet_length(secret_sha256) = 32),
    created_at timestamptz not null default clock_timestamp(),
    expires_at timestamptz,
    revoked_at timestamptz
);
create index api_key_client on api_key (client_id);
comment on table api_key is 'Keys by their public part; of the secret only the SHA-256 is held';

create table event (
    entity_id text collate "C" not null,
    sequence bigint not null check (sequence > 0),
    recorded_at timestamptz not null,
    source text collate "C" not null,
    id text collate "C" not null,
    type text not null,
    time timestamptz not null,
    record text collate "C" not null,
    content bytea not null,
    salt bytea not null check (octet_length(salt) = 16),
    leaf_hash bytea not null check (octet_length(leaf_hash) = 32),
    opens boolean not null,
    touches_public boolean not null,
    primary key (entity_id, sequence)
);
comment on table event is 'Immutable statements of agencies, in the gap-free order in which each entity received them';
comment on column event.content is 'The CloudEvent in canonical JSON (RFC 8785)';
comment on column event.salt is 'Blinds the commitment to the content in the leaf; erased with it when the law says so';
comment on column event.opens is 'The first event held on its record: where the record stands in the list of records';
comment on column event.touches_public is 'The public view changed with this event';

create table event_identity (
    source text collate "C" not null,
    id text collate "C" not null,
    entity_id text collate "C" not null,
    sequence bigint not null,
    content_sha256 bytea not null check (octet_length(content_sha256) = 32),
    primary key (source, id)
);
comment on table event_identity is 'The identity of an event is unique over all subjects; keyed by it alone';

create table log_pending (
    entity_id text collate "C" not null,
    sequence bigint not null,
    primary key (entity_id, sequence)
);
comment on table log_pending is 'Events that the transparency log has not yet given a position';

create table record (
    entity_id text collate "C" not null,
    record text collate "C" not null,
    source text collate "C" not null,
    class text,
    sequences bigint[] not null,
    standing boolean not null,
    public boolean not null,
    objected boolean not null,
    listing boolean not null,
    since timestamptz,
    code text,
    code_group text,
    points numeric not null,
    amounts text,
    points_until timestamptz,
    next_change timestamptz,
    primary key (entity_id, record, source)
);
create index record_next_change on record (entity_id, next_change) where next_change is not null;
create index record_points on record (entity_id, points, record, source) where points <> 0;
create index record_listing on record (entity_id, since) where listing;
comment on table record is 'What the fold of each record''s events comes to, until next_change; its events by sequence';
comment on column record.class is 'Null while only amendments have arrived and the record itself has not';
comment on column record.standing is 'Counts in the profile and may score: not ended, expired, revoked or repaired';
comment on column record.public is 'In the public view now';
comment on column record.since is 'When what it records took effect';
comment on column record.code is 'Reason code of its contribution to the official score';
comment on column record.code_group is 'The sum of the score that the points are added to';
comment on column record.amounts is 'What is added to further sums, as canonical JSON; null for nothing';
comment on column record.next_change is 'When time alone next changes any of this';

create table entity (
    entity_id text collate "C" primary key,
    version bigint not null default 0,
    recorded_at timestamptz,
    shared_naming text,
    public_naming text,
    model text,
    announced integer not null default 0,
    shared_summary bytea,
    shared_from timestamptz,
    shared_until timestamptz,
    shared_profile bytea,
    public_summary bytea,
    public_version bigint not null default 0,
    public_from timestamptz,
    public_until timestamptz,
    public_profile bytea
);
create index entity_announced on entity (announced);
create index entity_due on entity (shared_until) where shared_until is not null;
comment on table entity is 'One organisation: its last sequence, and its profile as bytes for the public and for those it is shared with';
comment on column entity.shared_naming is 'Name, its rank, status, its rank, as JSON: the greatest rank wins, whatever arrives first';
comment on column entity.model is 'Version of the official model that it was scored by';
comment on column entity.announced is 'How many releases of that model had been announced then';
comment on column entity.public_profile is 'Null while nothing on record is public';

create table model_release (
    number integer primary key,
    name text not null,
    version text not null,
    sha256 bytea not null check (octet_length(sha256) = 32),
    in_force_from date,
    announced_at timestamptz,
    unique (name, version)
);
comment on table model_release is 'The scoring models as released: which bytes, and since when everybody could know';
comment on column model_release.announced_at is 'Null for what was there from the beginning';

create table model_ranking (
    name text not null,
    version text not null,
    peer_group integer not null,
    ranked_at timestamptz not null,
    measures text[] not null,
    primary key (name, version, peer_group, ranked_at)
);
comment on table model_ranking is 'The measures of all organisations of similar size at an instant: whom a percentile compares with';
comment on column model_ranking.measures is 'Ascending, exact: decimals, or fractions where a decimal has no end';

create table entity_name (
    entity_id text collate "C" not null,
    view text collate "C" not null check (view in ('public', 'shared')),
    since timestamptz not null,
    until timestamptz,
    name text,
    status text,
    grams text[] not null,
    primary key (entity_id, view, since)
);
create index entity_name_public on entity_name using gin (grams) where view = 'public';
create index entity_name_shared on entity_name using gin (grams) where view = 'shared';
comment on table entity_name is 'What each view has known an organisation as, from when until when; bigrams for search';

-- History is append-only: whoever writes it cannot change it, and the triggers hold for the owner too.
create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only', tg_table_name using errcode = 'insufficient_privilege';
end
$$;
create trigger event_append_only before update or delete on event
    for each row execute function refuse_change();
create trigger event_no_truncate before truncate on event
    for each statement execute function refuse_change();
create trigger event_identity_append_only before update or delete on event_identity
    for each row execute function refuse_change();
create trigger model_ranking_append_only before update or delete on model_ranking
    for each row execute function refuse_change();
create trigger model_ranking_no_truncate before truncate on model_ranking
    for each statement execute function refuse_change();
create trigger model_release_append_only before update or delete on model_release
    for each row execute function refuse_change();
create trigger model_release_no_truncate before truncate on model_release
    for each statement execute function refuse_change();
create trigger event_identity_no_truncate before truncate on event_identity
    for each statement execute function refuse_change();

-- The earliest instant that a transaction still in flight may yet record an event at: everything recorded
-- before it is visible to a statement that starts afterwards. Appending connections name themselves.
create function append_horizon() returns timestamptz
    language sql volatile security definer set search_path = pg_catalog, pg_temp as $$
    select least(
        (select clock_timestamp()),
        (select min(xact_start) from pg_stat_activity
         where datname = current_database() and application_name = 'creditsvc append'))
$$;

grant usage on schema creditsvc to creditsvc_append, creditsvc_lookup;
grant select on agency, client, api_key, event, event_identity, record, entity, entity_name, log_pending,
    model_release, model_ranking
    to creditsvc_append, creditsvc_lookup;
grant insert on event, event_identity, log_pending, model_ranking to creditsvc_append;
grant insert, update on record, entity, entity_name to creditsvc_append;

-- down
drop function append_horizon();
drop table entity_name, model_ranking, model_release, entity, record, log_pending, event_identity, event, api_key, client, agency;
drop function refuse_change();
revoke usage on schema creditsvc from creditsvc_append, creditsvc_lookup;
