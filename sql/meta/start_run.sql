-- Enter a run in the run log; returns its run_id.
INSERT INTO meta.etl_runs (etl, version, import_date, status)
VALUES (:'etl', :'version', :'import_date', 'running')
RETURNING run_id;
