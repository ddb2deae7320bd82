-- Runs of an ETL that were killed: still marked as running although nobody holds its lock.
UPDATE meta.etl_runs
SET status = 'failed', finished_at = clock_timestamp(), error = 'killed before it finished'
WHERE etl = :'etl' AND status = 'running';
