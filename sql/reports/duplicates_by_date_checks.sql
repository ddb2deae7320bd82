-- What must hold after a run of reports.duplicates_by_date.
-- Returns check_name, n_violations.

SELECT
    'every row is counted' AS check_name,
    (COALESCE(sum(deliveries), 0) <> (SELECT count(*) FROM raw.user_interactions))::int
        AS n_violations
FROM reports.duplicates_by_date;
