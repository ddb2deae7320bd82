-- What there is to do for an ETL on each date.
-- Returns import_date; n_events, how many there are; n_new, how many its last good run has not
-- seen; since, the snapshot of that run; has_run. Where since is NULL, the whole date has to be
-- done: the ETL has another version, the database comes from the backup of another server, events
-- have gone, or there was no run.

WITH last_runs AS (
    SELECT DISTINCT ON (import_date)
        import_date,
        n_events,
        CASE
            WHEN version = :'version'
                AND server = (SELECT system_identifier::text FROM pg_control_system())
                THEN seen::text
        END AS seen
    FROM meta.etl_runs
    WHERE etl = :'etl' AND status = 'succeeded' AND import_date = ANY(:'dates'::date[])
    ORDER BY import_date, run_id DESC
),
counted AS (
    SELECT
        import_date,
        seen,
        last_runs.n_events AS n_before,
        last_runs.import_date IS NOT NULL AS has_run,
        sum(raw.count_new(input::regclass, dates.import_date, NULL))::bigint AS n_events,
        sum(
            CASE WHEN seen IS NOT NULL
                THEN raw.count_new(input::regclass, dates.import_date, seen::pg_snapshot)
            END
        )::bigint AS n_new
    FROM unnest(:'dates'::date[]) AS dates (import_date)
    LEFT JOIN last_runs USING (import_date)
    CROSS JOIN unnest(:'inputs'::text[]) AS input
    GROUP BY import_date, last_runs.import_date, seen, last_runs.n_events
)
SELECT
    import_date,
    n_events,
    COALESCE(n_new, n_events) AS n_new,
    CASE WHEN n_events = n_before + n_new THEN seen END AS since,
    has_run
FROM counted
ORDER BY import_date;
