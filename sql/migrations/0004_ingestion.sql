-- depends: 0003_users_and_reports
-- What ingestion keeps beside the events: imports and receipts, which audits add up, and letters
-- that nobody could read. And no more indexes on raw tables than ingestion can afford.
--
-- A btree on an instant or an id costs every event as much as storing it. The instants come nearly
-- in order, so block ranges find a day; the histories of users are the dimension's own business.

DROP INDEX raw.user_events_received_at;
DROP INDEX raw.user_events_id;
CREATE INDEX user_events_received_at ON raw.user_events
    USING brin (received_at) WITH (pages_per_range = 32, autosummarize = on);

CREATE TABLE raw.imports (
    imported_at timestamptz NOT NULL,
    feed text NOT NULL,
    source text,
    n_messages bigint NOT NULL,
    n_rows bigint NOT NULL,
    last_line bigint NOT NULL,
    error text,
    PRIMARY KEY (imported_at, feed)
);
COMMENT ON TABLE raw.imports IS 'What producers say they have published, one row a file';
COMMENT ON COLUMN raw.imports.error IS 'Why the file was not read to its end, if it was not';

CREATE TABLE raw.receipts (
    imported_at timestamptz NOT NULL,
    message_id text NOT NULL,
    feed text NOT NULL,
    source text,
    first_line bigint NOT NULL,
    n_lines bigint NOT NULL,
    stored bigint NOT NULL,
    already_there bigint NOT NULL,
    rejected bigint NOT NULL,
    dead bigint NOT NULL,
    n_rows bigint NOT NULL,
    settled_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (imported_at, message_id)
);
COMMENT ON TABLE raw.receipts IS
    'What became of the rows of each message of an import, committed together with them';

ALTER TABLE raw.rejected_events
    ADD COLUMN content_type text,
    ADD COLUMN header text,
    ADD COLUMN body bytea,
    ADD COLUMN attempts bigint NOT NULL DEFAULT 1,
    ADD COLUMN last_rejected_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN replayed_at timestamptz;
COMMENT ON COLUMN raw.rejected_events.header IS 'The names of the columns, if the row needs them';
COMMENT ON COLUMN raw.rejected_events.body IS 'The bytes of the row, where payload is not exact';
COMMENT ON COLUMN raw.rejected_events.replayed_at IS 'When the row was published again and stored';

CREATE TABLE raw.dead_letters (
    letter_id uuid PRIMARY KEY,
    feed text NOT NULL,
    message_id text,
    content_type text,
    headers json NOT NULL,
    body bytea NOT NULL,
    code text NOT NULL,
    error text NOT NULL,
    source text,
    first_line bigint,
    attempts bigint NOT NULL,
    first_seen timestamptz NOT NULL DEFAULT now(),
    last_seen timestamptz NOT NULL DEFAULT now(),
    replayed_at timestamptz
);
COMMENT ON TABLE raw.dead_letters IS 'Messages that could not be handled, as they came, and why';

-- A message that has killed its consumer cannot say so; its next delivery looks here.
CREATE TABLE raw.suspects (
    message_id text PRIMARY KEY,
    attempts bigint NOT NULL,
    last_seen timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE raw.suspects IS 'Messages whose delivery has ended a consumer before';

GRANT UPDATE ON raw.rejected_events, raw.dead_letters TO warehouse_ingest;
GRANT UPDATE, DELETE ON raw.suspects TO warehouse_ingest;
