-- depends: 0013_known_ends
-- Dropping days says of which imports the rows were, so that an audit does not take them for lost.

CREATE TABLE raw.pruned_rows (
    imported_at timestamptz NOT NULL,
    feed text NOT NULL,
    n_rows bigint NOT NULL,
    PRIMARY KEY (imported_at, feed)
);
COMMENT ON TABLE raw.pruned_rows IS 'How many rows of each import were in days that have been dropped';

-- Drop the days of a raw table before a date; how many rows that were. The lock comes first, so that
-- nothing is stored between the counting and the dropping. Reads of the whole table are waited for,
-- at most ten seconds. Events that came by themselves have an import each, which no audit lists.
CREATE OR REPLACE FUNCTION raw.drop_days(feed regclass, before date) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
SET lock_timeout = '10s'
AS $$
DECLARE
    feed_name name := (SELECT relname FROM pg_class WHERE oid = feed);
    day date;
    total bigint;
BEGIN
    EXECUTE format('LOCK TABLE ONLY %s', feed);
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
