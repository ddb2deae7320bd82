-- reports.user_events_daily
-- Grain:  one row a UTC date that has events.
-- Inputs: raw.user_events of :import_date.
-- Rule:   events counted by type; n_unique counts users, n_total events, exact duplicates included.
-- Returns rows_read, rows_written.

DELETE FROM reports.user_events_daily
WHERE event_date = :'import_date'::date;

WITH day AS (
    SELECT
        count(*) FILTER (WHERE event_type = 'User Created') AS n_created,
        count(*) FILTER (WHERE event_type = 'User Updated') AS n_updated,
        count(*) FILTER (WHERE event_type = 'User Deleted') AS n_deleted,
        count(DISTINCT id) AS n_unique,
        count(*) AS n_total
    FROM raw.user_events
    WHERE received_at >= :'import_date'::date AT TIME ZONE 'UTC'
        AND received_at < (:'import_date'::date + 1) AT TIME ZONE 'UTC'
),
written AS (
    INSERT INTO reports.user_events_daily (
        event_date, n_created, n_updated, n_deleted, n_unique, n_total
    )
    SELECT :'import_date'::date, n_created, n_updated, n_deleted, n_unique, n_total
    FROM day
    WHERE n_total > 0
    RETURNING 1
)
SELECT
    (SELECT n_total FROM day) AS rows_read,
    (SELECT count(*) FROM written) AS rows_written;
