-- depends: 0005_user_history
-- Dated raw tables get a partition a UTC day: an ETL reads a day and nothing else, and an old day
-- is dropped in an instant. And every row says which transaction stored it, so that a run can tell
-- what it has not seen.
--
-- event_id and instant together are the key of an event, since PostgreSQL wants the partition's
-- column in it. Partitions live in a schema of their own, beside a <feed>_other for days that are
-- too far away to deserve one; all reading and writing goes through the tables in raw.

CREATE SCHEMA raw_days;
COMMENT ON SCHEMA raw_days IS 'The days of the tables in raw; read and write those';
GRANT USAGE ON SCHEMA raw_days TO warehouse_etl, warehouse_read;
ALTER DEFAULT PRIVILEGES IN SCHEMA raw_days GRANT SELECT ON TABLES TO warehouse_etl, warehouse_read;

-- The column by which a raw table is partitioned.
CREATE FUNCTION raw.time_column(feed regclass) RETURNS name
LANGUAGE sql STABLE AS $$
    SELECT attname
    FROM pg_partitioned_table
    INNER JOIN pg_attribute ON attrelid = partrelid AND attnum = partattrs[0]
    WHERE partrelid = feed
$$;

-- The name of a day's partition.
CREATE FUNCTION raw.partition_of(feed regclass, day date) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT format('raw_days.%I', relname || to_char(day, '_YYYYMMDD'))
    FROM pg_class
    WHERE oid = feed
$$;

-- Give a day its partition, with what of it has come before. Writers call this ahead of their
-- batch, in a transaction of its own. It needs a lock that excludes long queries of the whole
-- table; where one is in the way the answer is false, and the day's rows go to <feed>_other for
-- now. Days before 2000, and beyond the next two months, stay there: a wrong clock should not make
-- thousands of tables.
CREATE FUNCTION raw.add_day(feed regclass, day date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
SET lock_timeout = '1s'
AS $$
DECLARE
    partition text := raw.partition_of(feed, day);
    other text := format('raw_days.%I', (SELECT relname FROM pg_class WHERE oid = feed) || '_other');
    of_that_day text := format('%1$I >= %2$L AND %1$I < %3$L', raw.time_column(feed), day, day + 1);
BEGIN
    IF of_that_day IS NULL THEN
        RAISE EXCEPTION '% is not partitioned by day', feed;
    END IF;
    IF day < '2000-01-01' OR day > current_date + 62 OR to_regclass(partition) IS NOT NULL THEN
        RETURN true;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('days of ' || feed::oid, 0));
    IF to_regclass(partition) IS NOT NULL THEN
        RETURN true;
    END IF;
    EXECUTE format('LOCK TABLE %s', other);
    EXECUTE format('CREATE TABLE %s (LIKE %s INCLUDING DEFAULTS)', partition, feed);
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

-- The days of which a raw table has a partition, or rows.
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

-- Whether a row came after a snapshot was taken: its transaction had not ended then, whatever its
-- number. A number that this server has yet to give comes from another server's backup.
CREATE FUNCTION raw.is_new(txid bigint, since pg_snapshot) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT since IS NULL OR (
        txid >= pg_snapshot_xmin(since)::text::bigint
        AND NOT pg_visible_in_snapshot(txid::text::xid8, since)
        AND txid < pg_snapshot_xmax(pg_current_snapshot())::text::bigint
    )
$$;

-- How many events of a day came after a snapshot; NULL: how many there are.
CREATE FUNCTION raw.count_new(feed regclass, day date, since pg_snapshot) RETURNS bigint
LANGUAGE plpgsql STABLE SET timezone = 'UTC' AS $$
DECLARE
    found bigint;
BEGIN
    EXECUTE format(
        'SELECT count(*) FROM %1$s WHERE %2$I >= %3$L AND %2$I < %4$L'
        ' AND ($1 IS NULL OR txid >= pg_snapshot_xmin($1)::text::bigint AND raw.is_new(txid, $1))',
        feed, raw.time_column(feed), day, day + 1
    ) INTO found USING since;
    RETURN found;
END
$$;

DO $do$
DECLARE
    feed text;
    time_column text;
    old_columns text;
    key text;
BEGIN
    SET LOCAL timezone = 'UTC';
    FOR feed, time_column IN VALUES
        ('user_events', 'received_at'),
        ('activity', 'active_date'),
        ('transactions', 'transaction_date'),
        ('user_interactions', 'event_time'),
        ('article_events', 'event_time')
    LOOP
        SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO old_columns
        FROM pg_attribute
        WHERE attrelid = format('raw.%I', feed)::regclass AND attnum > 0 AND NOT attisdropped;
        EXECUTE format('ALTER TABLE raw.%I RENAME TO %I', feed, feed || '_before');
        EXECUTE format('ALTER INDEX raw.%I RENAME TO %I', feed || '_pkey', feed || '_before_pkey');
        EXECUTE format(
            'CREATE TABLE raw.%I (LIKE raw.%I INCLUDING DEFAULTS INCLUDING COMMENTS)'
            ' PARTITION BY RANGE (%I)',
            feed, feed || '_before', time_column
        );
        EXECUTE format(
            'ALTER TABLE raw.%I ADD COLUMN txid bigint NOT NULL'
            ' DEFAULT txid_current()',
            feed
        );
        EXECUTE format('ALTER TABLE raw.%I ADD PRIMARY KEY (event_id, %I)', feed, time_column);
        EXECUTE format(
            'CREATE TABLE raw_days.%I PARTITION OF raw.%I DEFAULT', feed || '_other', feed
        );
        EXECUTE format(
            'SELECT raw.add_day(%L, day)'
            ' FROM (SELECT DISTINCT %I::date AS day FROM raw.%I) AS days',
            'raw.' || feed, time_column, feed || '_before'
        );
        EXECUTE format(
            'INSERT INTO raw.%1$I (%2$s) SELECT %2$s FROM raw.%3$I',
            feed, old_columns, feed || '_before'
        );
        EXECUTE format('DROP TABLE raw.%I', feed || '_before');
    END LOOP;
END
$do$;

REVOKE EXECUTE ON FUNCTION raw.add_day FROM PUBLIC;
GRANT EXECUTE ON FUNCTION raw.add_day TO warehouse_ingest;
