-- depends: 0001_schemas_and_roles
-- One raw table a feed: its columns as feeds/ declares them, then what ingestion adds.
--
-- event_id     deterministic identity of the event; time-ordered, so its index grows at the end
-- imported_at  when the import of its file began; with line, the order in the source
-- line         line of the file, from 1
-- ingested_at  when the transaction that stored it began

CREATE TABLE raw.user_events (
    event_id uuid PRIMARY KEY,
    id text NOT NULL,
    event_type text NOT NULL,
    username text,
    user_email text,
    user_type text,
    organization_name text,
    plan_name text,
    received_at timestamptz NOT NULL,
    imported_at timestamptz NOT NULL,
    line bigint NOT NULL,
    ingested_at timestamptz NOT NULL DEFAULT now()
);
-- A day's events, and a touched user's other events, without reading the rest.
CREATE INDEX user_events_received_at ON raw.user_events (received_at);
CREATE INDEX user_events_id ON raw.user_events (id, received_at);

CREATE TABLE raw.activity (
    event_id uuid PRIMARY KEY,
    active_date date NOT NULL,
    user_id text NOT NULL,
    workspace_id text NOT NULL,
    total_activity bigint NOT NULL,
    imported_at timestamptz NOT NULL,
    line bigint NOT NULL,
    ingested_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE raw.transactions (
    event_id uuid PRIMARY KEY,
    transaction_id text NOT NULL,
    customer_id text NOT NULL,
    transaction_date date NOT NULL,
    product_sold text NOT NULL,
    units_sold bigint NOT NULL,
    imported_at timestamptz NOT NULL,
    line bigint NOT NULL,
    ingested_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE raw.web_users (
    event_id uuid PRIMARY KEY,
    user_id bigint NOT NULL,
    age text,
    country text,
    imported_at timestamptz NOT NULL,
    line bigint NOT NULL,
    ingested_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE raw.user_interactions (
    event_id uuid PRIMARY KEY,
    interaction_id text NOT NULL,
    user_id bigint NOT NULL,
    event_type text NOT NULL,
    event_time timestamptz NOT NULL,
    imported_at timestamptz NOT NULL,
    line bigint NOT NULL,
    ingested_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE raw.article_events (
    event_id uuid PRIMARY KEY,
    event_time timestamptz NOT NULL,
    session_id text,
    event_name text NOT NULL,
    user_id text,
    attributes jsonb,
    imported_at timestamptz NOT NULL,
    line bigint NOT NULL,
    ingested_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE raw.rejected_events (
    event_id uuid PRIMARY KEY,
    feed text NOT NULL,
    source text,
    line bigint NOT NULL,
    payload text NOT NULL,
    code text NOT NULL,
    column_name text,
    error text NOT NULL,
    imported_at timestamptz NOT NULL,
    rejected_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX rejected_events_feed ON raw.rejected_events (feed, rejected_at);

COMMENT ON TABLE raw.rejected_events IS 'Rows that do not keep their feed''s contract, and why';
COMMENT ON COLUMN raw.rejected_events.payload IS
    'The row as it came; bytes that are no UTF-8, and NUL, as \xNN';
COMMENT ON COLUMN raw.rejected_events.code IS
    'pydantic''s error type, or malformed (no fields could be read), or database';
