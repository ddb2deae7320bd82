-- depends: 0018_quicker_days
-- The checks of a run look for the versions that begin on its dates among all valid ones. What lies in
-- front of the first text PostgreSQL finds without a walk through the row, so that is where the instant
-- now lies: a third less for the look. The table of all versions keeps its order of columns.

ALTER TABLE crm.users_dim DETACH PARTITION crm.users_dim_valid;
ALTER TABLE crm.users_dim_valid RENAME TO users_dim_valid_before;
ALTER TABLE crm.users_dim_valid_before RENAME CONSTRAINT users_dim_one_valid TO users_dim_one_valid_before;

CREATE TABLE crm.users_dim_valid (
    valid_from timestamptz NOT NULL,
    valid_to timestamptz,
    is_valid boolean NOT NULL,
    is_deleted boolean NOT NULL,
    event_sk uuid NOT NULL,
    id text NOT NULL,
    username text,
    user_email text,
    user_type text,
    organization_name text,
    plan_name text,
    CONSTRAINT users_dim_interval CHECK (valid_from < valid_to),
    CONSTRAINT users_dim_state CHECK (is_valid = (valid_to IS NULL))
) WITH (fillfactor = 50);

INSERT INTO crm.users_dim_valid (
    valid_from, valid_to, is_valid, is_deleted, event_sk, id, username, user_email, user_type,
    organization_name, plan_name
)
SELECT
    valid_from, valid_to, is_valid, is_deleted, event_sk, id, username, user_email, user_type,
    organization_name, plan_name
FROM crm.users_dim_valid_before
ORDER BY id COLLATE "C";  -- as a run looks them up

DROP TABLE crm.users_dim_valid_before;
ALTER TABLE crm.users_dim_valid ADD CONSTRAINT users_dim_one_valid PRIMARY KEY (id);
ALTER TABLE crm.users_dim ATTACH PARTITION crm.users_dim_valid FOR VALUES IN (true);
ANALYZE crm.users_dim_valid;
