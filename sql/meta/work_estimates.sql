-- How large the raw tables of an ETL are on each date, without counting events.
-- Returns import_date; n_bytes; is_known, whether this version of the ETL has succeeded there on
-- this server, so that perhaps only new events have to be done.

SELECT
    import_date,
    (
        SELECT
            COALESCE(sum(pg_relation_size(
                to_regclass(raw.partition_of(input::regclass, import_date))
            )), 0)::bigint
        FROM unnest(:'inputs'::text[]) AS input
    ) AS n_bytes,
    EXISTS (
        SELECT
        FROM meta.etl_runs
        WHERE etl = :'etl'
            AND version = :'version'
            AND status = 'succeeded'
            AND server = (SELECT system_identifier::text FROM pg_control_system())
            AND etl_runs.import_date = dates.import_date
    ) AS is_known
FROM unnest(:'dates'::date[]) AS dates (import_date)
ORDER BY import_date;
