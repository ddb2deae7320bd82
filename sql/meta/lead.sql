-- Let a second session follow this transaction: see what it sees, commit if it has committed.
-- Returns transaction, its number, and its snapshot.
SET LOCAL idle_in_transaction_session_timeout = 0;  -- who is done first waits for the other
SET LOCAL max_parallel_workers_per_gather = 0;  -- the other one is at work instead
SET LOCAL synchronous_commit = off;  -- the disk is waited for when both have committed
SET LOCAL lock_timeout = '10s';  -- the other one gives its locks back at our own end

SELECT meta.lead()::text AS transaction, pg_export_snapshot() AS snapshot;
