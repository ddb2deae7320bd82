-- Where an ETL stands on each date that has, or had, events.
-- Returns import_date, finished_at of its last good run, n_new events since (all, if there was none),
-- has_changed: its SQL is another now, or the database came from another server's backup.

WITH last_runs AS (
    SELECT DISTINCT ON (import_date)
        import_date,
        finished_at,
        seen,
        definition IS DISTINCT FROM :'definition'
        OR server IS DISTINCT FROM (SELECT system_identifier::text FROM pg_control_system())
            AS has_changed
    FROM meta.etl_runs
    WHERE etl = :'etl' AND status = 'succeeded'
    ORDER BY import_date, run_id DESC
),
inputs AS (
    SELECT input::regclass AS input, before AS pruned_before
    FROM unnest(:'inputs'::text[]) AS input
    LEFT JOIN meta.pruned ON feed = input
),
days AS (
    SELECT day AS import_date
    FROM inputs
    CROSS JOIN raw.days(input) AS day
    UNION
    SELECT import_date
    FROM last_runs
)
SELECT
    import_date,
    finished_at,
    sum(raw.count_new(input, import_date, CASE WHEN NOT has_changed THEN seen END))::bigint AS n_new,
    COALESCE(has_changed, false) AS has_changed
FROM days
LEFT JOIN last_runs USING (import_date)
CROSS JOIN inputs
WHERE import_date >= COALESCE(pruned_before, '-infinity')
GROUP BY import_date, finished_at, has_changed
ORDER BY import_date;
