-- depends: 0019_valid_from_in_front
-- Functions with the owner's rights work on the raw tables of feeds and refuse all others; days that
-- an ETL has not processed cannot be dropped; and nobody has a right that no program needs.

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
    'Fails unless this is a partitioned table in schema raw that belongs to the owner of the schema';

CREATE OR REPLACE FUNCTION raw.add_day(feed regclass, day date) RETURNS boolean
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

-- The ETL role writes the list of runs, so it must not write the list of what has to have run.
CREATE TABLE meta.etl_inputs (
    etl text NOT NULL,
    feed text NOT NULL,
    PRIMARY KEY (etl, feed)
);
COMMENT ON TABLE meta.etl_inputs IS
    'The raw tables that each ETL processes date by date; days that one has not seen are not dropped';
INSERT INTO meta.etl_inputs (etl, feed) VALUES
    ('users_dim', 'raw.user_events'),
    ('user_events_daily', 'raw.user_events'),
    ('article_performance', 'raw.article_events'),
    ('user_performance', 'raw.article_events');
REVOKE INSERT, UPDATE, DELETE ON meta.etl_inputs FROM warehouse_etl;

CREATE FUNCTION raw.unprocessed_days(feed regclass, before date) RETURNS TABLE (etl text, day date)
LANGUAGE sql STABLE AS $$
    SELECT etl_inputs.etl, days.day
    FROM meta.etl_inputs
    CROSS JOIN raw.days(unprocessed_days.feed) AS days (day)
    WHERE etl_inputs.feed::regclass = unprocessed_days.feed
        AND days.day < before
        AND raw.count_new(
            unprocessed_days.feed,
            days.day,
            (
                SELECT seen
                FROM meta.etl_runs
                WHERE etl_runs.etl = etl_inputs.etl
                    AND import_date = days.day
                    AND status = 'succeeded'
                    AND server = (SELECT system_identifier::text FROM pg_control_system())
                ORDER BY run_id DESC
                LIMIT 1
            )
        ) > 0
    ORDER BY days.day, etl_inputs.etl
$$;
COMMENT ON FUNCTION raw.unprocessed_days IS
    'Days before a date that have events which the last good run of an ETL has not seen';

CREATE OR REPLACE FUNCTION raw.drop_days(feed regclass, before date) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
SET lock_timeout = '10s'
AS $$
DECLARE
    feed_name name := (SELECT relname FROM pg_class WHERE oid = feed);
    waiting record;
    day date;
    total bigint;
BEGIN
    PERFORM raw.check_feed(feed);
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'days are dropped in transactions that are READ COMMITTED: an older snapshot'
            ' does not show what came since'
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    IF NOT EXISTS (SELECT FROM meta.etl_inputs WHERE etl_inputs.feed::regclass = drop_days.feed) THEN
        RAISE EXCEPTION 'no ETL processes % by date, so all of its days are still needed', feed
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    EXECUTE format('LOCK TABLE ONLY %s', feed);
    SELECT * INTO waiting FROM raw.unprocessed_days(feed, before) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION '% of % has events that % has not processed', waiting.day, feed, waiting.etl
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    EXECUTE format(
        'WITH dropped AS ('
        '    SELECT imported_at, count(*) AS n_rows FROM %1$s WHERE %2$I < %3$L GROUP BY imported_at'
        '), noted AS ('
        '    INSERT INTO raw.pruned_rows (imported_at, feed, n_rows)'
        '    SELECT imported_at, %4$L, n_rows FROM dropped'
        '    WHERE imported_at IN (SELECT imported_at FROM raw.receipts WHERE receipts.feed = %4$L)'
        '    ON CONFLICT (imported_at, feed) DO UPDATE SET n_rows = pruned_rows.n_rows + excluded.n_rows'
        ') SELECT COALESCE(sum(n_rows), 0) FROM dropped',
        feed, raw.time_column(feed), before, feed_name
    ) INTO total;
    FOR day IN SELECT DISTINCT listed.d FROM raw.days(feed) AS listed(d) WHERE listed.d < before LOOP
        EXECUTE format('DROP TABLE IF EXISTS %s', raw.partition_of(feed, day));
    END LOOP;
    EXECUTE format(
        'DELETE FROM raw_days.%I WHERE %I < %L', feed_name || '_other', raw.time_column(feed), before
    );
    RETURN total;
END
$$;
COMMENT ON FUNCTION raw.drop_days IS
    'Drop the days of a raw table before a date, and say how many rows that were; fails if an ETL has'
    ' not processed one of them';

-- PostgreSQL lets PUBLIC connect, make temporary tables and call every function. The roles get what
-- their programs do: who ingests and who runs ETLs stages rows in temporary tables.
DO $do$
BEGIN
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format(
        'GRANT CONNECT, TEMPORARY ON DATABASE %I TO warehouse_ingest, warehouse_etl',
        current_database()
    );
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO warehouse_read', current_database());
END
$do$;

REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO warehouse_etl, warehouse_read;

ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA raw, crm, meta, reports FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    raw.time_column, raw.partition_of, raw.days, raw.is_new, raw.count_new, raw.unprocessed_days
TO warehouse_etl, warehouse_read;
GRANT EXECUTE ON FUNCTION crm.users_as_of TO warehouse_etl, warehouse_read;
GRANT EXECUTE ON FUNCTION
    crm.refuse_overlap, meta.promise_checks, meta.has_promised_checks, meta.lead, meta.await_commit
TO warehouse_etl;
