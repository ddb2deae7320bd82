-- The whole examination of crm.users_dim and crm.user_repeats.
-- Inputs: :dates, those whose raw events are all processed and still there; :processed, all that
--         have ever been processed; :pruned_before, whose events may be gone.
-- Returns check_name, n_violations, example (one of them), dates (on which they are).

WITH history AS (
    SELECT
        *,
        is_valid IS NOT NULL AS is_version,
        ROW(username, user_email, user_type, organization_name, plan_name, is_deleted)
        IS DISTINCT FROM
        lead(ROW(username, user_email, user_type, organization_name, plan_name, is_deleted))
            OVER newest_first AS is_change,
        lead(valid_from) OVER newest_first AS instant_before,
        min(valid_from) FILTER (WHERE is_valid IS NOT NULL) OVER (
            newest_first ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS next_start
    FROM crm.user_history
    WINDOW newest_first AS (PARTITION BY id ORDER BY valid_from DESC)
),
events AS (
    SELECT DISTINCT ON (id, received_at)
        event_id, id, username, user_email, user_type, organization_name, plan_name,
        received_at AS valid_from, event_type = 'User Deleted' AS is_deleted
    FROM raw.user_events
    WHERE (received_at AT TIME ZONE 'UTC')::date = ANY(:'dates'::date[])
    ORDER BY
        id, received_at,
        array_position(ARRAY['User Created', 'User Updated', 'User Deleted'], event_type) DESC,
        imported_at DESC, line DESC, event_id DESC
),
stored AS (
    SELECT
        event_sk, id, username, user_email, user_type, organization_name, plan_name, valid_from,
        is_deleted
    FROM crm.user_history
    WHERE (valid_from AT TIME ZONE 'UTC')::date = ANY(:'dates'::date[])
),
violations AS (
    SELECT 1 AS number, id, valid_from
    FROM history
    WHERE is_version AND valid_to IS DISTINCT FROM next_start
    UNION ALL
    SELECT 2, id, valid_from FROM history WHERE is_version <> is_change
    UNION ALL
    SELECT 3, id, valid_from FROM history WHERE valid_from = instant_before
    UNION ALL
    SELECT 4, id, valid_from FROM (TABLE events EXCEPT TABLE stored) AS missing
    UNION ALL
    SELECT 5, id, valid_from FROM (TABLE stored EXCEPT TABLE events) AS foreign_events
    UNION ALL
    SELECT 6, id, valid_from
    FROM crm.user_history
    WHERE (valid_from AT TIME ZONE 'UTC')::date <> ALL(:'processed'::date[])
        AND (valid_from AT TIME ZONE 'UTC')::date >= :'pruned_before'
)
SELECT
    check_name,
    count(violations.number) AS n_violations,
    min(format('user %s at %s', id, valid_from)) AS example,
    array_agg(DISTINCT (valid_from AT TIME ZONE 'UTC')::date) FILTER (WHERE id IS NOT NULL) AS dates
FROM (
    VALUES
    (1, 'a version ends where the next one begins, and the last one is valid'),
    (2, 'a version differs from the event before it, a repeat does not'),
    (3, 'a user has one event an instant'),
    (4, 'the last event of each instant of raw is there, as it is in raw'),
    (5, 'what is there is in raw'),
    (6, 'what is there is of a processed date')
) AS checks (number, check_name)
LEFT JOIN violations USING (number)
GROUP BY number, check_name
ORDER BY number;
