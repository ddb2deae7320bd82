-- What make demo shows: the daily report, and the life of the user with the most versions.
\pset footer off
\echo
\echo 'reports.user_events_daily'
SELECT event_date, n_created, n_updated, n_deleted, n_unique, n_total
FROM reports.user_events_daily
ORDER BY event_date;

\echo 'crm.users_dim: the life of one user, deleted and created again'
SELECT username, user_email, plan_name, valid_from, valid_to, is_valid, is_deleted
FROM crm.users_dim
WHERE id = (
    SELECT id
    FROM crm.users_dim
    GROUP BY id
    HAVING count(*) BETWEEN 5 AND 8 AND bool_or(is_deleted AND NOT is_valid)
    ORDER BY count(DISTINCT valid_from::date) DESC, count(*) DESC, id
    LIMIT 1
)
ORDER BY valid_from;
