-- depends: 0014_pruned_rows
-- All events of a day are counted in its partition, where nothing need be asked of each row. Every run of
-- an ETL counts them, and a back-fill those of all its days.

CREATE OR REPLACE FUNCTION raw.count_new(feed regclass, day date, since pg_snapshot) RETURNS bigint
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
