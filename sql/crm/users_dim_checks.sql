-- What must hold after a run of crm.users_dim, on its dates; with :since, of the users who have new
-- events. Where all versions of a user begin at different instants, all but one end at different
-- ones, and each of these is the beginning of another, there is no gap and no overlap: so it is
-- enough to look at what begins and what ends on the dates.
-- Returns check_name, n_violations.

SET LOCAL enable_partitionwise_aggregate = on;  -- the instants of a day are of that day alone

CREATE TEMPORARY TABLE new_users ON COMMIT DROP AS
SELECT DISTINCT id
FROM raw.user_events
WHERE :'since' <> ''
    AND received_at >= :'first_date'::timestamp AT TIME ZONE 'UTC'
    AND received_at < (:'last_date'::timestamp + INTERVAL '1 day') AT TIME ZONE 'UTC'
    AND raw.is_new(txid, NULLIF(:'since', '')::pg_snapshot);

WITH changed AS NOT MATERIALIZED (
    SELECT id, valid_from, valid_to
    FROM crm.users_dim_past
    WHERE valid_to >= :'first_date'::timestamp AT TIME ZONE 'UTC'
        AND valid_from < (:'last_date'::timestamp + INTERVAL '1 day') AT TIME ZONE 'UTC'
        AND (
            valid_from >= :'first_date'::timestamp AT TIME ZONE 'UTC'
            OR valid_to < (:'last_date'::timestamp + INTERVAL '1 day') AT TIME ZONE 'UTC'
        )
    UNION ALL
    SELECT id, valid_from, valid_to
    FROM crm.users_dim_valid
    WHERE valid_from >= :'first_date'::timestamp AT TIME ZONE 'UTC'
        AND valid_from < (:'last_date'::timestamp + INTERVAL '1 day') AT TIME ZONE 'UTC'
),
examined AS (
    SELECT *
    FROM changed
    WHERE :'since' = ''
    UNION ALL
    SELECT found.*
    FROM new_users
    CROSS JOIN LATERAL (
        SELECT *
        FROM changed
        WHERE changed.id = new_users.id
        OFFSET 0  -- a look into the index for each user, whatever the planner thinks
    ) AS found
    WHERE :'since' <> ''
),
neighbours AS (
    SELECT
        *,
        lag(valid_to) OVER life AS end_before,
        lead(valid_from) OVER life AS next_start
    FROM examined
    WINDOW life AS (PARTITION BY id ORDER BY valid_from)
),
versions AS (
    SELECT
        count(*) FILTER (
            WHERE valid_from >= :'first_date'::timestamp AT TIME ZONE 'UTC'
        ) AS n_begun,
        count(*) FILTER (
            WHERE valid_to IS DISTINCT FROM COALESCE(
                next_start,
                CASE WHEN valid_to IS NOT NULL THEN (
                    SELECT min(later.valid_from)
                    FROM crm.users_dim AS later
                    WHERE later.id = neighbours.id AND later.valid_from > neighbours.valid_from
                ) END
            )
        ) AS n_astray,
        count(*) FILTER (
            WHERE end_before IS NULL
            AND valid_from >= :'first_date'::timestamp AT TIME ZONE 'UTC'
            AND EXISTS (
                SELECT
                FROM crm.users_dim_past AS earlier
                WHERE earlier.id = neighbours.id AND earlier.valid_from < neighbours.valid_from
            )
        ) AS n_without_end_before
    FROM neighbours
),
events AS (
    SELECT count(*) AS n
    FROM (
        SELECT
        FROM raw.user_events
        WHERE received_at >= :'first_date'::timestamp AT TIME ZONE 'UTC'
            AND received_at < (:'last_date'::timestamp + INTERVAL '1 day') AT TIME ZONE 'UTC'
            AND (:'since' = '' OR id IN (SELECT id FROM new_users))
        GROUP BY id, received_at
    ) AS instants
),
repeats AS (
    SELECT count(*) AS n
    FROM crm.user_repeats
    WHERE valid_from >= :'first_date'::timestamp AT TIME ZONE 'UTC'
        AND valid_from < (:'last_date'::timestamp + INTERVAL '1 day') AT TIME ZONE 'UTC'
        AND (:'since' = '' OR id IN (SELECT id FROM new_users))
)
SELECT
    'every instant of a user in raw is a version or a repeat' AS check_name,
    abs(events.n - versions.n_begun - repeats.n) AS n_violations
FROM versions
CROSS JOIN events
CROSS JOIN repeats
UNION ALL
SELECT 'where a version ends the next one begins', n_astray
FROM versions
UNION ALL
SELECT 'where a version begins the one before ends', n_without_end_before
FROM versions;
