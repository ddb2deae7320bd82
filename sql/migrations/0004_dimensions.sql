-- Users with their history, and organizations.

CREATE TABLE crm.organizations_dim (
    organization_key text PRIMARY KEY,
    organization_name text NOT NULL,
    created_at timestamptz NOT NULL
);
COMMENT ON TABLE crm.organizations_dim IS 'Organizations, as the last loaded file says';
COMMENT ON COLUMN crm.organizations_dim.organization_key IS 'The organization';
COMMENT ON COLUMN crm.organizations_dim.organization_name IS 'Its name';
COMMENT ON COLUMN crm.organizations_dim.created_at IS 'When it was created';

-- All processed events of users, of one instant the last: versions are crm.users_dim, the others
-- are kept in crm.user_repeats, since a late event can make them count.
CREATE TABLE crm.user_history (
    event_sk uuid NOT NULL,
    id text COLLATE "C" NOT NULL,
    username text,
    user_email text,
    user_type text,
    organization_name text,
    plan_name text,
    valid_from timestamptz NOT NULL,
    valid_to timestamptz,
    is_valid boolean,
    is_deleted boolean NOT NULL
) PARTITION BY LIST (is_valid);

CREATE TABLE crm.user_repeats PARTITION OF crm.user_history (
    PRIMARY KEY (id, valid_from),
    CONSTRAINT user_repeats_state CHECK (valid_to IS NULL)
) FOR VALUES IN (NULL);

CREATE TABLE crm.users_dim PARTITION OF crm.user_history (
    CONSTRAINT users_dim_interval CHECK (valid_from < valid_to),
    CONSTRAINT users_dim_state CHECK (is_valid = (valid_to IS NULL))
) FOR VALUES IN (true, false) PARTITION BY LIST (is_valid);

-- A new version updates the one partition in place, where no index changes, and adds to the other:
-- so the cost of a day does not grow with the history.
CREATE TABLE crm.users_dim_valid PARTITION OF crm.users_dim (
    CONSTRAINT users_dim_one_valid PRIMARY KEY (id)
) FOR VALUES IN (true) WITH (fillfactor = 50);
CREATE TABLE crm.users_dim_past PARTITION OF crm.users_dim (
    CONSTRAINT users_dim_start PRIMARY KEY (id, valid_from)
) FOR VALUES IN (false);
-- For crm.users_as_of a recent instant: versions that ended lately lie together.
CREATE INDEX users_dim_ended ON crm.users_dim_past USING brin (valid_to);

COMMENT ON TABLE crm.user_history IS
    'The last processed event of each user and instant: versions, and repeats, which open none';
COMMENT ON TABLE crm.user_repeats IS 'Processed events that changed nothing';
COMMENT ON TABLE crm.users_dim IS 'Users, type 2: a row for each state that a user was in';
COMMENT ON TABLE crm.users_dim_valid IS 'The versions that hold now, one a user';
COMMENT ON TABLE crm.users_dim_past IS 'The versions that have ended';

DO $do$
DECLARE
    target text;
    name text;
    said text;
BEGIN
    FOREACH target IN ARRAY ARRAY['crm.user_history', 'crm.user_repeats', 'crm.users_dim'] LOOP
        FOR name, said IN VALUES
            ('event_sk', 'The event_id of the event: the same in whatever order dates are run'),
            ('id', 'The user'),
            ('username', 'The name'),
            ('user_email', 'The address'),
            ('user_type', 'What kind of user'),
            ('organization_name', 'The organization'),
            ('plan_name', 'The plan'),
            ('valid_from', 'When the event happened; inclusive'),
            ('valid_to', 'When the next version begins; exclusive; NULL: there is none'),
            ('is_valid', 'Whether it is the last version; NULL: a repeat'),
            ('is_deleted', 'Whether the user is deleted')
        LOOP
            EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', target, name, said);
        END LOOP;
    END LOOP;
END
$do$;

CREATE FUNCTION crm.users_as_of(instant timestamptz) RETURNS SETOF crm.users_dim
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT *
    FROM crm.users_dim
    WHERE valid_from <= instant
        AND (valid_to > instant OR valid_to IS NULL)
        AND NOT is_deleted
$$;
COMMENT ON FUNCTION crm.users_as_of IS
    'The versions of users, not deleted, that held at an instant';
GRANT EXECUTE ON FUNCTION crm.users_as_of TO warehouse_etl, warehouse_read;
