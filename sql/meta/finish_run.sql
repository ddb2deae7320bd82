-- A run succeeded; part of the run's own transaction, of which it keeps the snapshot.
UPDATE meta.etl_runs
SET
    status = 'succeeded',
    finished_at = clock_timestamp(),
    mode = :'mode',
    n_events = :'n_events',
    rows_read = :'rows_read',
    rows_written = :'rows_written',
    checks = :'checks',
    note = :'note',
    seen = pg_current_snapshot(),
    server = (SELECT system_identifier::text FROM pg_control_system())
WHERE run_id = :'run_id';
