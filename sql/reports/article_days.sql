-- What happened on the dates from :first_date to :last_date, a line each, for a summary.
-- Returns date, articles, displays, clicks, ctr, users, sessions, avg_session_seconds.
WITH articles AS (
    SELECT date, count(*) AS articles, sum(displays) AS displays, sum(clicks) AS clicks
    FROM reports.article_performance
    WHERE date BETWEEN :'first_date'::date AND :'last_date'::date
    GROUP BY date
),
users AS (
    SELECT
        date,
        count(*) AS users,
        sum(sessions) AS sessions,
        sum(avg_session_seconds * sessions) / NULLIF(sum(sessions), 0) AS avg_session_seconds
    FROM reports.user_performance
    WHERE date BETWEEN :'first_date'::date AND :'last_date'::date
    GROUP BY date
)
SELECT
    date,
    COALESCE(articles, 0)::bigint AS articles,
    COALESCE(displays, 0)::bigint AS displays,
    COALESCE(clicks, 0)::bigint AS clicks,
    (clicks::double precision / NULLIF(displays, 0)) AS ctr,
    COALESCE(users, 0)::bigint AS users,
    COALESCE(sessions, 0)::bigint AS sessions,
    avg_session_seconds
FROM articles
FULL JOIN users USING (date)
ORDER BY date;
