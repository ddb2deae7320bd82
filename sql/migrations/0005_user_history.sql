-- depends: 0004_ingestion
-- The events of users, as far as they are processed: what crm.users_dim is made from. It belongs to
-- the ETL, so looking up a user's past costs ingestion nothing.

CREATE TABLE crm.user_history (
    event_sk uuid NOT NULL,
    id text NOT NULL,
    username text,
    user_email text,
    user_type text,
    organization_name text,
    plan_name text,
    valid_from timestamptz NOT NULL,
    is_deleted boolean NOT NULL,
    PRIMARY KEY (id, valid_from)
);
CREATE INDEX user_history_valid_from ON crm.user_history (valid_from);

COMMENT ON TABLE crm.user_history IS
    'The last event of each user at each instant, of the dates that users_dim has processed';

INSERT INTO crm.user_history (
    event_sk, id, username, user_email, user_type, organization_name, plan_name, valid_from,
    is_deleted
)
SELECT DISTINCT ON (id, received_at)
    event_id, id, username, user_email, user_type, organization_name, plan_name, received_at,
    event_type = 'User Deleted'
FROM raw.user_events
WHERE (received_at AT TIME ZONE 'UTC')::date IN (
    SELECT import_date
    FROM meta.etl_runs
    WHERE etl = 'users_dim' AND status = 'succeeded'
)
ORDER BY
    id,
    received_at,
    array_position(ARRAY['User Created', 'User Updated', 'User Deleted'], event_type) DESC,
    imported_at DESC,
    line DESC,
    event_id DESC;
