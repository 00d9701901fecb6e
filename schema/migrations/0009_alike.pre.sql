-- up
-- What both views have in common is stored once: most organisations have nothing that only some may see, and a row half as long
-- is read and written with half the pages. Rows written before are as true as they were, and get shorter when next written.
comment on column entity.shared_naming is
    'Name, its rank, status, its rank, as JSON: the greatest rank wins, whatever arrives first; null: as the public''s';
comment on column entity.shared_summary is 'Null: as the public''s';
comment on column entity.shared_profile is 'Null: as the public''s';

-- down
update entity
set shared_naming = coalesce(shared_naming, public_naming), shared_summary = coalesce(shared_summary, public_summary),
    shared_profile = coalesce(shared_profile, public_profile)
where shared_profile is null;
comment on column entity.shared_profile is null;
comment on column entity.shared_summary is null;
comment on column entity.shared_naming is 'Name, its rank, status, its rank, as JSON: the greatest rank wins, whatever arrives first';
