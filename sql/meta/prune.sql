-- Drop the days of a raw table before a date, and remember it; if there are none, nothing is done.
-- Returns how many rows that were.
INSERT INTO meta.pruned (feed, before)
SELECT :'feed', :'before'
WHERE EXISTS (SELECT FROM raw.days(:'feed'::regclass) AS day WHERE day < :'before'::date)
ON CONFLICT (feed) DO UPDATE
SET before = GREATEST(pruned.before, excluded.before), pruned_at = clock_timestamp();

SELECT raw.drop_days(:'feed'::regclass, :'before'::date) AS n_rows;
