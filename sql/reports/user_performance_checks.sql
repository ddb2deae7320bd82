-- What must hold after a run of reports.user_performance.
-- Returns check_name, n_violations.

WITH counted AS (
    SELECT
        date,
        count(DISTINCT user_id COLLATE "C") AS users,
        sum(displays) AS displays,
        sum(clicks) AS clicks
    FROM reports.article_actions
    WHERE event_time >= :'start'
        AND event_time < :'end'
        AND user_id IS NOT NULL
    GROUP BY date
),
written AS (
    SELECT date, count(*) AS users, sum(displays) AS displays, sum(clicks) AS clicks
    FROM reports.user_performance
    WHERE date BETWEEN :'first_date'::date AND :'last_date'::date
    GROUP BY date
)
SELECT 'users, displays and clicks are those in raw' AS check_name, count(*) AS n_violations
FROM counted
FULL JOIN written USING (date)
WHERE COALESCE(counted.users, 0) <> COALESCE(written.users, 0)
    OR COALESCE(counted.displays, 0) <> COALESCE(written.displays, 0)
    OR COALESCE(counted.clicks, 0) <> COALESCE(written.clicks, 0)
UNION ALL
SELECT 'a session is no longer than its day', count(*)
FROM reports.user_performance
WHERE date BETWEEN :'first_date'::date AND :'last_date'::date
    AND avg_session_seconds NOT BETWEEN 0 AND 86400;
