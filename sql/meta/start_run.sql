-- Enter a run in the ledger; returns its run_id.
INSERT INTO meta.etl_runs (etl, import_date, status)
VALUES (:'etl', :'import_date', 'running')
RETURNING run_id;
