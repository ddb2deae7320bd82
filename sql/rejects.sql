-- What make rejects shows: rejected rows by feed and reason, with one place to look at each.
\pset footer off
SELECT
    feed,
    code,
    column_name,
    count(*) AS n_rows,
    min(rejected_at)::timestamp(0) AS first_seen,
    max(rejected_at)::timestamp(0) AS last_seen,
    left(min(error), 60) AS for_example,
    min(source || ', line ' || line) AS at
FROM raw.rejected_events
GROUP BY feed, code, column_name
ORDER BY feed, n_rows DESC, code, column_name;
