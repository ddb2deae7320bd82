-- reports.article_performance
-- Grain:  one row an article and UTC date on which it was displayed or clicked.
-- Inputs: raw.article_events of the dates from :first_date to :last_date.
-- Rule:   displays, clicks and the article of an event are those of reports.article_actions. Title
--         and category are the last that any event of the article on that date names; at one
--         instant the last in the order of the source. Later dates keep their rows: what the
--         clicks of these dates have grown by is added there.
-- Returns import_date, rows_written of each date.

-- Keep autovacuum's ANALYZE away: it ignores our uncommitted rows.
LOCK TABLE reports.article_performance IN SHARE UPDATE EXCLUSIVE MODE;

-- Titles hardly change, so there are few rows to choose the last among.
CREATE TEMPORARY TABLE named ON COMMIT DROP AS
SELECT
    date,
    article_id,
    title,
    category,
    sum(displays) AS displays,
    sum(clicks) AS clicks,
    max(ARRAY[
        (extract(EPOCH FROM event_time) * 1000000)::bigint,
        (extract(EPOCH FROM imported_at) * 1000000)::bigint,
        line
    ]) AS last_seen
FROM reports.article_actions
WHERE event_time >= :'start'
    AND event_time < :'end'
    AND article_id IS NOT NULL
GROUP BY date, article_id, title, category;

CREATE TEMPORARY TABLE performance ON COMMIT DROP AS
SELECT
    article_id,
    date,
    (array_agg(title ORDER BY last_seen DESC) FILTER (WHERE title IS NOT NULL))[1] AS title,
    (array_agg(category ORDER BY last_seen DESC) FILTER (WHERE category IS NOT NULL))[1]
        AS category,
    sum(displays)::bigint AS displays,
    sum(clicks)::bigint AS clicks
FROM named
GROUP BY article_id, date
HAVING sum(displays) + sum(clicks) > 0;

CREATE TEMPORARY TABLE before ON COMMIT DROP AS
WITH removed AS (
    DELETE FROM reports.article_performance
    WHERE date BETWEEN :'first_date'::date AND :'last_date'::date
    RETURNING article_id, clicks
)
SELECT article_id, sum(clicks)::bigint AS clicks
FROM removed
GROUP BY article_id;

ANALYZE performance;
ANALYZE before;

UPDATE reports.article_performance AS later
SET cumulative_clicks = cumulative_clicks + growth.clicks
FROM (
    SELECT article_id, COALESCE(now.clicks, 0) - COALESCE(before.clicks, 0) AS clicks
    FROM (
        SELECT article_id, sum(clicks)::bigint AS clicks
        FROM performance
        GROUP BY article_id
    ) AS now
    FULL JOIN before USING (article_id)
) AS growth
WHERE growth.clicks <> 0
    AND later.article_id = growth.article_id
    AND later.date > :'last_date'::date;

WITH inserted AS (
    INSERT INTO reports.article_performance (
        article_id, date, title, category, displays, clicks, cumulative_clicks
    )
    SELECT
        article_id,
        date,
        title,
        category,
        displays,
        clicks,
        COALESCE(until_then.cumulative, 0)
        + sum(clicks) OVER (PARTITION BY article_id ORDER BY date)
    FROM performance
    LEFT JOIN LATERAL (
        SELECT cumulative_clicks AS cumulative
        FROM reports.article_performance AS earlier
        WHERE earlier.article_id = performance.article_id
            AND earlier.date < :'first_date'::date
        ORDER BY earlier.date DESC
        LIMIT 1
    ) AS until_then ON TRUE
    RETURNING date
)
SELECT date AS import_date, count(*) AS rows_written
FROM inserted
GROUP BY date;
