-- What must hold after a run of crm.users_dim: all that the run could change, looked up by key. It
-- uses the run's temporary tables.
-- Returns check_name, n_violations.

WITH stored AS (
    SELECT history.*, life.next_start
    FROM (
        SELECT
            id, min(valid_from) AS first_start, max(valid_from) AS last_start,
            max(next_start) AS next_start
        FROM timeline
        GROUP BY id
        ORDER BY id  -- neighbours in the indexes
    ) AS life
    CROSS JOIN LATERAL (
        SELECT id, valid_from, valid_to, is_valid IS NOT NULL AS is_version
        FROM crm.user_history
        WHERE user_history.id = life.id
            AND user_history.valid_from BETWEEN life.first_start AND life.last_start
        OFFSET 0  -- by key: a join would read the whole history, half of the run on day 30
    ) AS history
),
chain AS (
    SELECT
        valid_to,
        COALESCE(lead(valid_from) OVER (PARTITION BY id ORDER BY valid_from), next_start) AS end
    FROM stored
    WHERE is_version
),
instants AS (
    SELECT DISTINCT id, received_at
    FROM raw.user_events
    WHERE received_at >= :'start' AND received_at < :'end'
        AND (:'since' = '' OR id IN (SELECT user_id FROM affected))
)
SELECT
    'a version ends where the next one begins, and the last one is valid' AS check_name,
    count(*) AS n_violations
FROM chain
WHERE valid_to IS DISTINCT FROM chain.end
UNION ALL
SELECT 'every instant of raw is a version or a repeat, and no other is', count(*)
FROM instants
FULL JOIN (
    SELECT id, valid_from FROM stored WHERE valid_from >= :'start' AND valid_from < :'end'
) AS on_dates
    ON on_dates.id = instants.id AND on_dates.valid_from = instants.received_at
WHERE on_dates.id IS NULL OR instants.id IS NULL
UNION ALL
SELECT 'a user with past versions had a valid one', count(*)
FROM affected
WHERE NOT :'is_rerun' AND id IS NULL AND EXISTS (
    SELECT FROM crm.users_dim_past WHERE id = user_id AND valid_from < :'start'
);
