-- up
-- A record may become public by time alone: the public view has to know when it next changes.

alter table record add column begins boolean not null default false;
comment on column record.begins is 'Not in the public view yet, but time alone brings it there';

-- down
alter table record drop column begins;
