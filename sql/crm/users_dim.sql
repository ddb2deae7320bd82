-- crm.users_dim, type 2
-- Grain:  one row a user and state; see docs/architecture.md.
-- Inputs: raw.user_events of the dates from :first_date to :last_date. With :since, a snapshot, only
--         the users who have events outside it; without, also those whose events have gone.
-- Rule:   of a user's events at one instant the last counts: Created < Updated < Deleted, then order
--         in the source. One that changes nothing opens no version, it is kept in crm.user_repeats.
--         What the dates can change lies between the version before them and the first event after
--         them, so no more than that is read: the cost is that of the dates, not of the history,
--         and the result depends on which dates were processed, not on their order.
-- Returns import_date, rows_read (events worked on), rows_written (versions opened) of each date.

SET LOCAL work_mem = '128MB';
SET LOCAL jit = off;

CREATE TEMPORARY TABLE touched ON COMMIT DROP AS
SELECT id
FROM raw.user_events
WHERE received_at >= :'first_date'::date AT TIME ZONE 'UTC'
    AND received_at < (:'last_date'::date + 1) AT TIME ZONE 'UTC'
    AND raw.is_new(txid, NULLIF(:'since', '')::pg_snapshot)
UNION
SELECT id
FROM crm.users_dim
WHERE :'since' = ''
    AND valid_from >= :'first_date'::date AT TIME ZONE 'UTC'
    AND valid_from < (:'last_date'::date + 1) AT TIME ZONE 'UTC'
UNION
SELECT id
FROM crm.user_repeats
WHERE :'since' = ''
    AND valid_from >= :'first_date'::date AT TIME ZONE 'UTC'
    AND valid_from < (:'last_date'::date + 1) AT TIME ZONE 'UTC';

ANALYZE touched;

-- The first event after the dates, whether it opened a version, and the first version after them.
CREATE TEMPORARY TABLE following ON COMMIT DROP AS
SELECT
    event.*,
    version.valid_from AS version_start,
    version.valid_to AS version_end
FROM touched
LEFT JOIN LATERAL (
    SELECT *, ctid AS row_at
    FROM crm.users_dim
    WHERE users_dim.id = touched.id
        AND users_dim.valid_from >= (:'last_date'::date + 1) AT TIME ZONE 'UTC'
    ORDER BY users_dim.valid_from
    LIMIT 1
) AS version ON true
CROSS JOIN LATERAL (
    (
        SELECT
            event_sk, id, username, user_email, user_type, organization_name, plan_name, valid_from,
            is_deleted, false AS is_version, NULL::tid AS row_at
        FROM crm.user_repeats
        WHERE user_repeats.id = touched.id
            AND user_repeats.valid_from >= (:'last_date'::date + 1) AT TIME ZONE 'UTC'
        ORDER BY user_repeats.valid_from
        LIMIT 1
    )
    UNION ALL
    SELECT
        version.event_sk, version.id, version.username, version.user_email, version.user_type,
        version.organization_name, version.plan_name, version.valid_from, version.is_deleted, true,
        version.row_at
    WHERE version.id IS NOT NULL
    ORDER BY valid_from
    LIMIT 1
) AS event
WHERE GREATEST(
    (SELECT max(valid_from) FROM crm.users_dim),
    (SELECT max(valid_from) FROM crm.user_repeats)
) >= (:'last_date'::date + 1) AT TIME ZONE 'UTC';

-- The users' events from the version before the dates to the event after them.
CREATE TEMPORARY TABLE judged ON COMMIT DROP AS
WITH events AS (
    SELECT
        event_id AS event_sk,
        id,
        username,
        user_email,
        user_type,
        organization_name,
        plan_name,
        received_at AS valid_from,
        event_type = 'User Deleted' AS is_deleted,
        array_position(ARRAY['User Created', 'User Updated', 'User Deleted'], event_type) AS rank,
        imported_at,
        line,
        'inside' AS place,
        NULL::tid AS row_at
    FROM raw.user_events
    WHERE received_at >= :'first_date'::date AT TIME ZONE 'UTC'
        AND received_at < (:'last_date'::date + 1) AT TIME ZONE 'UTC'
        AND (:'since' = '' OR id IN (SELECT id FROM touched))
    UNION ALL
    SELECT
        event_sk, before.id, username, user_email, user_type, organization_name, plan_name,
        valid_from, is_deleted, 0, NULL, NULL, 'before', row_at
    FROM touched
    CROSS JOIN LATERAL (
        SELECT *, ctid AS row_at
        FROM crm.users_dim
        WHERE users_dim.id = touched.id
            AND users_dim.valid_from < :'first_date'::date AT TIME ZONE 'UTC'
        ORDER BY users_dim.valid_from DESC
        LIMIT 1
    ) AS before
    UNION ALL
    SELECT
        event_sk, id, username, user_email, user_type, organization_name, plan_name,
        valid_from, is_deleted, 0, NULL, NULL, 'after', row_at
    FROM following
),
winners AS (
    SELECT DISTINCT ON (id COLLATE "C", valid_from) *
    FROM events
    ORDER BY
        id COLLATE "C",
        valid_from,
        rank DESC,
        imported_at DESC,
        line DESC,
        event_sk DESC
),
compared AS (
    SELECT
        *,
        ROW(username, user_email, user_type, organization_name, plan_name, is_deleted) AS state,
        lag(ROW(username, user_email, user_type, organization_name, plan_name, is_deleted))
            OVER (PARTITION BY id COLLATE "C" ORDER BY valid_from) AS state_before
    FROM winners
)
SELECT
    event_sk, id, username, user_email, user_type, organization_name, plan_name, valid_from,
    is_deleted, place, row_at, state_before IS NULL OR state IS DISTINCT FROM state_before AS is_version
FROM compared;

-- The chain as it has to be. It ends where it meets the versions that stay as they are.
CREATE TEMPORARY TABLE chain ON COMMIT DROP AS
WITH versions AS (
    SELECT
        *,
        lead(valid_from) OVER (PARTITION BY id COLLATE "C" ORDER BY valid_from) AS next_start
    FROM judged
    WHERE is_version
)
SELECT
    versions.event_sk,
    versions.id,
    versions.username,
    versions.user_email,
    versions.user_type,
    versions.organization_name,
    versions.plan_name,
    versions.valid_from,
    versions.is_deleted,
    versions.place,
    versions.row_at,
    COALESCE(
        versions.next_start,
        CASE WHEN following.is_version THEN following.version_end ELSE following.version_start END
    ) AS valid_to
FROM versions
LEFT JOIN following ON following.id = versions.id;

ANALYZE chain (row_at);

-- What is no version any more, or is written anew: the versions of the dates, and of the events
-- after them, of which there is at most one a user, those that now change nothing.
DELETE FROM crm.users_dim AS old
USING touched
WHERE old.id = touched.id
    AND old.valid_from >= :'first_date'::date AT TIME ZONE 'UTC'
    AND old.valid_from < (:'last_date'::date + 1) AT TIME ZONE 'UTC';

DELETE FROM crm.users_dim AS old
USING judged
WHERE judged.place = 'after'
    AND NOT judged.is_version
    AND old.ctid = judged.row_at;

DELETE FROM crm.user_repeats AS old
USING touched
WHERE old.id = touched.id
    AND old.valid_from >= :'first_date'::date AT TIME ZONE 'UTC'
    AND old.valid_from < (:'last_date'::date + 1) AT TIME ZONE 'UTC';

DELETE FROM crm.user_repeats AS old
USING judged
WHERE judged.place = 'after'
    AND old.id = judged.id
    AND old.valid_from = judged.valid_from;

INSERT INTO crm.user_repeats (
    event_sk, id, username, user_email, user_type, organization_name, plan_name, valid_from,
    is_deleted
)
SELECT
    event_sk, id, username, user_email, user_type, organization_name, plan_name, valid_from,
    is_deleted
FROM judged
WHERE NOT is_version;

UPDATE crm.users_dim AS old
SET valid_to = chain.valid_to, is_valid = chain.valid_to IS NULL
FROM chain
WHERE old.ctid = chain.row_at
    AND old.valid_to IS DISTINCT FROM chain.valid_to;

WITH written AS (
    INSERT INTO crm.users_dim (
        event_sk, id, username, user_email, user_type, organization_name, plan_name,
        valid_from, valid_to, is_valid, is_deleted
    )
    SELECT
        event_sk, id, username, user_email, user_type, organization_name, plan_name,
        valid_from, valid_to, valid_to IS NULL, is_deleted
    FROM chain
    WHERE row_at IS NULL
    RETURNING valid_from
),
written_by_date AS (
    SELECT (valid_from AT TIME ZONE 'UTC')::date AS import_date, count(*) AS rows_written
    FROM written
    GROUP BY 1
),
read_by_date AS (
    SELECT (received_at AT TIME ZONE 'UTC')::date AS import_date, count(*) AS rows_read
    FROM raw.user_events
    WHERE received_at >= :'first_date'::date AT TIME ZONE 'UTC'
        AND received_at < (:'last_date'::date + 1) AT TIME ZONE 'UTC'
        AND raw.is_new(txid, NULLIF(:'since', '')::pg_snapshot)
    GROUP BY 1
)
SELECT
    import_date,
    COALESCE(rows_read, 0) AS rows_read,
    COALESCE(rows_written, 0) AS rows_written
FROM read_by_date
FULL JOIN written_by_date USING (import_date);
