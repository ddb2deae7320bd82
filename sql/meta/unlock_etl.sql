-- Release the run lock of an ETL.
SELECT pg_advisory_unlock(hashtextextended('etl ' || :'etl', 0));
