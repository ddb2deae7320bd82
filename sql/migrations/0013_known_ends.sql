-- depends: 0012_days_at_once
-- The checks of users_dim find the versions that ended on some dates by block ranges. Autovacuum comes too
-- late to summarise them: what one run adds, its own checks read, and PostgreSQL keeps no more than 256
-- requests for it and logs each other one with the whole statement. So a run does it itself. It also sees
-- to the statistics, from which the planner knows that the ranges follow the ends.

ALTER INDEX crm.users_dim_ended SET (autosummarize = off);

CREATE FUNCTION crm.know_ends() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET default_statistics_target = 10
AS $$
BEGIN
    PERFORM brin_summarize_new_values('crm.users_dim_ended');
    ANALYZE crm.users_dim_past (valid_to);
END
$$;
COMMENT ON FUNCTION crm.know_ends IS 'Makes versions that ended lately quick to find, for the planner too';
REVOKE EXECUTE ON FUNCTION crm.know_ends FROM PUBLIC;
GRANT EXECUTE ON FUNCTION crm.know_ends TO warehouse_etl;
