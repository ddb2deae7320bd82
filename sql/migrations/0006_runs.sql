-- The run log of the ETLs, and what it decides: which days may be dropped.

CREATE TABLE meta.etl_runs (
    run_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    etl text NOT NULL,
    version integer NOT NULL,
    import_date date NOT NULL,
    status text NOT NULL CHECK (status IN ('running', 'succeeded', 'failed')),
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    mode text CHECK (mode IN ('full', 'new', 'nothing new')),
    n_events bigint,
    rows_read bigint,
    rows_written bigint,
    checks jsonb,
    note text,
    error text,
    seen pg_snapshot,
    server text
);
CREATE INDEX etl_runs_etl ON meta.etl_runs (etl, import_date, status);
COMMENT ON TABLE meta.etl_runs IS 'The run log: each run of an ETL on a UTC date';
COMMENT ON COLUMN meta.etl_runs.run_id IS 'The run';
COMMENT ON COLUMN meta.etl_runs.etl IS 'The ETL';
COMMENT ON COLUMN meta.etl_runs.version IS 'Its version; dates of another version are stale';
COMMENT ON COLUMN meta.etl_runs.import_date IS 'The UTC date that was processed';
COMMENT ON COLUMN meta.etl_runs.status IS 'running, succeeded or failed';
COMMENT ON COLUMN meta.etl_runs.started_at IS 'When it started';
COMMENT ON COLUMN meta.etl_runs.finished_at IS 'When it ended';
COMMENT ON COLUMN meta.etl_runs.mode IS
    'full: the whole date was done; new: only new events; nothing new: there were none';
COMMENT ON COLUMN meta.etl_runs.n_events IS 'Events of the date';
COMMENT ON COLUMN meta.etl_runs.rows_read IS 'Events that the run worked on';
COMMENT ON COLUMN meta.etl_runs.rows_written IS 'Rows of the result that begin on the date';
COMMENT ON COLUMN meta.etl_runs.checks IS 'How many rows broke each data check';
COMMENT ON COLUMN meta.etl_runs.note IS 'Anything unusual, such as a check that made the run full';
COMMENT ON COLUMN meta.etl_runs.error IS 'Why it failed';
COMMENT ON COLUMN meta.etl_runs.seen IS 'Its snapshot: events outside it are new to the next run';
COMMENT ON COLUMN meta.etl_runs.server IS 'The system identifier of the server of the snapshot';

CREATE TABLE meta.pruned (
    feed text PRIMARY KEY,
    before date NOT NULL,
    pruned_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE meta.pruned IS 'Raw days that have been dropped; the results of ETLs stay';
COMMENT ON COLUMN meta.pruned.feed IS 'The raw table';
COMMENT ON COLUMN meta.pruned.before IS 'Days before this date are gone';
COMMENT ON COLUMN meta.pruned.pruned_at IS 'When they were dropped';

CREATE TABLE meta.etl_inputs (
    etl text NOT NULL,
    feed text NOT NULL,
    PRIMARY KEY (etl, feed)
);
COMMENT ON TABLE meta.etl_inputs IS
    'The raw tables that each ETL processes by date: days that one has not seen are not dropped';
COMMENT ON COLUMN meta.etl_inputs.etl IS 'The ETL';
COMMENT ON COLUMN meta.etl_inputs.feed IS 'The raw table';
INSERT INTO meta.etl_inputs (etl, feed) VALUES
    ('users_dim', 'raw.user_events'),
    ('user_events_daily', 'raw.user_events'),
    ('article_performance', 'raw.article_events'),
    ('user_performance', 'raw.article_events');
-- The ETL role writes the run log, so it must not write the list of what has to have run.
REVOKE INSERT, UPDATE, DELETE ON meta.etl_inputs FROM warehouse_etl;

CREATE FUNCTION raw.unprocessed_days(feed regclass, before date)
RETURNS TABLE (etl text, day date)
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
    'Days before a date with events that the last good run of an ETL has not seen';

-- Runs with the owner's rights. The lock comes first: nothing is stored between counting and
-- dropping. It waits at most ten seconds for reads of the whole table.
CREATE FUNCTION raw.drop_days(feed regclass, before date) RETURNS bigint
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
        RAISE EXCEPTION 'days are dropped in transactions that are READ COMMITTED: an older'
            ' snapshot does not show what came since'
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    IF NOT EXISTS (
        SELECT FROM meta.etl_inputs WHERE etl_inputs.feed::regclass = drop_days.feed
    ) THEN
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
        '    SELECT imported_at, count(*) AS n_rows FROM %1$s WHERE %2$I < %3$L'
        '    GROUP BY imported_at'
        '), noted AS ('
        '    INSERT INTO raw.pruned_rows (imported_at, feed, n_rows)'
        '    SELECT imported_at, %4$L, n_rows FROM dropped'
        '    WHERE imported_at IN (SELECT imported_at FROM raw.receipts WHERE receipts.feed = %4$L)'
        '    ON CONFLICT (imported_at, feed)'
        '    DO UPDATE SET n_rows = pruned_rows.n_rows + excluded.n_rows'
        ') SELECT COALESCE(sum(n_rows), 0) FROM dropped',
        feed, raw.time_column(feed), before, feed_name
    ) INTO total;
    FOR day IN SELECT DISTINCT listed.d FROM raw.days(feed) AS listed (d) WHERE listed.d < before
    LOOP
        EXECUTE format('DROP TABLE IF EXISTS %s', raw.partition_of(feed, day));
    END LOOP;
    EXECUTE format(
        'DELETE FROM raw_days.%I WHERE %I < %L',
        feed_name || '_other', raw.time_column(feed), before
    );
    RETURN total;
END
$$;
COMMENT ON FUNCTION raw.drop_days IS
    'Drop the days of a raw table before a date, and say how many rows that were; fails if an ETL'
    ' has not processed one of them';

GRANT EXECUTE ON FUNCTION raw.unprocessed_days TO warehouse_etl, warehouse_read;
GRANT EXECUTE ON FUNCTION raw.drop_days TO warehouse_etl;
