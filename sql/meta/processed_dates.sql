-- The dates that an ETL has ever processed.
SELECT DISTINCT import_date
FROM meta.etl_runs
WHERE etl = :'etl' AND status = 'succeeded'
ORDER BY import_date;
