-- depends: 0017_two_sessions
-- What a run spends on each row, or each day, though once for many is enough.

-- PostgreSQL prepares a trigger's condition anew for each statement, and what is called immutable it then
-- evaluates once, instead of for each row. The answer does change, but not within a statement.
CREATE FUNCTION meta.has_promised_checks() RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT current_setting('etl.promised_in', true) IS NOT DISTINCT FROM pg_current_xact_id()::text
$$;
COMMENT ON FUNCTION meta.has_promised_checks IS
    'Whether this transaction examines what it writes itself; for conditions of triggers only, see 0018';

DROP TRIGGER no_overlap ON crm.users_dim;
CREATE TRIGGER no_overlap AFTER INSERT OR UPDATE ON crm.users_dim
FOR EACH ROW WHEN (NOT meta.has_promised_checks()) EXECUTE FUNCTION crm.refuse_overlap();

-- That the block ranges follow the ends, the planner has to be told again only when the table has grown.
CREATE OR REPLACE FUNCTION crm.know_ends() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET default_statistics_target = 10
AS $$
BEGIN
    PERFORM brin_summarize_new_values('crm.users_dim_ended');
    PERFORM
    FROM pg_class
    WHERE oid = 'crm.users_dim_past'::regclass
        AND pg_relation_size(oid) < 1.1 * relpages * current_setting('block_size')::int;
    IF NOT FOUND THEN
        ANALYZE crm.users_dim_past (valid_to);
    END IF;
END
$$;
