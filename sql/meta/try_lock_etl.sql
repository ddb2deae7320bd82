-- Take the run lock of an ETL if nobody has it; meta/unlock_etl, or the end of the connection,
-- releases it.
-- Returns whether we have it.
SELECT pg_try_advisory_lock(hashtextextended('etl ' || :'etl', 0));
