-- A run succeeded; part of the run's own transaction, of which it keeps the snapshot.
UPDATE meta.etl_runs
SET
    status = 'succeeded',
    finished_at = clock_timestamp(),
    rows_read = :'rows_read',
    rows_written = :'rows_written',
    mode = :'mode',
    n_events = :'n_events',
    seen = pg_current_snapshot(),
    server = (SELECT system_identifier::text FROM pg_control_system()),
    definition = :'definition',
    checks = :'checks'
WHERE run_id = :'run_id';
