-- One raw table a feed: the columns that feeds/ declares, then those of ingestion.
-- A table with dates has a partition a UTC day: an ETL reads one day and nothing else, and an old
-- day is dropped at once. Other rows are in raw_days.<feed>_other. PostgreSQL wants the column
-- of the partition in the key, so an event is known by its event_id and its time together.

CREATE TABLE raw.user_events (
    event_id uuid NOT NULL,
    id text COLLATE "C" NOT NULL,
    event_type text NOT NULL,
    username text,
    user_email text,
    user_type text,
    organization_name text,
    plan_name text,
    received_at timestamptz NOT NULL,
    imported_at timestamptz NOT NULL,
    line bigint NOT NULL,
    ingested_at timestamptz NOT NULL DEFAULT now(),
    txid bigint NOT NULL DEFAULT txid_current(),
    PRIMARY KEY (event_id, received_at)
) PARTITION BY RANGE (received_at);
CREATE TABLE raw_days.user_events_other PARTITION OF raw.user_events DEFAULT;
COMMENT ON TABLE raw.user_events IS 'Creations, updates and deletions of users';
COMMENT ON COLUMN raw.user_events.id IS 'The user; mostly 32 hexadecimal digits';
COMMENT ON COLUMN raw.user_events.event_type IS 'User Created, User Updated or User Deleted';
COMMENT ON COLUMN raw.user_events.username IS 'The user''s name after the event';
COMMENT ON COLUMN raw.user_events.user_email IS 'The user''s address after the event';
COMMENT ON COLUMN raw.user_events.user_type IS 'What kind of user; free text';
COMMENT ON COLUMN raw.user_events.organization_name IS 'The user''s organization after the event';
COMMENT ON COLUMN raw.user_events.plan_name IS 'The user''s plan after the event; free text';
COMMENT ON COLUMN raw.user_events.received_at IS 'When it happened';

CREATE TABLE raw.activity (
    event_id uuid NOT NULL,
    active_date date NOT NULL,
    user_id text NOT NULL,
    workspace_id text NOT NULL,
    total_activity bigint NOT NULL,
    imported_at timestamptz NOT NULL,
    line bigint NOT NULL,
    ingested_at timestamptz NOT NULL DEFAULT now(),
    txid bigint NOT NULL DEFAULT txid_current(),
    PRIMARY KEY (event_id, active_date)
) PARTITION BY RANGE (active_date);
CREATE TABLE raw_days.activity_other PARTITION OF raw.activity DEFAULT;
COMMENT ON TABLE raw.activity IS 'How active a user was in a workspace on a day';
COMMENT ON COLUMN raw.activity.active_date IS 'The day';
COMMENT ON COLUMN raw.activity.user_id IS 'The user';
COMMENT ON COLUMN raw.activity.workspace_id IS 'The workspace';
COMMENT ON COLUMN raw.activity.total_activity IS 'How much; 0 is still a day with activity';

CREATE TABLE raw.transactions (
    event_id uuid NOT NULL,
    transaction_id text NOT NULL,
    customer_id text NOT NULL,
    transaction_date date NOT NULL,
    product_sold text NOT NULL,
    units_sold bigint NOT NULL,
    imported_at timestamptz NOT NULL,
    line bigint NOT NULL,
    ingested_at timestamptz NOT NULL DEFAULT now(),
    txid bigint NOT NULL DEFAULT txid_current(),
    PRIMARY KEY (event_id, transaction_date)
) PARTITION BY RANGE (transaction_date);
CREATE TABLE raw_days.transactions_other PARTITION OF raw.transactions DEFAULT;
COMMENT ON TABLE raw.transactions IS 'Products that customers bought';
COMMENT ON COLUMN raw.transactions.transaction_id IS 'The transaction';
COMMENT ON COLUMN raw.transactions.customer_id IS 'The customer; text with leading zeros';
COMMENT ON COLUMN raw.transactions.transaction_date IS 'The day of the purchase';
COMMENT ON COLUMN raw.transactions.product_sold IS 'The product';
COMMENT ON COLUMN raw.transactions.units_sold IS 'How many';

CREATE TABLE raw.user_interactions (
    event_id uuid NOT NULL,
    interaction_id text NOT NULL,
    user_id bigint NOT NULL,
    event_type text NOT NULL,
    event_time timestamptz NOT NULL,
    imported_at timestamptz NOT NULL,
    line bigint NOT NULL,
    ingested_at timestamptz NOT NULL DEFAULT now(),
    txid bigint NOT NULL DEFAULT txid_current(),
    PRIMARY KEY (event_id, event_time)
) PARTITION BY RANGE (event_time);
CREATE TABLE raw_days.user_interactions_other PARTITION OF raw.user_interactions DEFAULT;
COMMENT ON TABLE raw.user_interactions IS 'What users did on the web site; with duplicates';
COMMENT ON COLUMN raw.user_interactions.interaction_id IS 'The id that the web site gave the event';
COMMENT ON COLUMN raw.user_interactions.user_id IS 'The user, known in raw.web_users or not';
COMMENT ON COLUMN raw.user_interactions.event_type IS 'VIEW, CLICK, EXIT and others';
COMMENT ON COLUMN raw.user_interactions.event_time IS 'When it happened';

CREATE TABLE raw.article_events (
    event_id uuid NOT NULL,
    event_time timestamptz NOT NULL,
    session_id text,
    event_name text NOT NULL,
    user_id text,
    attributes jsonb,
    imported_at timestamptz NOT NULL,
    line bigint NOT NULL,
    ingested_at timestamptz NOT NULL DEFAULT now(),
    txid bigint NOT NULL DEFAULT txid_current(),
    PRIMARY KEY (event_id, event_time)
) PARTITION BY RANGE (event_time);
CREATE TABLE raw_days.article_events_other PARTITION OF raw.article_events DEFAULT;
COMMENT ON TABLE raw.article_events IS 'What readers did in the news app';
COMMENT ON COLUMN raw.article_events.event_time IS 'When it happened';
COMMENT ON COLUMN raw.article_events.session_id IS 'A hash of the session';
COMMENT ON COLUMN raw.article_events.event_name IS 'What happened, such as article_viewed';
COMMENT ON COLUMN raw.article_events.user_id IS 'A hash of the reader';
COMMENT ON COLUMN raw.article_events.attributes IS 'Details, such as the article; NULL: none';

-- Users come without a time, so there are no days.
CREATE TABLE raw.web_users (
    event_id uuid PRIMARY KEY,
    user_id bigint NOT NULL,
    age text,
    country text,
    imported_at timestamptz NOT NULL,
    line bigint NOT NULL,
    ingested_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE raw.web_users IS 'Registered users of the web site; the last row of a user holds';
COMMENT ON COLUMN raw.web_users.user_id IS 'The user';
COMMENT ON COLUMN raw.web_users.age IS 'Years, or a range of years such as 18-45';
COMMENT ON COLUMN raw.web_users.country IS 'Two letters';

DO $do$
DECLARE
    feed regclass;
BEGIN
    FOREACH feed IN ARRAY ARRAY[
        'raw.user_events', 'raw.activity', 'raw.transactions', 'raw.user_interactions',
        'raw.article_events', 'raw.web_users'
    ]::regclass[] LOOP
        EXECUTE format(
            'COMMENT ON COLUMN %1$s.event_id IS %2$L;'
            'COMMENT ON COLUMN %1$s.imported_at IS %3$L;'
            'COMMENT ON COLUMN %1$s.line IS %4$L;'
            'COMMENT ON COLUMN %1$s.ingested_at IS %5$L;',
            feed,
            'The same for the same event, however often it comes; ordered by time',
            'When the import of its file began; with line, the order in the source',
            'Line of the file, from 1',
            'When the transaction that stored it began'
        );
        IF feed <> 'raw.web_users'::regclass THEN
            EXECUTE format('COMMENT ON COLUMN %s.txid IS %L', feed,
                'The transaction that stored it: an ETL run tells what it has not seen');
        END IF;
    END LOOP;
END
$do$;

CREATE FUNCTION raw.time_column(feed regclass) RETURNS name
LANGUAGE sql STABLE AS $$
    SELECT attname
    FROM pg_partitioned_table
    INNER JOIN pg_attribute ON attrelid = partrelid AND attnum = partattrs[0]
    WHERE partrelid = feed
$$;
COMMENT ON FUNCTION raw.time_column IS 'The column by which a raw table is partitioned';

CREATE FUNCTION raw.partition_of(feed regclass, day date) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT format('raw_days.%I', relname || to_char(day, '_YYYYMMDD'))
    FROM pg_class
    WHERE oid = feed
$$;
COMMENT ON FUNCTION raw.partition_of IS 'The name of the partition of a day, if there is one';

CREATE FUNCTION raw.days(feed regclass) RETURNS SETOF date
LANGUAGE plpgsql STABLE SET timezone = 'UTC' AS $$
BEGIN
    RETURN QUERY
    SELECT to_date(right(relname, 8), 'YYYYMMDD')
    FROM pg_inherits
    INNER JOIN pg_class ON pg_class.oid = inhrelid
    WHERE inhparent = feed AND relname ~ '_[0-9]{8}$';
    RETURN QUERY EXECUTE format(
        'SELECT DISTINCT %I::date FROM raw_days.%I',
        raw.time_column(feed), (SELECT relname FROM pg_class WHERE oid = feed) || '_other'
    );
END
$$;
COMMENT ON FUNCTION raw.days IS 'The days of which a raw table has a partition, or rows';

CREATE FUNCTION raw.is_new(txid bigint, since pg_snapshot) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT since IS NULL OR (
        txid >= pg_snapshot_xmin(since)::text::bigint
        AND NOT pg_visible_in_snapshot(txid::text::xid8, since)
        -- A number that this server has yet to give comes from the backup of another server.
        AND txid < pg_snapshot_xmax(pg_current_snapshot())::text::bigint
    )
$$;
COMMENT ON FUNCTION raw.is_new IS
    'Whether a snapshot does not show a row that this transaction stored; NULL: every row is new';

CREATE FUNCTION raw.count_new(feed regclass, day date, since pg_snapshot) RETURNS bigint
LANGUAGE plpgsql STABLE SET timezone = 'UTC' AS $$
DECLARE
    partition regclass := to_regclass(raw.partition_of(feed, day));
    found bigint;
BEGIN
    IF since IS NULL AND partition IS NOT NULL THEN
        EXECUTE format('SELECT count(*) FROM %s', partition) INTO found;
        RETURN found;
    END IF;
    EXECUTE format(
        'SELECT count(*) FROM %1$s WHERE %2$I >= %3$L AND %2$I < %4$L'
        ' AND ($1 IS NULL OR txid >= pg_snapshot_xmin($1)::text::bigint AND raw.is_new(txid, $1))',
        feed, raw.time_column(feed), day, day + 1
    ) INTO found USING since;
    RETURN found;
END
$$;
COMMENT ON FUNCTION raw.count_new IS
    'How many events of a day a snapshot does not show; NULL: how many there are';

CREATE FUNCTION raw.check_feed(feed regclass) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (
        SELECT
        FROM pg_class
        INNER JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE pg_class.oid = feed
            AND nspname = 'raw'
            AND relkind = 'p'
            AND relowner = nspowner
    ) THEN
        RAISE EXCEPTION '% is not the raw table of a feed', COALESCE(feed::text, 'NULL')
            USING ERRCODE = 'insufficient_privilege';
    END IF;
END
$$;
COMMENT ON FUNCTION raw.check_feed IS
    'Fails unless this is a partitioned table in schema raw that the owner of the schema owns';

-- Runs with the owner's rights. It needs a lock that excludes long queries of the whole table.
-- Days before 2000 and beyond the next two months get no partition: a wrong clock must not make
-- thousands of tables.
CREATE FUNCTION raw.add_day(feed regclass, day date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
SET lock_timeout = '1s'
AS $$
DECLARE
    partition text;
    other text;
    of_that_day text;
BEGIN
    PERFORM raw.check_feed(feed);
    partition := raw.partition_of(feed, day);
    other := format('raw_days.%I', (SELECT relname FROM pg_class WHERE oid = feed) || '_other');
    of_that_day := format('%1$I >= %2$L AND %1$I < %3$L', raw.time_column(feed), day, day + 1);
    IF day < '2000-01-01' OR day > current_date + 62 OR to_regclass(partition) IS NOT NULL THEN
        RETURN true;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('days of ' || feed::oid, 0));
    -- An advisory lock does not show what others have made; the lock of a table does.
    EXECUTE format('LOCK TABLE %s', other);
    IF to_regclass(partition) IS NOT NULL THEN
        RETURN true;
    END IF;
    EXECUTE format(
        'CREATE TABLE %s (LIKE %s INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', partition, feed
    );
    EXECUTE format(
        'WITH moved AS (DELETE FROM %s WHERE %s RETURNING *) INSERT INTO %s SELECT * FROM moved',
        other, of_that_day, partition
    );
    EXECUTE format(
        'ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (%L) TO (%L)',
        feed, partition, day, day + 1
    );
    EXECUTE format('CREATE INDEX ON %s USING brin (txid) WITH (pages_per_range = 16)', partition);
    RETURN true;
EXCEPTION WHEN lock_not_available THEN
    RETURN false;
END
$$;
COMMENT ON FUNCTION raw.add_day IS
    'Give a day of a raw table a partition of its own; false: not now, a query is in the way';

GRANT EXECUTE ON FUNCTION raw.add_day TO warehouse_ingest;
GRANT EXECUTE ON FUNCTION
    raw.time_column, raw.partition_of, raw.days, raw.is_new, raw.count_new
TO warehouse_etl, warehouse_read;
