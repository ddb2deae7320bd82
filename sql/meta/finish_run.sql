-- A run succeeded; part of the run's own transaction.
UPDATE meta.etl_runs
SET
    status = 'succeeded',
    finished_at = clock_timestamp(),
    rows_read = :'rows_read',
    rows_written = :'rows_written'
WHERE run_id = :'run_id';
