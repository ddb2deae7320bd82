-- Each date that has, or had, events of an ETL and is not pruned.
-- Returns import_date; finished_at of its last good run; n_new, events since (all, if there was
-- none); is_outdated: the ETL has another version now, or the database comes from the backup of
-- another server.

WITH last_runs AS (
    SELECT DISTINCT ON (import_date)
        import_date,
        finished_at,
        seen,
        version <> :'version'
        OR server IS DISTINCT FROM (SELECT system_identifier::text FROM pg_control_system())
            AS is_outdated
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
    sum(raw.count_new(input, import_date, CASE WHEN NOT is_outdated THEN seen END))::bigint
        AS n_new,
    COALESCE(is_outdated, false) AS is_outdated
FROM days
LEFT JOIN last_runs USING (import_date)
CROSS JOIN inputs
WHERE import_date >= COALESCE(pruned_before, '-infinity')
GROUP BY import_date, finished_at, is_outdated
ORDER BY import_date;
