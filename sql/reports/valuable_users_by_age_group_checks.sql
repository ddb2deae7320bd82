-- What must hold after a run of reports.valuable_users_by_age_group.
-- Returns check_name, n_violations.

SELECT 'every age group has its row' AS check_name, (count(*) <> 5)::int AS n_violations
FROM reports.valuable_users_by_age_group
UNION ALL
SELECT 'no more users than have 15 events', (COALESCE(sum(users), 0) > max(n_busy))::int
FROM reports.valuable_users_by_age_group
CROSS JOIN (
    SELECT count(*) AS n_busy
    FROM (SELECT FROM raw.user_interactions GROUP BY user_id HAVING count(*) >= 15) AS busy
) AS busy;
