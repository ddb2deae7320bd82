-- What ingestion keeps beside the events: rejected rows, dead letters, imports and their receipts.

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
    rejected_at timestamptz NOT NULL DEFAULT now(),
    content_type text,
    header text,
    body bytea,
    attempts bigint NOT NULL DEFAULT 1,
    last_rejected_at timestamptz NOT NULL DEFAULT now(),
    replayed_at timestamptz
);
CREATE INDEX rejected_events_feed ON raw.rejected_events (feed, rejected_at);
COMMENT ON TABLE raw.rejected_events IS 'Rows that do not keep the contract of their feed, and why';
COMMENT ON COLUMN raw.rejected_events.event_id IS 'The id that the event would have had';
COMMENT ON COLUMN raw.rejected_events.feed IS 'The feed of the row';
COMMENT ON COLUMN raw.rejected_events.source IS 'The file, or NULL';
COMMENT ON COLUMN raw.rejected_events.line IS 'Line of the file, from 1';
COMMENT ON COLUMN raw.rejected_events.payload IS
    'The row as it came; bytes that are no UTF-8, and NUL, as \xNN';
COMMENT ON COLUMN raw.rejected_events.code IS
    'The error type of pydantic, or malformed (no fields could be read), or database';
COMMENT ON COLUMN raw.rejected_events.column_name IS 'The column at fault, if there is one';
COMMENT ON COLUMN raw.rejected_events.error IS 'The reason, for people';
COMMENT ON COLUMN raw.rejected_events.imported_at IS 'When the import of the file began';
COMMENT ON COLUMN raw.rejected_events.rejected_at IS 'When the row was first rejected';
COMMENT ON COLUMN raw.rejected_events.content_type IS 'How to read the row';
COMMENT ON COLUMN raw.rejected_events.header IS 'The names of the columns, if the row needs them';
COMMENT ON COLUMN raw.rejected_events.body IS 'The bytes of the row, where payload is not exact';
COMMENT ON COLUMN raw.rejected_events.attempts IS 'How often the row was rejected';
COMMENT ON COLUMN raw.rejected_events.last_rejected_at IS 'When the row was last rejected';
COMMENT ON COLUMN raw.rejected_events.replayed_at IS 'When it was published again and stored';

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
COMMENT ON COLUMN raw.dead_letters.letter_id IS 'The same for the same message';
COMMENT ON COLUMN raw.dead_letters.feed IS 'The feed whose queue it came from';
COMMENT ON COLUMN raw.dead_letters.message_id IS 'The message_id, if it had one';
COMMENT ON COLUMN raw.dead_letters.content_type IS 'The content_type, if it had one';
COMMENT ON COLUMN raw.dead_letters.headers IS 'The headers';
COMMENT ON COLUMN raw.dead_letters.body IS 'The body';
COMMENT ON COLUMN raw.dead_letters.code IS 'What kind of error';
COMMENT ON COLUMN raw.dead_letters.error IS 'The reason, for people';
COMMENT ON COLUMN raw.dead_letters.source IS 'The file, or NULL';
COMMENT ON COLUMN raw.dead_letters.first_line IS 'The line of its first row, or NULL';
COMMENT ON COLUMN raw.dead_letters.attempts IS 'How often it was delivered';
COMMENT ON COLUMN raw.dead_letters.first_seen IS 'When it was first set aside';
COMMENT ON COLUMN raw.dead_letters.last_seen IS 'When it was last set aside';
COMMENT ON COLUMN raw.dead_letters.replayed_at IS 'When it was published again and handled';

CREATE TABLE raw.suspects (
    message_id text PRIMARY KEY,
    attempts bigint NOT NULL,
    last_seen timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE raw.suspects IS
    'Messages whose delivery ended a consumer: it could not say so, the next delivery looks here';
COMMENT ON COLUMN raw.suspects.message_id IS 'The message';
COMMENT ON COLUMN raw.suspects.attempts IS 'How many deliveries have begun';
COMMENT ON COLUMN raw.suspects.last_seen IS 'When the last one began';

CREATE TABLE raw.imports (
    imported_at timestamptz NOT NULL,
    feed text NOT NULL,
    source text,
    n_messages bigint NOT NULL,
    n_rows bigint NOT NULL,
    last_line bigint NOT NULL,
    error text,
    fingerprint text,
    PRIMARY KEY (imported_at, feed)
);
COMMENT ON TABLE raw.imports IS 'What producers say they have published, one row a file';
COMMENT ON COLUMN raw.imports.imported_at IS 'When the import of the file began: its id';
COMMENT ON COLUMN raw.imports.feed IS 'The feed';
COMMENT ON COLUMN raw.imports.source IS 'The file';
COMMENT ON COLUMN raw.imports.n_messages IS 'Messages published';
COMMENT ON COLUMN raw.imports.n_rows IS 'Rows published';
COMMENT ON COLUMN raw.imports.last_line IS 'The last line of the file that was read';
COMMENT ON COLUMN raw.imports.error IS 'Why the file was not read to its end, if it was not';
COMMENT ON COLUMN raw.imports.fingerprint IS
    'Of the content of the file, as its store tells it: the same as long as the content is';

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
COMMENT ON COLUMN raw.receipts.imported_at IS 'The import';
COMMENT ON COLUMN raw.receipts.message_id IS 'The message';
COMMENT ON COLUMN raw.receipts.feed IS 'The feed';
COMMENT ON COLUMN raw.receipts.source IS 'The file';
COMMENT ON COLUMN raw.receipts.first_line IS 'The first line of the file in the message';
COMMENT ON COLUMN raw.receipts.n_lines IS 'Lines in the message';
COMMENT ON COLUMN raw.receipts.stored IS 'Rows stored';
COMMENT ON COLUMN raw.receipts.already_there IS 'Rows that had been stored before';
COMMENT ON COLUMN raw.receipts.rejected IS 'Rows rejected';
COMMENT ON COLUMN raw.receipts.dead IS 'Rows in a message that became a dead letter';
COMMENT ON COLUMN raw.receipts.n_rows IS 'Rows in the message';
COMMENT ON COLUMN raw.receipts.settled_at IS 'When that was committed';

CREATE TABLE raw.pruned_rows (
    imported_at timestamptz NOT NULL,
    feed text NOT NULL,
    n_rows bigint NOT NULL,
    PRIMARY KEY (imported_at, feed)
);
COMMENT ON TABLE raw.pruned_rows IS
    'How many rows of each import were in days that have been dropped: an audit does not miss them';
COMMENT ON COLUMN raw.pruned_rows.imported_at IS 'The import';
COMMENT ON COLUMN raw.pruned_rows.feed IS 'The feed';
COMMENT ON COLUMN raw.pruned_rows.n_rows IS 'How many';

GRANT UPDATE ON raw.rejected_events, raw.dead_letters TO warehouse_ingest;
GRANT UPDATE, DELETE ON raw.suspects TO warehouse_ingest;
