-- up
-- Objection, repair, consent, retention.

-- Events about records of others.
alter table event add column holder text collate "C";
comment on column event.holder is 'The source that handed the record in which this is about, where that is another; null: this source';
alter table agency add check (source !~* '^urn:entity:');

-- down
alter table agency drop constraint agency_source_check;
alter table event drop column holder;
