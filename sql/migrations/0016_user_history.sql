-- depends: 0015_quicker_counts
-- All processed events of users in one table: the versions, which are crm.users_dim, and the repeats. So
-- one statement can write both, and a first back-fill needs no table in between.

CREATE TABLE crm.user_history (
    event_sk uuid NOT NULL,
    id text NOT NULL,
    username text,
    user_email text,
    user_type text,
    organization_name text,
    plan_name text,
    valid_from timestamptz NOT NULL,
    valid_to timestamptz,
    is_valid boolean,
    is_deleted boolean NOT NULL
) PARTITION BY LIST (is_valid);
COMMENT ON TABLE crm.user_history IS
    'The last processed event of each user and instant: versions (crm.users_dim) and, is_valid being null,'
    ' repeats (crm.user_repeats)';

ALTER TABLE crm.user_repeats ADD COLUMN valid_to timestamptz, ADD COLUMN is_valid boolean;
ALTER TABLE crm.user_repeats ADD CONSTRAINT user_repeats_state CHECK (valid_to IS NULL);
ALTER TABLE crm.user_history ATTACH PARTITION crm.user_repeats FOR VALUES IN (NULL);
ALTER TABLE crm.user_history ATTACH PARTITION crm.users_dim FOR VALUES IN (true, false);
