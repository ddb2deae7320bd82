-- Whether another session waits for this one.
SELECT pg_backend_pid() = ANY(pg_blocking_pids(:'pid')) AS is_waiting;
