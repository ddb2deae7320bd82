-- reports.user_performance
-- Grain:  one row a user and UTC date on which there is an event of theirs.
-- Inputs: raw.article_events of the dates from :first_date to :last_date.
-- Rule:   a session's length is from the first to the last of the user's events in it on that date,
--         of any name; one over midnight counts on both dates, each with its own part. Displays
--         and clicks are those of reports.article_actions, with or without an article's id.
-- Returns import_date, rows_written of each date.

DELETE FROM reports.user_performance
WHERE date BETWEEN :'first_date'::date AND :'last_date'::date;

WITH sessions AS (
    SELECT
        user_id,
        date,
        session_id,
        extract(EPOCH FROM max(event_time) - min(event_time)) AS seconds,
        sum(displays) AS displays,
        sum(clicks) AS clicks
    FROM reports.article_actions
    WHERE event_time >= :'start'
        AND event_time < :'end'
        AND user_id IS NOT NULL
    GROUP BY user_id, date, session_id
),
inserted AS (
    INSERT INTO reports.user_performance (
        user_id, date, sessions, avg_session_seconds, displays, clicks
    )
    SELECT
        user_id,
        date,
        count(session_id),
        avg(seconds) FILTER (WHERE session_id IS NOT NULL),
        sum(displays),
        sum(clicks)
    FROM sessions
    GROUP BY user_id, date
    RETURNING date
)
SELECT date AS import_date, count(*) AS rows_written
FROM inserted
GROUP BY date;
