-- What must hold after a run of reports.article_performance.
-- Returns check_name, n_violations.

WITH counted AS (
    SELECT date, sum(displays) AS displays, sum(clicks) AS clicks
    FROM reports.article_actions
    WHERE event_time >= :'start'
        AND event_time < :'end'
        AND article_id IS NOT NULL
    GROUP BY date
),
written AS (
    SELECT date, sum(displays) AS displays, sum(clicks) AS clicks
    FROM reports.article_performance
    WHERE date BETWEEN :'first_date'::date AND :'last_date'::date
    GROUP BY date
)
SELECT 'displays and clicks are those in raw' AS check_name, count(*) AS n_violations
FROM counted
FULL JOIN written USING (date)
WHERE COALESCE(counted.displays, 0) <> COALESCE(written.displays, 0)
    OR COALESCE(counted.clicks, 0) <> COALESCE(written.clicks, 0)
UNION ALL
SELECT 'cumulative clicks continue those of the row before', count(*)
FROM reports.article_performance AS row_then
CROSS JOIN LATERAL (
    SELECT max(cumulative_clicks) AS cumulative_clicks
    FROM (
        SELECT cumulative_clicks
        FROM reports.article_performance AS earlier
        WHERE earlier.article_id = row_then.article_id AND earlier.date < row_then.date
        ORDER BY earlier.date DESC
        LIMIT 1
    ) AS earlier
) AS until_then
WHERE row_then.date BETWEEN :'first_date'::date AND :'last_date'::date
    AND row_then.cumulative_clicks
    <> row_then.clicks + COALESCE(until_then.cumulative_clicks, 0)
UNION ALL
SELECT 'those of the next row continue them', count(*)
FROM reports.article_performance AS row_then
CROSS JOIN LATERAL (
    SELECT cumulative_clicks - clicks AS clicks
    FROM reports.article_performance AS later
    WHERE later.article_id = row_then.article_id AND later.date > row_then.date
    ORDER BY later.date
    LIMIT 1
) AS until_then
WHERE row_then.date BETWEEN :'first_date'::date AND :'last_date'::date
    AND row_then.cumulative_clicks <> until_then.clicks;
