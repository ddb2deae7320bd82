-- depends: 0010_web_interactions
-- What a run of an ETL writes is examined once, by the run's own checks; a trigger watches over
-- everybody else's writing. And versions that ended lately are found together, by the checks and by who
-- asks for the users as of a recent instant.

CREATE INDEX users_dim_ended ON crm.users_dim_past
    USING brin (valid_to) WITH (pages_per_range = 32, autosummarize = on);

DO $do$
DECLARE
    old record;
BEGIN
    FOR old IN
        SELECT tgname, tgrelid::regclass AS target
        FROM pg_trigger
        WHERE tgfoid = 'crm.refuse_overlap'::regproc
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', old.tgname, old.target);
    END LOOP;
END
$do$;

-- The keys make sure that valid_from and is_valid tell a user's versions apart.
CREATE OR REPLACE FUNCTION crm.refuse_overlap() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT
        FROM crm.users_dim AS other
        WHERE other.id = NEW.id
            AND (other.valid_from, other.is_valid) <> (NEW.valid_from, NEW.is_valid)
            AND other.valid_from < COALESCE(NEW.valid_to, 'infinity')
            AND COALESCE(other.valid_to, 'infinity') > NEW.valid_from
    ) THEN
        RAISE EXCEPTION 'users_dim_overlap: a version of user % begins before another ends', NEW.id
            USING ERRCODE = 'exclusion_violation';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER no_overlap AFTER INSERT OR UPDATE ON crm.users_dim
FOR EACH ROW EXECUTE FUNCTION crm.refuse_overlap();

-- Without its trigger a row is written in two thirds of the time. Nobody else writes until the
-- transaction ends, and a run that fails leaves everything as it was.
CREATE FUNCTION crm.guard_overlaps(is_on boolean) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    action text := CASE WHEN is_on THEN 'ENABLE' ELSE 'DISABLE' END;
BEGIN
    EXECUTE format('ALTER TABLE crm.users_dim_valid %s TRIGGER no_overlap', action);
    EXECUTE format('ALTER TABLE crm.users_dim_past %s TRIGGER no_overlap', action);
END
$$;
COMMENT ON FUNCTION crm.guard_overlaps IS
    'Whether a trigger looks at each version; a transaction that checks its versions itself may do without';
REVOKE EXECUTE ON FUNCTION crm.guard_overlaps FROM PUBLIC;
GRANT EXECUTE ON FUNCTION crm.guard_overlaps TO warehouse_etl;
