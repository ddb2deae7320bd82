-- Wait for the run lock of an ETL; meta/unlock_etl, or the end of the connection, releases it.
SELECT pg_advisory_lock(hashtextextended('etl ' || :'etl', 0));
