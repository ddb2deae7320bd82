-- crm.users_dim, type 2
-- Grain:  one row a user and state; see docs/architecture.md.
-- Inputs: raw.user_events of :import_date, and crm.user_history: for the users who have events on
--         that date, their last event at each instant of the dates processed before.
-- Rule:   the date's part of the history is replaced by what raw has now, then the versions of
--         these users are worked out anew and replaced where they differ. So the result depends on
--         which dates were processed, not on their order. Events are ordered by instant, then
--         Created < Updated < Deleted, then order in the source; of several at one instant the
--         last counts; one that changes nothing opens no version.
-- Returns rows_read (events of the date), rows_written (versions inserted).

CREATE TEMPORARY TABLE day ON COMMIT DROP AS
SELECT
    event_id,
    id,
    event_type,
    username,
    user_email,
    user_type,
    organization_name,
    plan_name,
    received_at,
    imported_at,
    line
FROM raw.user_events
WHERE received_at >= :'import_date'::date AT TIME ZONE 'UTC'
    AND received_at < (:'import_date'::date + 1) AT TIME ZONE 'UTC';

CREATE TEMPORARY TABLE touched ON COMMIT DROP AS
SELECT id
FROM day
UNION  -- users whose events of the date have gone from raw
SELECT id
FROM crm.user_history
WHERE valid_from >= :'import_date'::date AT TIME ZONE 'UTC'
    AND valid_from < (:'import_date'::date + 1) AT TIME ZONE 'UTC';

ANALYZE touched;

DELETE FROM crm.user_history
WHERE valid_from >= :'import_date'::date AT TIME ZONE 'UTC'
    AND valid_from < (:'import_date'::date + 1) AT TIME ZONE 'UTC';

INSERT INTO crm.user_history (
    event_sk, id, username, user_email, user_type, organization_name, plan_name, valid_from,
    is_deleted
)
SELECT DISTINCT ON (id, received_at)
    event_id, id, username, user_email, user_type, organization_name, plan_name, received_at,
    event_type = 'User Deleted'
FROM day
ORDER BY
    id,
    received_at,
    array_position(ARRAY['User Created', 'User Updated', 'User Deleted'], event_type) DESC,
    imported_at DESC,
    line DESC,
    event_id DESC;

CREATE TEMPORARY TABLE versions ON COMMIT DROP AS
WITH compared AS (
    SELECT
        user_history.*,
        ROW(username, user_email, user_type, organization_name, plan_name, is_deleted) AS state,
        lag(ROW(username, user_email, user_type, organization_name, plan_name, is_deleted))
            OVER (PARTITION BY id ORDER BY valid_from) AS state_before
    FROM crm.user_history
    INNER JOIN touched USING (id)
)
SELECT
    event_sk,
    id,
    username,
    user_email,
    user_type,
    organization_name,
    plan_name,
    valid_from,
    lead(valid_from) OVER (PARTITION BY id ORDER BY valid_from) AS valid_to,
    is_deleted
FROM compared
WHERE state_before IS NULL OR state IS DISTINCT FROM state_before;

ANALYZE versions;

DELETE FROM crm.users_dim AS old
USING touched
WHERE old.id = touched.id
    AND NOT EXISTS (
        SELECT
        FROM versions AS new
        WHERE new.event_sk = old.event_sk
            AND new.valid_from = old.valid_from
            AND new.valid_to IS NOT DISTINCT FROM old.valid_to
    );

WITH written AS (
    INSERT INTO crm.users_dim (
        event_sk, id, username, user_email, user_type, organization_name, plan_name,
        valid_from, valid_to, is_valid, is_deleted
    )
    SELECT
        event_sk, id, username, user_email, user_type, organization_name, plan_name,
        valid_from, valid_to, valid_to IS NULL, is_deleted
    FROM versions
    ON CONFLICT (event_sk) DO NOTHING
    RETURNING 1
)
SELECT
    (SELECT count(*) FROM day) AS rows_read,
    (SELECT count(*) FROM written) AS rows_written;
