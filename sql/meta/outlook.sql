-- What a run of an ETL on each date would be up against, without counting events.
-- Returns import_date; n_bytes, how large its raw tables are on that date; has_run, whether the ETL as
-- it is now has succeeded there on this server, so that only what is new may have to be done.

SELECT
    import_date,
    (
        SELECT
            COALESCE(
                sum(pg_relation_size(to_regclass(raw.partition_of(input::regclass, import_date)))), 0
            )::bigint
        FROM unnest(:'inputs'::text[]) AS input
    ) AS n_bytes,
    EXISTS (
        SELECT
        FROM meta.etl_runs
        WHERE etl = :'etl'
            AND status = 'succeeded'
            AND definition = :'definition'
            AND server = (SELECT system_identifier::text FROM pg_control_system())
            AND etl_runs.import_date = dates.import_date
    ) AS has_run
FROM unnest(:'dates'::date[]) AS dates (import_date)
ORDER BY import_date;
