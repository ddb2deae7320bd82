-- What must hold after a run of reports.user_events_daily.
-- Returns check_name, n_violations.

SELECT 'the counts by type add up to the total' AS check_name, count(*) AS n_violations
FROM reports.user_events_daily
WHERE event_date BETWEEN :'first_date'::date AND :'last_date'::date
    AND n_created + n_updated + n_deleted <> n_total
UNION ALL
SELECT 'the total is the number of events in raw', count(*)
FROM generate_series(:'first_date'::date, :'last_date'::date, '1 day') AS day
LEFT JOIN reports.user_events_daily ON event_date = day::date
WHERE COALESCE(n_total, 0) <> raw.count_new('raw.user_events', day::date, NULL)
UNION ALL
SELECT 'every user has an event', count(*)
FROM reports.user_events_daily
WHERE event_date BETWEEN :'first_date'::date AND :'last_date'::date
    AND n_unique NOT BETWEEN 1 AND n_total;
