-- What must hold after a run of reports.visitors_by_country.
-- Returns check_name, n_violations.

SELECT
    'every visitor is counted once' AS check_name,
    (COALESCE(sum(visitors), 0) <> (
        SELECT count(DISTINCT user_id) FROM raw.user_interactions
    ))::int AS n_violations
FROM reports.visitors_by_country;
