-- depends: 0002_raw_tables
-- The two dimensions, the daily report, and the ledger of ETL runs.

CREATE TABLE crm.organizations_dim (
    organization_key text PRIMARY KEY,
    organization_name text NOT NULL,
    created_at timestamptz NOT NULL
);

-- Type 2: one row for each state a user was in, from valid_from (inclusive) to valid_to
-- (exclusive). The constraints together allow nothing but one unbroken chain of versions per user:
-- every end is the start of another version (users_dim_next), no two versions share a start or an
-- end, ends lie after starts, and exactly the one without an end is valid. Where n versions have n
-- different starts, and the n - 1 ends are different, later than their own start and among these
-- starts, each end can only be the very next start: no gap, no overlap.
CREATE TABLE crm.users_dim (
    event_sk uuid PRIMARY KEY,
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
    CONSTRAINT users_dim_start UNIQUE (id, valid_from),
    CONSTRAINT users_dim_end UNIQUE (id, valid_to),
    CONSTRAINT users_dim_next FOREIGN KEY (id, valid_to)
        REFERENCES crm.users_dim (id, valid_from) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT users_dim_interval CHECK (valid_from < valid_to),
    CONSTRAINT users_dim_valid CHECK (is_valid = (valid_to IS NULL))
);
CREATE UNIQUE INDEX users_dim_one_valid ON crm.users_dim (id) WHERE is_valid;
CREATE INDEX users_dim_valid_from ON crm.users_dim (valid_from);

COMMENT ON COLUMN crm.users_dim.event_sk IS
    'event_id of the raw event that opened this version: the same in whatever order dates are run';

CREATE TABLE reports.user_events_daily (
    event_date date PRIMARY KEY,
    n_created bigint NOT NULL,
    n_updated bigint NOT NULL,
    n_deleted bigint NOT NULL,
    n_unique bigint NOT NULL,
    n_total bigint NOT NULL
);

CREATE TABLE meta.etl_runs (
    run_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    etl text NOT NULL,
    import_date date NOT NULL,
    status text NOT NULL CHECK (status IN ('running', 'succeeded', 'failed')),
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    rows_read bigint,
    rows_written bigint,
    error text
);
CREATE INDEX etl_runs_etl ON meta.etl_runs (etl, import_date, status);
