-- up
-- Objection, repair, consent, retention.

-- Events about records of others.
alter table event add column holder text collate "C";
comment on column event.holder is 'The source that handed the record in which this is about, where that is another; null: this source';
alter table agency add check (source !~* '^urn:entity:');

-- Clocks and the desk.
create table open_case (
    entity_id text collate "C" not null,
    record text collate "C" not null,
    source text collate "C" not null,
    kind text not null,
    number text collate "C" not null,
    opened_by text collate "C" not null,
    handler text collate "C" not null,
    ground text,
    procedure text not null,
    opened_at timestamptz not null,
    step text not null,
    awaits text not null check (awaits in ('agency', 'applicant')),
    since timestamptz not null,
    days integer not null check (days > 0),
    counted text not null check (counted in ('working-days', 'days')),
    due timestamptz not null,
    certain boolean not null,
    calendar integer[] not null,
    place bigint generated always as identity,
    primary key (entity_id, record, source, kind, number)
);
create index open_case_desk on open_case (handler, due, place) where awaits = 'agency';
create index record_objected on record (entity_id, record, source) where objected;
comment on table open_case is 'The cases in which a clock runs: what each comes to by its record''s events, and when it is due';
comment on column open_case.source is 'The source that handed the record in';
comment on column open_case.handler is 'The agency that has to act, or has acted last';
comment on column open_case.since is 'What the clock counts from, for so many days';
comment on column open_case.certain is 'No calendar yet to be published can move due';
comment on column open_case.calendar is 'The edition of the calendar of working days that due was worked out by; empty: none';
comment on column open_case.place is 'Tells apart on a page what is due at one instant';
grant select, insert, update, delete on open_case to creditsvc_append;
grant select on open_case to creditsvc_lookup;

-- Retention and erasure. What was erased has neither content nor salt any more; the commitment of its leaf and what it
-- did to names and views are kept apart.
alter table record
    add column retired_from timestamptz,
    add column erased boolean not null default false;
create index record_retired on record (retired_from) where next_change is null and retired_from is not null and not erased;
comment on column record.retired_from is 'From then on it is in no view: its legal life is over, and its last event has come; null: not known, or never';
comment on column record.erased is 'The contents of its events and notices were erased';

create table erasure (
    entity_id text collate "C" not null,
    kind text collate "C" not null check (kind in ('event', 'notice')),
    sequence bigint not null check (sequence > 0),
    record text collate "C" not null,
    source text collate "C" not null,
    commitment bytea not null check (octet_length(commitment) = 32),
    name text,
    status text,
    public boolean,
    touched_public boolean,
    retired_from timestamptz not null,
    public_changed_at timestamptz,
    erased_at timestamptz not null default clock_timestamp(),
    primary key (entity_id, kind, sequence),
    check ((kind = 'event') = (public is not null and touched_public is not null))
);
comment on table erasure is 'What is kept of events and notices whose content was erased: their commitment, and what they did to names and views';
comment on column erasure.source is 'The source that handed the record in';
comment on column erasure.name is 'What the event called the organisation';
comment on column erasure.status is 'What status it told';
comment on column erasure.public is 'The record was public once the event had come; null of a notice';
comment on column erasure.public_changed_at is 'When time last changed what the public saw of the record';

alter table event alter column content drop not null, alter column salt drop not null;
alter table notice alter column content drop not null, alter column salt drop not null;
alter table event_identity alter column content_sha256 drop not null;
comment on column event.content is 'The CloudEvent in canonical JSON (RFC 8785); null once erased';
comment on column event_identity.content_sha256 is 'Tells a repeat from a conflict; null once the event was erased';

create trigger erasure_append_only before update or delete on erasure
    for each row execute function refuse_change();
create trigger erasure_no_truncate before truncate on erasure
    for each statement execute function refuse_change();
create trigger event_whole before insert on event
    for each row when (new.content is null or new.salt is null) execute function refuse_change();
create trigger notice_whole before insert on notice
    for each row when (new.content is null or new.salt is null) execute function refuse_change();
create trigger event_identity_whole before insert on event_identity
    for each row when (new.content_sha256 is null) execute function refuse_change();

-- Nothing in an event or notice changes but that it loses its content and salt, when its commitment is kept and the
-- legal life of its record is over.
create function refuse_all_but_erasing() returns trigger language plpgsql as $$
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
drop trigger event_append_only on event;
create trigger event_append_only before update or delete on event
    for each row execute function refuse_all_but_erasing();
drop trigger notice_append_only on notice;
create trigger notice_append_only before update or delete on notice
    for each row execute function refuse_all_but_erasing();

-- An identity loses the hash of the content when that is gone: it is unsalted, and would confirm a likely content.
create function refuse_all_but_forgetting() returns trigger language plpgsql as $$
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
drop trigger event_identity_append_only on event_identity;
create trigger event_identity_append_only before update or delete on event_identity
    for each row execute function refuse_all_but_forgetting();

-- What the leaves of events and notices are made of, whether they were erased or not.
create view leaf_part as
select e.entity_id, text 'event' collate "C" as kind, e.sequence, e.recorded_at, e.source, null::timestamptz as due,
       coalesce(sha256(e.salt || e.content),
                (select x.commitment from erasure x
                 where x.entity_id = e.entity_id and x.kind = 'event' and x.sequence = e.sequence)) as commitment,
       e.leaf_hash
from event e
union all
select n.entity_id, text 'notice' collate "C", n.number, n.recorded_at, null, n.due,
       coalesce(sha256(n.salt || n.content),
                (select x.commitment from erasure x
                 where x.entity_id = n.entity_id and x.kind = 'notice' and x.sequence = n.number)),
       n.leaf_hash
from notice n;
comment on view leaf_part is 'The parts of the leaf of each event and notice, and the hash stored with it';

-- Erase the content of a record whose legal life is over: of its events, which must be those expected, and of the
-- notices about it. Each event goes with what it called the organisation and whether the record was public then.
-- Gives how many entries were erased: none where somebody is at work on the organisation or was faster, where another
-- event has come, or where the log has not placed all of it yet.
create function erase_record(
    of_entity text, of_record text, of_source text, expected bigint[], names text[], statuses text[], publics boolean[],
    changed_at timestamptz) returns integer
    language plpgsql volatile security definer set search_path = creditsvc, pg_temp as $$
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
revoke execute on function erase_record(text, text, text, bigint[], text[], text[], boolean[], timestamptz) from public;
grant usage on schema creditsvc to creditsvc_erase;
grant execute on function erase_record(text, text, text, bigint[], text[], text[], boolean[], timestamptz) to creditsvc_erase;
grant select on record, event, open_case to creditsvc_erase;
grant select on erasure, leaf_part to creditsvc_append, creditsvc_lookup, creditsvc_sequence;

-- What may retire one day, penalties and what was withdrawn, is folded anew, to say when.
with changed as (
    update record set next_change = least(next_change, clock_timestamp())
    where class = 'penalty' or class is null
    returning entity_id
)
update entity set shared_until = least(shared_until, clock_timestamp())
where entity_id in (select entity_id from changed);

-- Consent.
create table consent (
    entity_id text collate "C" not null,
    client_id text collate "C" not null references client,
    number bigint not null generated always as identity,
    at timestamptz not null default clock_timestamp(),
    given boolean not null,
    until date,
    ends_at timestamptz,
    primary key (entity_id, client_id, number),
    check ((until is null) = (ends_at is null)),
    check (given or until is null)
);
comment on table consent is 'What an organisation said of a partner who would see what asks for its consent; what it said last holds';
comment on column consent.given is 'Consent was given; false: it was withdrawn';
comment on column consent.until is 'The last day that it holds on; null: until withdrawn';
comment on column consent.ends_at is 'The end of that day where the organisation is';
create trigger consent_append_only before update or delete on consent
    for each row execute function refuse_change();
create trigger consent_no_truncate before truncate on consent
    for each statement execute function refuse_change();

-- What was said last of each partner; ``number`` and ``at`` are of that.
create function consents_of(entity text)
    returns table (number bigint, at timestamptz, client_id text, given_at timestamptz, until date,
                   withdrawn_at timestamptz, holds boolean)
    language sql stable set search_path = creditsvc, pg_temp as $$
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

-- Give consent unless the same is given already; false where there is no such partner. One at a time for each
-- partner, so that what is said twice is written once.
create function give_consent(entity text, client text, last_day date, ends timestamptz) returns boolean
    language plpgsql volatile security definer set search_path = creditsvc, pg_temp as $$
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

create function withdraw_consent(entity text, client text) returns void
    language plpgsql volatile security definer set search_path = creditsvc, pg_temp as $$
begin
    perform from client c where c.client_id = client for update;
    insert into consent (entity_id, client_id, given)
    select entity, client, false
    where (select c.given from consent c
           where c.entity_id = entity and c.client_id = client
           order by c.number desc limit 1);
end
$$;

revoke execute on function give_consent(text, text, date, timestamptz), withdraw_consent(text, text) from public;
grant execute on function give_consent(text, text, date, timestamptz), withdraw_consent(text, text) to creditsvc_access;
grant select on consent to creditsvc_lookup;

-- down
drop function withdraw_consent(text, text), give_consent(text, text, date, timestamptz), consents_of(text);
drop table consent;
drop function erase_record(text, text, text, bigint[], text[], text[], boolean[], timestamptz);
drop view leaf_part;
drop trigger event_append_only on event;
create trigger event_append_only before update or delete on event
    for each row execute function refuse_change();
drop trigger notice_append_only on notice;
create trigger notice_append_only before update or delete on notice
    for each row execute function refuse_change();
drop trigger event_identity_append_only on event_identity;
create trigger event_identity_append_only before update or delete on event_identity
    for each row execute function refuse_change();
drop function refuse_all_but_erasing(), refuse_all_but_forgetting();
drop trigger event_whole on event;
drop trigger notice_whole on notice;
drop trigger event_identity_whole on event_identity;
alter table event alter column content set not null, alter column salt set not null;
alter table notice alter column content set not null, alter column salt set not null;
alter table event_identity alter column content_sha256 set not null;
comment on column event.content is 'The CloudEvent in canonical JSON (RFC 8785)';
comment on column event_identity.content_sha256 is null;
drop table erasure;
drop index record_retired;
alter table record drop column retired_from, drop column erased;
revoke select on record, event from creditsvc_erase;
revoke usage on schema creditsvc from creditsvc_erase;
drop index record_objected;
drop table open_case;
alter table agency drop constraint agency_source_check;
alter table event drop column holder;
