-- up
-- The transparency log: the total order of all events and of the service's own notices, a Merkle tree over
-- them (RFC 6962), and its signed checkpoints. It crosses entities, in tables of its own.

create table log_identity (
    one boolean primary key default true check (one),
    origin text not null,
    verifier_key text not null,
    receipt_verifier_key text not null,
    began_at timestamptz not null default clock_timestamp()
);
comment on table log_identity is 'Which log this is, for good: one row, once it has begun';
comment on column log_identity.origin is 'First line of every checkpoint (C2SP tlog-checkpoint)';
comment on column log_identity.began_at is 'What only time changes is noticed from here on';

create table log_state (
    one boolean primary key default true check (one),
    size bigint not null default 0 check (size >= 0),
    root bytea not null default sha256('') check (octet_length(root) = 32),
    complete_until timestamptz,
    drained_at timestamptz,
    pending bigint not null default 0
) with (fillfactor = 10);
comment on table log_state is 'Where the log stands: one row, once it has begun';
comment on column log_state.size is 'Positions given so far; compared and swapped by whoever gives more';
comment on column log_state.complete_until is 'Everything recorded before this instant has its position';
comment on column log_state.pending is 'How many waited when last counted';

create table log_entry (
    position bigint primary key check (position >= 0),
    entity_id text collate "C" not null,
    kind text collate "C" not null check (kind in ('event', 'notice')),
    sequence bigint not null check (sequence > 0),
    unique (entity_id, kind, sequence)
);
comment on table log_entry is 'What stands at each position of the log: an event or a notice';

create table log_tile (
    level smallint not null check (level between 0 and 63),
    tile bigint not null check (tile >= 0),
    hashes bytea not null check (octet_length(hashes) between 32 and 8192) check (octet_length(hashes) % 32 = 0),
    primary key (level, tile)
);
alter table log_tile alter column hashes set storage external;
comment on table log_tile is 'The Merkle tree as C2SP tlog-tiles: up to 256 hashes each; level 0 holds the leaf hashes';

create table log_checkpoint (
    size bigint primary key check (size >= 0),
    root bytea not null check (octet_length(root) = 32),
    signed_at timestamptz not null default clock_timestamp(),
    note text not null
);
comment on table log_checkpoint is 'Every checkpoint that was signed (C2SP tlog-checkpoint): never two for a size';

create table log_cosignature (
    size bigint not null references log_checkpoint,
    witness text collate "C" not null,
    line text not null,
    cosigned_at timestamptz not null default clock_timestamp(),
    primary key (size, witness)
);
comment on table log_cosignature is 'Signature lines of witnesses under checkpoints (C2SP tlog-cosignature)';

create table notice (
    entity_id text collate "C" not null,
    number bigint not null check (number > 0),
    due timestamptz not null,
    recorded_at timestamptz not null,
    type text collate "C" not null,
    record text collate "C" not null,
    source text collate "C" not null,
    content bytea not null,
    salt bytea not null check (octet_length(salt) = 16),
    leaf_hash bytea not null check (octet_length(leaf_hash) = 32),
    primary key (entity_id, number),
    unique (entity_id, due, type, record, source)
);
comment on table notice is 'What time alone changed in a record, told by the service itself: once for each boundary';
comment on column notice.due is 'The boundary: when it took effect';
comment on column notice.source is 'Of the record';
comment on column notice.content is 'A CloudEvent of the service, in canonical JSON (RFC 8785)';

-- What code from before this puts here has no time; it is placed first.
alter table log_pending
    add column kind text collate "C" not null default 'event' check (kind in ('event', 'notice')),
    add column recorded_at timestamptz not null default '-infinity',
    drop constraint log_pending_pkey;
alter table log_pending add primary key (recorded_at, entity_id, kind, sequence);
comment on table log_pending is 'Events and notices that the log has not yet given a position';

create function refuse_shrinking() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' and new.level = old.level and new.tile = old.tile
       and substr(new.hashes, 1, octet_length(old.hashes)) = old.hashes then
        return new;
    end if;
    raise exception 'a tile only grows' using errcode = 'insufficient_privilege';
end
$$;
create trigger log_tile_grows before update or delete on log_tile
    for each row execute function refuse_shrinking();
create trigger log_tile_no_truncate before truncate on log_tile
    for each statement execute function refuse_change();
create trigger log_identity_append_only before update or delete on log_identity
    for each row execute function refuse_change();
create trigger log_identity_no_truncate before truncate on log_identity
    for each statement execute function refuse_change();
create trigger log_entry_append_only before update or delete on log_entry
    for each row execute function refuse_change();
create trigger log_entry_no_truncate before truncate on log_entry
    for each statement execute function refuse_change();
create trigger log_checkpoint_append_only before update or delete on log_checkpoint
    for each row execute function refuse_change();
create trigger log_checkpoint_no_truncate before truncate on log_checkpoint
    for each statement execute function refuse_change();
create trigger log_cosignature_append_only before update or delete on log_cosignature
    for each row execute function refuse_change();
create trigger log_cosignature_no_truncate before truncate on log_cosignature
    for each statement execute function refuse_change();
create trigger notice_append_only before update or delete on notice
    for each row execute function refuse_change();
create trigger notice_no_truncate before truncate on notice
    for each statement execute function refuse_change();

grant usage on schema creditsvc to creditsvc_sequence;
grant select on log_identity, log_state, log_entry, log_tile, log_checkpoint, log_cosignature, notice
    to creditsvc_append, creditsvc_lookup, creditsvc_sequence;
grant select on event, log_pending to creditsvc_sequence;
grant insert on notice to creditsvc_append;
grant insert on log_entry, log_tile, log_checkpoint, log_cosignature to creditsvc_sequence;
grant update on log_state, log_tile to creditsvc_sequence;
grant delete on log_pending to creditsvc_sequence;

-- down
drop table log_cosignature, log_checkpoint, log_tile, log_entry, log_state, log_identity, notice;
drop function refuse_shrinking();
delete from log_pending where kind <> 'event';
alter table log_pending drop constraint log_pending_pkey;
alter table log_pending drop column kind, drop column recorded_at;
alter table log_pending add primary key (entity_id, sequence);
comment on table log_pending is 'Events that the transparency log has not yet given a position';
revoke select on event, log_pending from creditsvc_sequence;
revoke delete on log_pending from creditsvc_sequence;
revoke usage on schema creditsvc from creditsvc_sequence;
