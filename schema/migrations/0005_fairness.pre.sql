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

-- down
drop index record_objected;
drop table open_case;
alter table agency drop constraint agency_source_check;
alter table event drop column holder;
