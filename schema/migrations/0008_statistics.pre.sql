-- up
-- Statistics that anybody may see, counted beside the log; and what operators may read of the schema's state.

-- By the month in which events took effect, where their authorities are: it grows with months, not with the data.
create table statistic (
    month date not null check (extract(day from month) = 1),
    type text collate "C" not null,
    events bigint not null check (events > 0),
    primary key (month, type)
);
comment on table statistic is 'Events that the public view changed with or is to change with, by the month they took effect in and by type';

-- One row each, once counting has begun: where it stands, moved by the transaction that counts.
create table statistic_state (
    one boolean primary key default true check (one),
    position bigint not null default 0 check (position >= 0),
    counted_at timestamptz
) with (fillfactor = 10);
comment on table statistic_state is 'How far the log was counted: every event below this position is in statistic, once';

create table grade_count (
    one boolean primary key default true check (one),
    began_at timestamptz,
    reached text collate "C",
    counted jsonb not null default '{}',
    done_at timestamptz,
    grades jsonb not null default '{}'
) with (fillfactor = 10);
comment on table grade_count is 'Organisations by the grade that the public sees: the last count that was finished, and the one under way';
comment on column grade_count.began_at is 'When the count under way began; null: none is';
comment on column grade_count.reached is 'The last organisation it has counted';
comment on column grade_count.counted is 'What it has come to so far, as the grades and their numbers';
comment on column grade_count.done_at is 'When the last finished count began: nothing since then need be in it';

grant select, insert, update on statistic, statistic_state, grade_count to creditsvc_sequence;
grant select (entity_id, public_profile) on entity to creditsvc_sequence;
grant select on statistic, statistic_state, grade_count to creditsvc_lookup;
grant select on migration to creditsvc_lookup;

-- down
revoke select on migration from creditsvc_lookup;
revoke select (entity_id, public_profile) on entity from creditsvc_sequence;
drop table grade_count, statistic_state, statistic;
