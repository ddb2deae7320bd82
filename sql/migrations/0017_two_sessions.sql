-- depends: 0016_user_history
-- Two sessions may work on one run, each for half of the users, in transactions that end as one.

-- To switch a trigger off, and on again, locks its table against the other session. So a transaction
-- promises, once for all that it writes, that it will examine its versions itself; the promise names the
-- transaction, so it is good for no other.
CREATE FUNCTION meta.promise_checks() RETURNS text LANGUAGE sql AS $$
    SELECT set_config('etl.promised_in', pg_current_xact_id()::text, true)
$$;
COMMENT ON FUNCTION meta.promise_checks IS
    'This transaction examines what it writes itself: no trigger has to look at each version';

DROP TRIGGER no_overlap ON crm.users_dim;
CREATE TRIGGER no_overlap AFTER INSERT OR UPDATE ON crm.users_dim
FOR EACH ROW WHEN (
    current_setting('etl.promised_in', true) IS DISTINCT FROM pg_current_xact_id()::text
)
EXECUTE FUNCTION crm.refuse_overlap();
DROP FUNCTION crm.guard_overlaps;

CREATE FUNCTION meta.lead() RETURNS xid8 LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('leader ' || pg_current_xact_id(), 0));
    RETURN pg_current_xact_id();
END
$$;
COMMENT ON FUNCTION meta.lead IS 'The transaction we are in, for another one that follows it';

CREATE FUNCTION meta.await_commit(leader xid8) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('leader ' || leader, 0));
    IF pg_xact_status(leader) IS DISTINCT FROM 'committed' THEN
        RAISE EXCEPTION 'the transaction that this one follows has not been committed';
    END IF;
END
$$;
COMMENT ON FUNCTION meta.await_commit IS
    'Waits for the end of a transaction that leads, and fails unless that was a commit';
