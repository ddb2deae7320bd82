-- What make rejects shows: rejected rows and dead letters by feed and reason, and where to look.
\pset footer off
-- Line breaks and what turns the direction of writing; psql itself writes out other control characters.
\set invisible '[\\u0001-\\u001F\\u007F-\\u009F\\u061C\\u200E\\u200F\\u2028-\\u202E\\u2066-\\u2069]'
SELECT
    kind,
    regexp_replace(feed, :'invisible', '�', 'g') AS feed,
    regexp_replace(code, :'invisible', '�', 'g') AS code,
    regexp_replace(column_name, :'invisible', '�', 'g') AS "column",
    regexp_replace(source, :'invisible', '�', 'g') AS file,
    count(*) AS n,
    min(line) || CASE WHEN count(*) > 1 THEN '…' || max(line) ELSE '' END AS lines,
    sum(attempts) AS attempts,
    min(first_seen)::timestamp(0) AS first_seen,
    max(last_seen)::timestamp(0) AS last_seen,
    left(regexp_replace(min(error), :'invisible', '�', 'g'), 70) AS for_example
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
GROUP BY kind, set_aside.feed, set_aside.code, column_name, source
ORDER BY kind DESC, set_aside.feed, n DESC, set_aside.code, column_name, source;
