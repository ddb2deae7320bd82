-- depends: 0011_checked_runs
-- Two consumers that meet a new day at once: the second one asked whether the partition is there now
-- before it had heard of it. An advisory lock tells a session nothing of what others have made; the
-- lock of a table does, so that comes first.

CREATE OR REPLACE FUNCTION raw.add_day(feed regclass, day date) RETURNS boolean
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
    EXECUTE format('LOCK TABLE %s', other);
    IF to_regclass(partition) IS NOT NULL THEN
        RETURN true;
    END IF;
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
