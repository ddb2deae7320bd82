-- Wait for the second session of a run that has been killed: it may end two seconds after the first.
SELECT pg_advisory_xact_lock(hashtextextended('second session of etl ' || :'etl', 0));
