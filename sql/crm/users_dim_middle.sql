-- A user near the middle of those with events on the dates, of whom a sample is enough; NULL if there is
-- none but the first. Two sessions that share the users here have about the same to do.
-- Returns middle_id.

SELECT
    NULLIF(
        percentile_disc(0.5) WITHIN GROUP (ORDER BY id COLLATE "C" DESC), min(id COLLATE "C")
    ) AS middle_id
FROM raw.user_events
TABLESAMPLE SYSTEM (100.0 * LEAST(1, 2000.0 / GREATEST(:'n_events', 1))) REPEATABLE (0)
WHERE received_at >= :'start'
    AND received_at < :'end';
