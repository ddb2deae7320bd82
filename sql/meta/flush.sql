-- Wait until all that has been committed is on disk: what is written to the log is never written alone.
SELECT pg_logical_emit_message(true, 'event-etl', '');
