-- Take our turn to run an ETL if nobody has it; released by meta/unlock_etl, or with the connection.
-- Returns whether we have it.
SELECT pg_try_advisory_lock(hashtextextended('etl ' || :'etl', 0));
