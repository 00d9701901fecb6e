-- up
-- What names were found by before.
drop index if exists entity_name_public, entity_name_shared;

-- down
create index entity_name_public on entity_name using gin (grams) where view = 'public';
create index entity_name_shared on entity_name using gin (grams) where view = 'shared';
