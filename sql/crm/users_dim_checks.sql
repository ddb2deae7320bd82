-- What must hold after a run of crm.users_dim, for the versions that begin on its dates. The rest
-- is the constraints' business.
-- Returns check_name, n_violations.

WITH opened AS (
    SELECT
        id,
        valid_from,
        valid_to,
        lead(valid_from) OVER (PARTITION BY id ORDER BY valid_from) AS next_start
    FROM crm.users_dim
    WHERE valid_from >= :'first_date'::date AT TIME ZONE 'UTC'
        AND valid_from < (:'last_date'::date + 1) AT TIME ZONE 'UTC'
)
SELECT 'versions of a day meet end to end' AS check_name, count(*) AS n_violations
FROM opened
WHERE next_start IS NOT NULL AND valid_to IS DISTINCT FROM next_start
UNION ALL
SELECT 'the last version of a day holds until after it', count(*)
FROM opened
WHERE next_start IS NULL AND valid_to < (:'last_date'::date + 1) AT TIME ZONE 'UTC'
UNION ALL
SELECT 'every instant of every user in raw is a version or a repeat, and nothing else is', abs(
    (
        SELECT count(*)
        FROM (
            SELECT DISTINCT id, received_at
            FROM raw.user_events
            WHERE received_at >= :'first_date'::date AT TIME ZONE 'UTC'
                AND received_at < (:'last_date'::date + 1) AT TIME ZONE 'UTC'
        ) AS instants
    ) - (SELECT count(*) FROM opened) - (
        SELECT count(*)
        FROM crm.user_repeats
        WHERE valid_from >= :'first_date'::date AT TIME ZONE 'UTC'
            AND valid_from < (:'last_date'::date + 1) AT TIME ZONE 'UTC'
    )
);
