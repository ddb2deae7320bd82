-- A run failed and was rolled back; this is not part of it.
UPDATE meta.etl_runs
SET status = 'failed', finished_at = clock_timestamp(), error = :'error'
WHERE run_id = :'run_id';
