-- reports.user_events_daily
-- Grain:  one row a UTC date that has events.
-- Inputs: raw.user_events of the dates from :first_date to :last_date.
-- Rule:   events counted by type; n_unique counts users, n_total events, exact duplicates included.
-- Returns import_date, rows_written of each date.

DELETE FROM reports.user_events_daily
WHERE event_date BETWEEN :'first_date'::date AND :'last_date'::date;

INSERT INTO reports.user_events_daily (
    event_date, n_created, n_updated, n_deleted, n_unique, n_total
)
SELECT
    (received_at AT TIME ZONE 'UTC')::date,
    count(*) FILTER (WHERE event_type = 'User Created'),
    count(*) FILTER (WHERE event_type = 'User Updated'),
    count(*) FILTER (WHERE event_type = 'User Deleted'),
    count(DISTINCT id COLLATE "C"),
    count(*)
FROM raw.user_events
WHERE received_at >= :'start'
    AND received_at < :'end'
GROUP BY 1
RETURNING event_date AS import_date, 1 AS rows_written;
