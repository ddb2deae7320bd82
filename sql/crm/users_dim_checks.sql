-- What must hold after a run of crm.users_dim, for the users who have events on its dates;
-- with :since, for those who have new ones.
-- Returns check_name, n_violations.

CREATE TEMPORARY TABLE present ON COMMIT DROP AS
SELECT id, count(DISTINCT received_at) AS n_instants
FROM raw.user_events
WHERE received_at >= :'first_date'::date AT TIME ZONE 'UTC'
    AND received_at < (:'last_date'::date + 1) AT TIME ZONE 'UTC'
    AND (
        :'since' = ''
        OR id IN (
            SELECT id
            FROM raw.user_events
            WHERE received_at >= :'first_date'::date AT TIME ZONE 'UTC'
                AND received_at < (:'last_date'::date + 1) AT TIME ZONE 'UTC'
                AND raw.is_new(txid, NULLIF(:'since', '')::pg_snapshot)
        )
    )
GROUP BY id;

ANALYZE present (id);

CREATE TEMPORARY TABLE examined ON COMMIT DROP AS
SELECT present.id, present.n_instants, valid.valid_from AS valid_since
FROM present
LEFT JOIN crm.users_dim_valid AS valid ON valid.id = present.id;

-- A past version that began on the dates was ended by another event on them, or by one after them.
CREATE TEMPORARY TABLE ended ON COMMIT DROP AS
SELECT
    count(*) AS n,
    count(*) FILTER (
        WHERE valid_to IS DISTINCT FROM COALESCE(
            next_start,
            (
                SELECT min(version.valid_from)
                FROM crm.users_dim AS version
                WHERE version.id = past.id
                    AND version.valid_from >= (:'last_date'::date + 1) AT TIME ZONE 'UTC'
            )
        )
    ) AS n_astray
FROM (
    SELECT
        examined.id,
        past.valid_to,
        lead(
            past.valid_from,
            1,
            CASE
                WHEN valid_since < (:'last_date'::date + 1) AT TIME ZONE 'UTC' THEN valid_since
            END
        ) OVER (PARTITION BY examined.id ORDER BY past.valid_from) AS next_start
    FROM examined
    CROSS JOIN LATERAL (
        SELECT users_dim_past.valid_from, users_dim_past.valid_to
        FROM crm.users_dim_past
        WHERE users_dim_past.id = examined.id
            AND users_dim_past.valid_from >= :'first_date'::date AT TIME ZONE 'UTC'
            AND users_dim_past.valid_from < (:'last_date'::date + 1) AT TIME ZONE 'UTC'
        OFFSET 0  -- a look into the index for each user, whatever the planner thinks
    ) AS past
    WHERE n_instants > 1 OR valid_since >= (:'last_date'::date + 1) AT TIME ZONE 'UTC'
) AS past;

SELECT 'every instant of a user in raw is a version or a repeat' AS check_name, abs(
    (SELECT COALESCE(sum(n_instants), 0) FROM examined)
    - (SELECT n FROM ended)
    - (
        SELECT count(*)
        FROM examined
        WHERE valid_since >= :'first_date'::date AT TIME ZONE 'UTC'
            AND valid_since < (:'last_date'::date + 1) AT TIME ZONE 'UTC'
    )
    - (
        SELECT count(*)
        FROM crm.user_repeats
        WHERE (:'since' = '' OR id IN (SELECT id FROM examined))
            AND valid_from >= :'first_date'::date AT TIME ZONE 'UTC'
            AND valid_from < (:'last_date'::date + 1) AT TIME ZONE 'UTC'
    )
) AS n_violations
UNION ALL
SELECT 'a user has a valid version', count(*)
FROM examined
WHERE valid_since IS NULL
UNION ALL
SELECT 'where a version ends the next one begins', n_astray
FROM ended;
