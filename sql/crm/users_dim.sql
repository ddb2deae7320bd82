-- crm.users_dim, type 2
-- Grain:  one row a user and state, from valid_from (inclusive) to valid_to (exclusive).
-- Inputs: raw.user_events from :start on and before :end. With :since, a snapshot: only users with
--         events that it does not show. With :is_rerun: also users whose events have gone.
-- Rule:   Of a user's events at one instant the last counts: Created < Updated < Deleted, then the
--         order in the source. An event that changes nothing opens no version: it is a repeat.
--         The dates can change what lies between the version before them and the first event
--         after them. So the result depends on which dates were processed, not on their order.
-- Returns import_date, rows_written (versions that begin on the date).

-- Keep autovacuum's ANALYZE away: it ignores our uncommitted rows.
LOCK TABLE crm.user_history IN SHARE UPDATE EXCLUSIVE MODE;

-- (1) Affected: the users with such events, each with the valid version.
CREATE TEMPORARY TABLE affected ON COMMIT DROP AS
SELECT
    found.id AS user_id,
    valid.*,
    :'is_rerun'
    OR COALESCE(valid.valid_from >= :'start', false)
    OR EXISTS (
        SELECT FROM crm.user_repeats AS later
        WHERE later.id = found.id AND later.valid_from >= :'start'
    ) AS has_later
FROM (
    SELECT id
    FROM raw.user_events
    WHERE received_at >= :'start' AND received_at < :'end'
        AND raw.is_new(txid, NULLIF(:'since', '')::pg_snapshot)
    UNION
    SELECT id
    FROM crm.user_history
    WHERE :'is_rerun' AND valid_from >= :'start' AND valid_from < :'end'
) AS found
LEFT JOIN crm.users_dim_valid AS valid ON valid.id = found.id;

ANALYZE affected (user_id, has_later);

-- Of users who have something on the dates or later: the version before, the first event after.
CREATE TEMPORARY TABLE neighbours ON COMMIT DROP AS
SELECT version_before.*, NULL::timestamptz AS next_start
FROM affected
CROSS JOIN LATERAL (
    SELECT *
    FROM crm.users_dim
    WHERE users_dim.id = affected.user_id AND users_dim.valid_from < :'start'
    ORDER BY users_dim.valid_from DESC
    LIMIT 1
) AS version_before
WHERE affected.has_later
UNION ALL
SELECT
    event_after.*,
    (
        SELECT min(valid_from) FROM crm.users_dim
        WHERE users_dim.id = event_after.id AND users_dim.valid_from > event_after.valid_from
    )
FROM affected
CROSS JOIN LATERAL (
    SELECT *
    FROM crm.user_history
    WHERE user_history.id = affected.user_id AND user_history.valid_from >= :'end'
    ORDER BY user_history.valid_from
    LIMIT 1
) AS event_after
WHERE affected.has_later;

ANALYZE neighbours (id);

-- (2) Timeline: these and the events on the dates, of one instant the last; each compared with the
-- one before, each version ended by the next. Newest first, so a running minimum finds the next.
CREATE TEMPORARY TABLE timeline ON COMMIT DROP AS
WITH events AS (
    SELECT
        event_id AS event_sk, id, username, user_email, user_type, organization_name, plan_name,
        received_at AS valid_from, event_type = 'User Deleted' AS is_deleted,
        array_position(ARRAY['User Created', 'User Updated', 'User Deleted'], event_type) AS rank,
        imported_at, line, NULL::timestamptz AS next_start
    FROM raw.user_events
    WHERE received_at >= :'start' AND received_at < :'end'
        AND (:'since' = '' OR id IN (SELECT user_id FROM affected))
    UNION ALL
    SELECT
        event_sk, id, username, user_email, user_type, organization_name, plan_name,
        valid_from, is_deleted, NULL, NULL, NULL, NULL
    FROM affected
    WHERE id IS NOT NULL AND NOT has_later
    UNION ALL
    SELECT
        event_sk, id, username, user_email, user_type, organization_name, plan_name,
        valid_from, is_deleted, NULL, NULL, NULL, next_start
    FROM neighbours
),
deduplicated AS (
    SELECT DISTINCT ON (id, valid_from) *
    FROM events
    ORDER BY id, valid_from DESC, rank DESC, imported_at DESC, line DESC, event_sk DESC
),
compared AS (
    SELECT
        *,
        ROW(username, user_email, user_type, organization_name, plan_name, is_deleted)
        IS DISTINCT FROM
        lead(ROW(username, user_email, user_type, organization_name, plan_name, is_deleted))
            OVER (PARTITION BY id ORDER BY valid_from DESC) AS is_version
    FROM deduplicated
)
SELECT
    event_sk, id, username, user_email, user_type, organization_name, plan_name, valid_from,
    is_deleted, is_version, next_start,
    COALESCE(
        min(valid_from) FILTER (WHERE is_version) OVER later,
        max(next_start) OVER later,
        next_start
    ) AS valid_to
FROM compared
WINDOW later AS (
    PARTITION BY id ORDER BY valid_from DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
);

ANALYZE timeline (id);

-- (3) Apply: delete what is stored of that, but for valid versions that nothing follows. Those are
-- updated in place. Insert the rest.
DELETE FROM crm.user_history AS old
USING affected
WHERE affected.has_later
    AND old.id = affected.user_id
    AND (
        old.valid_from >= :'start' AND old.valid_from < :'end'
        OR (old.id, old.valid_from) IN (SELECT id, valid_from FROM neighbours)
    );

UPDATE crm.users_dim_valid AS old
SET (
    event_sk, username, user_email, user_type, organization_name, plan_name, valid_from, is_deleted
) = (
    new.event_sk, new.username, new.user_email, new.user_type, new.organization_name,
    new.plan_name, new.valid_from, new.is_deleted
)
FROM timeline AS new
WHERE old.id = new.id
    AND new.is_version
    AND new.valid_to IS NULL
    AND new.valid_from >= :'start';

INSERT INTO crm.user_history (
    event_sk, id, username, user_email, user_type, organization_name, plan_name, valid_from,
    valid_to, is_valid, is_deleted
)
SELECT
    event_sk, id, username, user_email, user_type, organization_name, plan_name, valid_from,
    CASE WHEN is_version THEN valid_to END, CASE WHEN is_version THEN valid_to IS NULL END,
    is_deleted
FROM timeline
WHERE NOT is_version
    OR valid_to IS NOT NULL
    OR NOT EXISTS (SELECT FROM affected WHERE affected.id = timeline.id AND NOT has_later);

SELECT (valid_from AT TIME ZONE 'UTC')::date AS import_date, count(*) AS rows_written
FROM timeline
WHERE is_version AND valid_from >= :'start' AND valid_from < :'end'
GROUP BY 1;
