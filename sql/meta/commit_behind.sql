-- Commit as soon as the transaction that we follow has been; fail if it was not. All in one message,
-- since who sent it may be gone before it has been carried out.
SET LOCAL client_connection_check_interval = 0;
SET LOCAL lock_timeout = 0;
DISCARD TEMP;  -- now, so that it need not be done between the two commits
SELECT meta.await_commit(:'transaction'::xid8);
COMMIT;
