-- Drop the days of a raw table before a date, and remember it.
-- Returns how many rows that were.
INSERT INTO meta.pruned (feed, before)
VALUES (:'feed', :'before')
ON CONFLICT (feed) DO UPDATE
SET before = GREATEST(pruned.before, excluded.before), pruned_at = clock_timestamp();

SELECT raw.drop_days(:'feed'::regclass, :'before'::date) AS n_rows;
