-- depends: 0006_days
-- What a run has seen, and what it found when it examined its own work; and of the users' past no
-- more than crm.users_dim does not say itself.

ALTER TABLE meta.etl_runs
    ADD COLUMN mode text CHECK (mode IN ('full', 'new', 'nothing new')),
    ADD COLUMN n_events bigint,
    ADD COLUMN seen pg_snapshot,
    ADD COLUMN server text,
    ADD COLUMN definition text,
    ADD COLUMN checks jsonb;
COMMENT ON COLUMN meta.etl_runs.rows_read IS 'Events that the run has worked on';
COMMENT ON COLUMN meta.etl_runs.n_events IS 'Events of the date that were there';
COMMENT ON COLUMN meta.etl_runs.seen IS 'The snapshot of the run: events outside it are new to the next';
COMMENT ON COLUMN meta.etl_runs.server IS 'The system identifier of the server the snapshot is of';
COMMENT ON COLUMN meta.etl_runs.definition IS 'Hash of the SQL: a date is stale when that has changed';
COMMENT ON COLUMN meta.etl_runs.checks IS 'How many rows broke each data check';

-- Events that left a user as he was. They open no version, but one of them does as soon as a late
-- event changes what was before it.
CREATE TABLE crm.user_repeats (
    event_sk uuid NOT NULL,
    id text NOT NULL,
    username text,
    user_email text,
    user_type text,
    organization_name text,
    plan_name text,
    valid_from timestamptz NOT NULL,
    is_deleted boolean NOT NULL,
    PRIMARY KEY (id, valid_from)
);
CREATE INDEX user_repeats_valid_from ON crm.user_repeats (valid_from);
COMMENT ON TABLE crm.user_repeats IS
    'Processed events that changed nothing, the last of each user and instant; with crm.users_dim: all';

INSERT INTO crm.user_repeats
SELECT *
FROM crm.user_history
WHERE NOT EXISTS (
    SELECT
    FROM crm.users_dim
    WHERE users_dim.id = user_history.id AND users_dim.valid_from = user_history.valid_from
);
DROP TABLE crm.user_history;

-- The valid version of each user lies apart from the past ones. A new version then is an update in
-- place, where no index changes, and an insertion into the past: the cost of a day does not grow
-- with the history. Constraints refuse a second valid version, two past versions at one instant and
-- an inverted interval; triggers, most of which look at all rows of a statement at once, versions
-- that overlap. Gaps are for the data checks of the ETL.
CREATE TEMPORARY TABLE users_dim_before ON COMMIT DROP AS TABLE crm.users_dim;
DROP TABLE crm.users_dim;
CREATE TABLE crm.users_dim (
    event_sk uuid NOT NULL,
    id text NOT NULL,
    username text,
    user_email text,
    user_type text,
    organization_name text,
    plan_name text,
    valid_from timestamptz NOT NULL,
    valid_to timestamptz,
    is_valid boolean NOT NULL,
    is_deleted boolean NOT NULL,
    CONSTRAINT users_dim_interval CHECK (valid_from < valid_to),
    CONSTRAINT users_dim_state CHECK (is_valid = (valid_to IS NULL))
) PARTITION BY LIST (is_valid);
COMMENT ON COLUMN crm.users_dim.event_sk IS
    'event_id of the raw event that opened this version: the same in whatever order dates are run';

CREATE TABLE crm.users_dim_valid PARTITION OF crm.users_dim (
    CONSTRAINT users_dim_one_valid PRIMARY KEY (id)
) FOR VALUES IN (true) WITH (fillfactor = 50);
CREATE TABLE crm.users_dim_past PARTITION OF crm.users_dim (
    CONSTRAINT users_dim_start PRIMARY KEY (id, valid_from)
) FOR VALUES IN (false);

CREATE FUNCTION crm.refuse_overlap() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    wrong text;
BEGIN
    IF TG_LEVEL = 'ROW' THEN
        SELECT id INTO wrong
        FROM crm.users_dim_past
        WHERE id = NEW.id AND valid_to > NEW.valid_from
        LIMIT 1;
    ELSIF TG_ARGV[0] = 'valid' THEN
        SELECT written.id INTO wrong
        FROM written
        INNER JOIN crm.users_dim_past AS past
            ON past.id = written.id AND past.valid_to > written.valid_from
        WHERE written.is_valid
        LIMIT 1;
    ELSE
        SELECT written.id INTO wrong
        FROM written
        INNER JOIN crm.users_dim_valid AS valid
            ON valid.id = written.id AND valid.valid_from < written.valid_to
        LIMIT 1;
        IF wrong IS NULL THEN
            -- Of those that begin before it ends, the last beside itself.
            SELECT written.id INTO wrong
            FROM written
            CROSS JOIN LATERAL (
                SELECT past.valid_from, past.valid_to
                FROM crm.users_dim_past AS past
                WHERE past.id = written.id AND past.valid_from < written.valid_to
                ORDER BY past.valid_from DESC
                LIMIT 2
            ) AS past
            WHERE past.valid_from <> written.valid_from AND past.valid_to > written.valid_from
            LIMIT 1;
        END IF;
    END IF;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'users_dim_overlap: a version of user % begins before another ends', wrong
            USING ERRCODE = 'exclusion_violation';
    END IF;
    RETURN NULL;
END
$$;

-- Most updates move a valid version on, which can overlap nothing and costs no look.
CREATE TRIGGER no_overlap_valid_update AFTER UPDATE ON crm.users_dim_valid
FOR EACH ROW WHEN (NEW.id <> OLD.id OR NEW.valid_from < OLD.valid_from)
EXECUTE FUNCTION crm.refuse_overlap();

-- A statement fires the triggers of the table that it names, so the whole has all of them.
DO $do$
DECLARE
    target text;
    event text;
    kind text;
BEGIN
    FOR target, event, kind IN VALUES
        ('users_dim_valid', 'insert', 'valid'),
        ('users_dim_past', 'insert', 'past'), ('users_dim_past', 'update', 'past'),
        ('users_dim', 'insert', 'valid'), ('users_dim', 'update', 'valid'),
        ('users_dim', 'insert', 'past'), ('users_dim', 'update', 'past')
    LOOP
        EXECUTE format(
            'CREATE TRIGGER no_overlap_%1$s_%2$s AFTER %2$s ON crm.%3$s REFERENCING NEW TABLE AS written'
            ' FOR EACH STATEMENT EXECUTE FUNCTION crm.refuse_overlap(%1$L)',
            kind, event, target
        );
    END LOOP;
END
$do$;

INSERT INTO crm.users_dim
SELECT * FROM users_dim_before;

-- The users as they were at an instant: those that were there, deleted ones left out.
CREATE FUNCTION crm.users_as_of(instant timestamptz) RETURNS SETOF crm.users_dim
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT *
    FROM crm.users_dim
    WHERE valid_from <= instant
        AND (valid_to > instant OR valid_to IS NULL)
        AND NOT is_deleted
$$;
COMMENT ON FUNCTION crm.users_as_of IS 'The versions of users, not deleted, that held at an instant';

CREATE TABLE meta.pruned (
    feed text PRIMARY KEY,
    before date NOT NULL,
    pruned_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE meta.pruned IS 'Raw days before this date are gone; what was made of them stays';

-- Drop the days of a raw table before a date; how many rows that were. Reads of the whole table
-- are waited for, at most ten seconds.
CREATE FUNCTION raw.drop_days(feed regclass, before date) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
SET lock_timeout = '10s'
AS $$
DECLARE
    day date;
    of_it bigint;
    total bigint := 0;
BEGIN
    FOR day IN SELECT DISTINCT listed.d FROM raw.days(feed) AS listed(d) WHERE listed.d < before LOOP
        of_it := raw.count_new(feed, day, NULL);
        total := total + of_it;
        EXECUTE format('DROP TABLE IF EXISTS %s', raw.partition_of(feed, day));
    END LOOP;
    EXECUTE format(
        'DELETE FROM raw_days.%I WHERE %I < %L',
        (SELECT relname FROM pg_class WHERE oid = feed) || '_other', raw.time_column(feed), before
    );
    RETURN total;
END
$$;
REVOKE EXECUTE ON FUNCTION raw.drop_days FROM PUBLIC;
GRANT EXECUTE ON FUNCTION raw.drop_days TO warehouse_etl;
