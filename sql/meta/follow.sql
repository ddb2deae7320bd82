-- Begin a transaction that follows another: it sees what that sees. Its lock goes when it has ended.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;
SET TRANSACTION SNAPSHOT :'snapshot';
SET LOCAL idle_in_transaction_session_timeout = 0;
SET LOCAL max_parallel_workers_per_gather = 0;
SET LOCAL synchronous_commit = off;
SET LOCAL lock_timeout = '10s';

SELECT pg_advisory_xact_lock_shared(hashtextextended('second session of etl ' || :'etl', 0));
