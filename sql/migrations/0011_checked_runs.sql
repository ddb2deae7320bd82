-- depends: 0010_web_interactions
-- What a run of an ETL writes is examined once, by the run's own checks: it says so by the setting
-- etl.is_checked, and a trigger watches over everybody else's writing. And versions that ended lately
-- are found together, by the checks and by who asks for the users as of a recent instant.

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
FOR EACH ROW WHEN (current_setting('etl.is_checked', true) IS DISTINCT FROM 'on')
EXECUTE FUNCTION crm.refuse_overlap();
