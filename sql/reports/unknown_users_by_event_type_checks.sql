-- What must hold after a run of reports.unknown_users_by_event_type.
-- Returns check_name, n_violations.

SELECT
    'every event is counted once' AS check_name,
    (COALESCE(sum(events), 0) <> (
        SELECT count(*) FROM reports.interaction_deliveries WHERE repeats IS NULL
    ))::int AS n_violations
FROM reports.unknown_users_by_event_type;
