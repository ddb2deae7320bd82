-- Let the next run of an ETL have its turn.
SELECT pg_advisory_unlock(hashtextextended('etl ' || :'etl', 0));
