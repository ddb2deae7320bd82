-- crm.users_dim, type 2
-- Grain:  one row a user and state; see docs/architecture.md.
-- Inputs: raw.user_events of the dates from :first_date to :last_date, which are the instants from :start
--         on and before :end; of users from :from_id on and before :to_id, an empty one is no limit. With
--         :since, a snapshot, only the users who have events outside it; without, also those whose events
--         have gone.
-- Rule:   of a user's events at one instant the last counts: Created < Updated < Deleted, then order
--         in the source. One that changes nothing opens no version, it is kept in crm.user_repeats.
--         What the dates can change lies between the version before them and the first event after
--         them, so no more than that is read: the cost is that of the dates, not of the history,
--         and the result depends on which dates were processed, not on their order.
-- Returns import_date, rows_written (versions opened) of each date.

SET LOCAL timezone = 'UTC';
SET LOCAL work_mem = '128MB';
SET LOCAL jit = off;
SET LOCAL default_statistics_target = 10;

-- What is there of the dates and of the users that this session is for.
CREATE OR REPLACE TEMPORARY VIEW raw_events AS
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
    txid
FROM raw.user_events
WHERE received_at >= :'start'
    AND received_at < :'end'
    AND (:'from_id' = '' OR id COLLATE "C" >= :'from_id')
    AND (:'to_id' = '' OR id COLLATE "C" < :'to_id');

-- Of a single date the most users have one event and no later one: it is compared with their valid
-- version, takes its place, and there is nothing to put in order. They are looked up in the order of
-- their keys, one by one, for neighbours lie together. Of late events, the users' others are worked on
-- again too, all of them as below: for so few this way is none the shorter.
SET LOCAL enable_hashjoin = off;
SET LOCAL enable_mergejoin = off;
SET LOCAL enable_memoize = off;

CREATE TEMPORARY TABLE date_events ON COMMIT DROP AS
SELECT
    event.*,
    (
        event.username, event.user_email, event.user_type, event.organization_name,
        event.plan_name, event.is_deleted
    ) IS DISTINCT FROM (
        valid.username, valid.user_email, valid.user_type, valid.organization_name,
        valid.plan_name, valid.is_deleted
    ) AS is_version,
    valid.event_sk AS old_event_sk,
    valid.username AS old_username,
    valid.user_email AS old_user_email,
    valid.user_type AS old_user_type,
    valid.organization_name AS old_organization_name,
    valid.plan_name AS old_plan_name,
    valid.valid_from AS old_valid_from,
    valid.is_deleted AS old_is_deleted,
    valid.ctid AS row_at
FROM (
    SELECT
        event_sk, id, username, user_email, user_type, organization_name, plan_name, valid_from,
        is_deleted, rank, imported_at, line,
        count(*) OVER (PARTITION BY id COLLATE "C") AS n_of_user
    FROM raw_events
    WHERE :'first_date' = :'last_date'
        AND (
            :'since' = ''
            OR id IN (
                SELECT id
                FROM raw_events
                WHERE raw.is_new(txid, NULLIF(:'since', '')::pg_snapshot)
            )
        )
) AS event
LEFT JOIN crm.users_dim_valid AS valid
    ON valid.id = CASE WHEN :'since' = '' AND event.n_of_user = 1 THEN event.id END
    AND valid.valid_from < :'start'
    AND (
        (SELECT COALESCE(max(valid_from), '-infinity') FROM crm.user_repeats) < :'end'
        OR NOT EXISTS (
            SELECT
            FROM crm.user_repeats
            WHERE user_repeats.id = event.id
                AND user_repeats.valid_from >= :'end'
        )
    );

UPDATE crm.users_dim_valid AS old
SET
    event_sk = event.event_sk,
    username = event.username,
    user_email = event.user_email,
    user_type = event.user_type,
    organization_name = event.organization_name,
    plan_name = event.plan_name,
    valid_from = event.valid_from,
    is_deleted = event.is_deleted
FROM date_events AS event
WHERE event.is_version
    AND old.ctid = event.row_at;

INSERT INTO crm.users_dim_past (
    event_sk, id, username, user_email, user_type, organization_name, plan_name,
    valid_from, valid_to, is_valid, is_deleted
)
SELECT
    old_event_sk, id, old_username, old_user_email, old_user_type, old_organization_name,
    old_plan_name, old_valid_from, valid_from, false, old_is_deleted
FROM date_events
WHERE is_version
    AND row_at IS NOT NULL;

SET LOCAL enable_hashjoin = on;
SET LOCAL enable_mergejoin = on;
SET LOCAL enable_memoize = on;

-- What is not done yet: the others' events, and those that changed nothing.
CREATE TEMPORARY TABLE other_events ON COMMIT DROP AS
SELECT *
FROM date_events
WHERE row_at IS NULL
    OR NOT is_version;

ANALYZE other_events (id, row_at);

-- All others whose events are looked at and who are known already, with their valid versions.
CREATE TEMPORARY TABLE touched ON COMMIT DROP AS
SELECT
    event_sk, id, username, user_email, user_type, organization_name, plan_name, valid_from,
    is_deleted, ctid AS row_at
FROM crm.users_dim_valid
WHERE id IN (
    SELECT id
    FROM other_events
    WHERE row_at IS NULL
    UNION ALL
    SELECT id
    FROM raw_events
    WHERE :'first_date' <> :'last_date'
);

-- Where all of a processed date is done again nothing is taken for granted: who was known on the
-- dates may have lost his events, and who has no valid version may have past ones.
INSERT INTO touched
SELECT
    valid.event_sk, known.id, valid.username, valid.user_email, valid.user_type,
    valid.organization_name, valid.plan_name, COALESCE(valid.valid_from, 'infinity'),
    valid.is_deleted, valid.ctid
FROM (
    SELECT id
    FROM raw_events
    UNION
    SELECT id
    FROM crm.user_history
    WHERE valid_from >= :'start'
        AND valid_from < :'end'
        AND (:'from_id' = '' OR id COLLATE "C" >= :'from_id')
        AND (:'to_id' = '' OR id COLLATE "C" < :'to_id')
) AS known
LEFT JOIN crm.users_dim_valid AS valid ON valid.id = known.id
WHERE :'since' = ''
    AND EXISTS (
        SELECT
        FROM meta.etl_runs
        WHERE etl = 'users_dim'
            AND status = 'succeeded'
            AND import_date BETWEEN :'first_date'::date AND :'last_date'::date
    )
    AND NOT EXISTS (SELECT FROM touched WHERE touched.id = known.id)
    AND NOT EXISTS (
        SELECT FROM date_events WHERE date_events.id = known.id AND date_events.row_at IS NOT NULL
    );

ANALYZE touched (id, valid_from);

-- Those of them who have been seen on the dates, or after them: none on a new day.
CREATE TEMPORARY TABLE seen ON COMMIT DROP AS
SELECT *
FROM touched
WHERE valid_from >= :'start';

ANALYZE seen (id, valid_from);

-- The first event after the dates, whether it opened a version, and the first version after them.
CREATE TEMPORARY TABLE following ON COMMIT DROP AS
SELECT
    event.*,
    version.valid_from AS version_start,
    version.valid_to AS version_end
FROM touched
LEFT JOIN LATERAL (
    (
        SELECT past.*, past.ctid AS row_at
        FROM crm.users_dim_past AS past
        WHERE past.id = touched.id
            AND past.valid_from >= :'end'
        ORDER BY past.valid_from
        LIMIT 1
    )
    UNION ALL
    SELECT
        touched.event_sk, touched.id, touched.username, touched.user_email, touched.user_type,
        touched.organization_name, touched.plan_name, touched.valid_from, NULL, true,
        touched.is_deleted, touched.row_at
    WHERE touched.row_at IS NOT NULL
        AND touched.valid_from >= :'end'
    ORDER BY valid_from
    LIMIT 1
) AS version
    ON touched.valid_from >= :'end'
CROSS JOIN LATERAL (
    (
        SELECT
            event_sk, id, username, user_email, user_type, organization_name, plan_name, valid_from,
            is_deleted, false AS is_version, NULL::tid AS row_at
        FROM crm.user_repeats
        WHERE user_repeats.id = touched.id
            AND user_repeats.valid_from >= :'end'
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
WHERE touched.valid_from >= :'end'
    OR (SELECT max(valid_from) FROM crm.user_repeats) >= :'end';

-- Where several dates are done at once and nobody of them is known, what comes out below goes straight
-- into the tables: a table in between costs what the workers that sort for it save, if they find a core.
SELECT set_config(
    'etl.is_direct',
    (:'first_date' <> :'last_date' AND NOT EXISTS (SELECT FROM touched))::text,
    true
);

-- The users' events from the version before the dates to the event after them: versions, with their
-- ends, and repeats. The chain ends where it meets the versions that stay as they are. What has been
-- a version until now has its place, row_at, and a past one its old end.
CREATE TEMPORARY VIEW lives AS
WITH events AS (
    SELECT
        event_sk, id, username, user_email, user_type, organization_name, plan_name, valid_from,
        is_deleted, rank, imported_at, line, NULL::tid AS row_at, NULL::timestamptz AS old_end
    FROM other_events
    WHERE row_at IS NULL
    UNION ALL
    (
        SELECT
            event_sk, id, username, user_email, user_type, organization_name, plan_name, valid_from,
            is_deleted, rank, imported_at, line, NULL, NULL
        FROM raw_events
        WHERE :'first_date' <> :'last_date'
        ORDER BY  -- as below: so parallel workers can sort the most of it
            id COLLATE "C", valid_from DESC, rank DESC, imported_at DESC, line DESC, event_sk DESC
    )
    UNION ALL
    SELECT
        event_sk, id, username, user_email, user_type, organization_name, plan_name,
        valid_from, is_deleted, 0, NULL, NULL, row_at, NULL
    FROM touched
    WHERE valid_from < :'start'
    UNION ALL
    SELECT
        past.event_sk, past.id, past.username, past.user_email, past.user_type,
        past.organization_name, past.plan_name, past.valid_from, past.is_deleted, 0, NULL, NULL,
        past.row_at, past.valid_to
    FROM seen
    CROSS JOIN LATERAL (
        SELECT *, ctid AS row_at
        FROM crm.users_dim_past
        WHERE users_dim_past.id = seen.id
            AND users_dim_past.valid_from < :'start'
        ORDER BY users_dim_past.valid_from DESC
        LIMIT 1
    ) AS past
    UNION ALL
    SELECT
        event_sk, id, username, user_email, user_type, organization_name, plan_name,
        valid_from, is_deleted, 0, NULL, NULL, row_at, CASE WHEN is_version THEN version_end END
    FROM following
),
winners AS (
    SELECT DISTINCT ON (id COLLATE "C", valid_from)
        event_sk, id, username, user_email, user_type, organization_name, plan_name, valid_from,
        is_deleted, row_at, old_end
    FROM events
    ORDER BY
        id COLLATE "C",
        valid_from DESC,
        rank DESC,
        imported_at DESC,
        line DESC,
        event_sk DESC
),
judged AS (
    SELECT
        *,
        lead(
            ROW(username, user_email, user_type, organization_name, plan_name, is_deleted)
        ) OVER life  -- one look back: each costs as much as the comparison
        IS DISTINCT FROM
        ROW(username, user_email, user_type, organization_name, plan_name, is_deleted) AS is_version
    FROM winners
    WINDOW life AS (PARTITION BY id COLLATE "C" ORDER BY valid_from DESC)
),
linked AS (
    SELECT
        *,
        min(valid_from) FILTER (WHERE is_version) OVER (
            PARTITION BY id COLLATE "C"
            ORDER BY valid_from DESC
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS next_start
    FROM judged
)
SELECT
    event_sk, id, username, user_email, user_type, organization_name, plan_name, valid_from,
    is_deleted, is_version, row_at, old_end, next_start AS valid_to
FROM linked;

CREATE TEMPORARY TABLE chain ON COMMIT DROP AS
SELECT *
FROM lives
WHERE NOT current_setting('etl.is_direct')::boolean;

-- The last of them ends where the versions go on that stay as they are.
UPDATE chain
SET valid_to = CASE WHEN following.is_version THEN version_end ELSE version_start END
FROM following
WHERE chain.id = following.id
    AND chain.valid_to IS NULL;

-- First goes what is no version any more or ends elsewhere, then the valid versions take their new
-- states, and at last the past ones come in: at no time do two overlap.
DELETE FROM crm.users_dim_past AS old
USING seen
CROSS JOIN LATERAL (
    SELECT ctid AS row_at
    FROM crm.users_dim_past
    WHERE users_dim_past.id = seen.id
        AND users_dim_past.valid_from >= :'start'
        AND users_dim_past.valid_from < :'end'
    OFFSET 0  -- a look into the index for each user, whatever the planner thinks
) AS inside
WHERE old.ctid = inside.row_at;

DELETE FROM crm.users_dim_past AS old
USING chain
WHERE EXISTS (SELECT FROM seen)  -- only these have past versions here
    AND chain.old_end IS NOT NULL
    AND (NOT chain.is_version OR chain.valid_to <> chain.old_end OR chain.valid_to IS NULL)
    AND old.ctid = chain.row_at;

DELETE FROM crm.user_repeats
WHERE valid_from >= :'start'
    AND valid_from < :'end'
    AND (:'from_id' = '' OR id COLLATE "C" >= :'from_id')
    AND (:'to_id' = '' OR id COLLATE "C" < :'to_id')
    AND (:'since' = '' OR id IN (SELECT id FROM touched));

DELETE FROM crm.user_repeats AS old
USING following
WHERE old.id = following.id
    AND old.valid_from = following.valid_from;

DELETE FROM crm.users_dim_valid AS old
USING seen
WHERE old.ctid = seen.row_at
    AND NOT EXISTS (SELECT FROM chain WHERE chain.id = seen.id AND chain.is_version);

UPDATE crm.users_dim_valid AS old
SET
    event_sk = chain.event_sk,
    username = chain.username,
    user_email = chain.user_email,
    user_type = chain.user_type,
    organization_name = chain.organization_name,
    plan_name = chain.plan_name,
    valid_from = chain.valid_from,
    is_deleted = chain.is_deleted
FROM chain
INNER JOIN touched ON touched.id = chain.id
WHERE chain.is_version
    AND chain.valid_to IS NULL
    AND (chain.row_at IS NULL OR chain.old_end IS NOT NULL)  -- not what it is already
    AND old.ctid = touched.row_at;

-- All there is; or, where that lies in the chain, what is not in its place yet. Repeats are neither valid
-- nor past.
INSERT INTO crm.user_history (
    event_sk, id, username, user_email, user_type, organization_name, plan_name,
    valid_from, valid_to, is_valid, is_deleted
)
SELECT
    event_sk, id, username, user_email, user_type, organization_name, plan_name, valid_from,
    CASE WHEN is_version THEN valid_to END,
    CASE WHEN is_version THEN valid_to IS NULL END,
    is_deleted
FROM lives
WHERE current_setting('etl.is_direct')::boolean
UNION ALL
SELECT
    event_sk, id, username, user_email, user_type, organization_name, plan_name, valid_from,
    CASE WHEN is_version THEN valid_to END,
    CASE WHEN is_version THEN valid_to IS NULL END,
    is_deleted
FROM chain
WHERE NOT is_version
    OR valid_to IS NOT NULL AND valid_to IS DISTINCT FROM old_end
UNION ALL
SELECT
    event_sk, id, username, user_email, user_type, organization_name, plan_name, valid_from,
    NULL, true, is_deleted
FROM chain
WHERE is_version
    AND valid_to IS NULL
    AND NOT EXISTS (SELECT FROM touched WHERE touched.id = chain.id AND touched.row_at IS NOT NULL)
UNION ALL
SELECT
    event_sk, id, username, user_email, user_type, organization_name, plan_name, valid_from,
    NULL, NULL, is_deleted
FROM other_events
WHERE NOT is_version
    AND row_at IS NOT NULL;

SELECT crm.know_ends()
WHERE :'from_id' = '';  -- of two sessions that share the users one can do it, and for both

-- Of many dates, of which all was worked on, it is sooner found in the table, by several processes,
-- as long as there is not much else in that.
SELECT set_config(
    'etl.is_in_chain',
    (
        :'first_date' = :'last_date'
        OR NOT current_setting('etl.is_direct')::boolean
        AND pg_relation_size('chain') * 2
        < pg_relation_size('crm.users_dim_valid') + pg_relation_size('crm.users_dim_past')
    )::text,
    true
);

SELECT import_date, sum(n)::bigint AS rows_written
FROM (
    SELECT
        :'first_date'::date AS import_date,
        (SELECT count(*) FROM date_events) - (SELECT count(*) FROM other_events) AS n
    UNION ALL
    SELECT valid_from::date, count(*)
    FROM chain
    WHERE current_setting('etl.is_in_chain')::boolean
        AND is_version
        AND valid_from >= :'start'
        AND valid_from < :'end'
    GROUP BY 1
    UNION ALL
    SELECT valid_from::date, count(*)
    FROM crm.users_dim
    WHERE :'first_date' <> :'last_date'  -- else workers would be started for nothing
        AND NOT current_setting('etl.is_in_chain')::boolean
        AND valid_from >= :'start'
        AND valid_from < :'end'
        AND (valid_to >= :'start' OR is_valid)
        AND (:'from_id' = '' OR id COLLATE "C" >= :'from_id')
        AND (:'to_id' = '' OR id COLLATE "C" < :'to_id')
    GROUP BY 1
) AS opened
GROUP BY 1;
