-- What dropping the days of a raw table before a date would drop.
-- Returns n_days; n_rows; n_bytes, of the days that have a partition of their own.
SELECT
    count(*) AS n_days,
    COALESCE(sum(raw.count_new(feed, day, NULL)), 0)::bigint AS n_rows,
    COALESCE(
        sum(pg_total_relation_size(to_regclass(raw.partition_of(feed, day)))), 0
    )::bigint AS n_bytes
FROM (SELECT :'feed'::regclass AS feed) AS chosen
CROSS JOIN LATERAL (SELECT DISTINCT day FROM raw.days(feed) AS day) AS days
WHERE day < :'before'::date;
