-- crm.users_dim, type 2
-- Grain:  one row a user and state; see docs/architecture.md.
-- Inputs: raw.user_events of :import_date, and, of the users who have events on it, the events of
--         all dates that were processed before, whether earlier or later ones.
-- Rule:   the history of these users is worked out anew and replaced where it differs. So the
--         result depends on which dates were processed, not on their order. Events are ordered
--         by instant, then Created < Updated < Deleted, then order in the source; of several at
--         one instant the last counts; one that changes nothing opens no version.
-- Returns rows_read (events of the date), rows_written (versions inserted).

CREATE TEMPORARY TABLE touched ON COMMIT DROP AS
SELECT id, sum(n_events) AS n_events
FROM (
    SELECT id, count(*) AS n_events
    FROM raw.user_events
    WHERE received_at >= :'import_date'::date AT TIME ZONE 'UTC'
        AND received_at < (:'import_date'::date + 1) AT TIME ZONE 'UTC'
    GROUP BY id
    UNION ALL  -- versions that the date has left earlier, should its events have gone from raw
    SELECT id, 0
    FROM crm.users_dim
    WHERE valid_from >= :'import_date'::date AT TIME ZONE 'UTC'
        AND valid_from < (:'import_date'::date + 1) AT TIME ZONE 'UTC'
) AS found
GROUP BY id;

ANALYZE touched;

CREATE TEMPORARY TABLE versions ON COMMIT DROP AS
WITH processed AS (
    SELECT import_date
    FROM meta.etl_runs
    WHERE etl = 'users_dim' AND status = 'succeeded'
    UNION
    SELECT :'import_date'::date
),
last_at_instant AS (
    SELECT DISTINCT ON (id, received_at)
        event_id AS event_sk,
        id,
        username,
        user_email,
        user_type,
        organization_name,
        plan_name,
        received_at AS valid_from,
        event_type = 'User Deleted' AS is_deleted
    FROM raw.user_events
    INNER JOIN touched USING (id)
    WHERE (received_at AT TIME ZONE 'UTC')::date IN (SELECT import_date FROM processed)
    ORDER BY
        id,
        received_at,
        array_position(ARRAY['User Created', 'User Updated', 'User Deleted'], event_type) DESC,
        imported_at DESC,
        line DESC,
        event_id DESC
),
compared AS (
    SELECT
        *,
        ROW(username, user_email, user_type, organization_name, plan_name, is_deleted) AS state,
        lag(ROW(username, user_email, user_type, organization_name, plan_name, is_deleted))
            OVER (PARTITION BY id ORDER BY valid_from) AS state_before
    FROM last_at_instant
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
    (SELECT coalesce(sum(n_events), 0)::bigint FROM touched) AS rows_read,
    (SELECT count(*) FROM written) AS rows_written;
