-- What the server is and how this session finds it.
SELECT
    current_setting('server_version_num')::int / 10000 AS version,
    current_setting('TimeZone') AS time_zone,
    current_setting('server_encoding') AS encoding,
    current_setting('fsync') = 'on' AS fsync,
    current_setting('full_page_writes') = 'on' AS full_page_writes,
    current_setting('synchronous_commit') AS synchronous_commit,
    (SELECT setting::int FROM pg_settings WHERE name = 'statement_timeout') AS statement_timeout,
    (
        SELECT setting::int
        FROM pg_settings
        WHERE name = 'idle_in_transaction_session_timeout'
    ) AS idle_timeout,
    pg_is_in_recovery() AS is_standby,
    current_setting('max_locks_per_transaction')::int * current_setting('max_connections')::int
        AS n_locks,
    (
        SELECT count(*)
        FROM pg_class
        INNER JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE nspname = 'raw_days' AND relkind IN ('r', 'i')
    ) AS n_relations_of_days;
