-- Wait for our turn to run an ETL; released by meta/unlock_etl, or with the connection.
SELECT pg_advisory_lock(hashtextextended('etl ' || :'etl', 0));
