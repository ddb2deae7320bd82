-- What make rejects shows: rejected rows and dead letters by feed and reason, and where to look.
\pset footer off
SELECT
    kind,
    feed,
    code,
    column_name AS "column",
    source AS file,
    count(*) AS n,
    min(line) || CASE WHEN count(*) > 1 THEN '…' || max(line) ELSE '' END AS lines,
    sum(attempts) AS attempts,
    min(first_seen)::timestamp(0) AS first_seen,
    max(last_seen)::timestamp(0) AS last_seen,
    left(min(error), 70) AS for_example
FROM (
    SELECT
        'row' AS kind, feed, code, column_name, source, line, attempts,
        rejected_at AS first_seen, last_rejected_at AS last_seen, error
    FROM raw.rejected_events
    WHERE replayed_at IS NULL
    UNION ALL
    SELECT
        'message', feed, code, NULL, source, first_line, attempts, first_seen, last_seen, error
    FROM raw.dead_letters
    WHERE replayed_at IS NULL
) AS set_aside
GROUP BY kind, feed, code, column_name, source
ORDER BY kind DESC, feed, n DESC, code, column_name, source;
