-- What must hold after a run of crm.users_dim, from :start on and before :end, of users from :from_id on and
-- before :to_id (an empty one is no limit); with :since, of those who have new events. No version ends before it begins,
-- the table makes sure. So if the ends of a user's versions are the beginnings of all but the first of
-- them, there is no gap and no overlap: the last version can end at none of them, so the one before it
-- ends where the last begins, and so on. Of what begins and ends on the dates it is enough to compare
-- how many and their hashes.
-- Returns check_name, n_violations.

SET LOCAL enable_partitionwise_aggregate = on;  -- the instants of a day are of that day alone
SET LOCAL parallel_tuple_cost = 0.01;  -- what workers hand over are three narrow columns

-- The versions are looked up by key, user by user: of users with new events; or, where all of the dates
-- is examined, of everybody with an event there, if these events are fewer than the pages that would be
-- read instead: all valid versions, or what has ended since the dates. So the cost is that of the dates.
-- The price: a version begun there by somebody without an event goes unnoticed.
SELECT
    set_config('etl.is_valid_by_key', is_valid_by_key::text, true),
    set_config('etl.is_past_by_key', is_past_by_key::text, true),
    set_config(
        'max_parallel_workers_per_gather',
        CASE WHEN is_valid_by_key AND is_past_by_key  -- else workers would be started for nothing
            THEN '0' ELSE current_setting('max_parallel_workers_per_gather')
        END,
        true
    )
FROM (
    SELECT
        :'since' <> ''
        OR :'n_events' < pg_relation_size('crm.users_dim_valid') / current_setting('block_size')::int
            AS is_valid_by_key,
        :'since' <> '' OR :'n_events' <= COALESCE(sum(rows_written), 0) / 32 AS is_past_by_key
    FROM meta.etl_runs
    WHERE etl = 'users_dim'
        AND import_date > :'last_date'::date  -- what they opened, as a rule ended something
) AS cheaper;

WITH looked_up AS MATERIALIZED (
    SELECT DISTINCT id
    FROM raw.user_events
    WHERE received_at >= :'start'
        AND received_at < :'end'
        AND (:'from_id' = '' OR id COLLATE "C" >= :'from_id')
        AND (:'to_id' = '' OR id COLLATE "C" < :'to_id')
        AND raw.is_new(txid, NULLIF(:'since', '')::pg_snapshot)
    ORDER BY id  -- neighbours in the index
),
past AS NOT MATERIALIZED (
    SELECT id, valid_from, valid_to
    FROM crm.users_dim_past
    WHERE valid_to >= :'start'
        AND valid_from < :'end'
        AND (valid_from >= :'start' OR valid_to < :'end')
        AND (:'from_id' = '' OR id COLLATE "C" >= :'from_id')
        AND (:'to_id' = '' OR id COLLATE "C" < :'to_id')
),
valid AS NOT MATERIALIZED (
    SELECT id, valid_from, valid_to
    FROM crm.users_dim_valid
    WHERE valid_from >= :'start'
        AND valid_from < :'end'
        AND (:'from_id' = '' OR id COLLATE "C" >= :'from_id')
        AND (:'to_id' = '' OR id COLLATE "C" < :'to_id')
),
read_through AS NOT MATERIALIZED (
    SELECT *
    FROM past
    WHERE NOT current_setting('etl.is_past_by_key')::boolean
    UNION ALL
    SELECT *
    FROM valid
    WHERE NOT current_setting('etl.is_valid_by_key')::boolean
),
examined AS (
    SELECT *
    FROM read_through
    WHERE :'first_date' <> :'last_date'
    UNION ALL
    (
        SELECT *
        FROM read_through
        WHERE :'first_date' = :'last_date'
        OFFSET 0  -- a user has few versions on one date: workers had better not group them by halves
    )
    UNION ALL
    SELECT found.*
    FROM looked_up
    CROSS JOIN LATERAL (
        SELECT id, valid_from, valid_to
        FROM crm.users_dim_past
        WHERE users_dim_past.id = looked_up.id
            AND users_dim_past.valid_from < :'end'
        OFFSET 0  -- a look into the key for each user, whatever the planner thinks: of valid_to it must
                  -- not know here, or it reads all block ranges for each as well
    ) AS found
    WHERE current_setting('etl.is_past_by_key')::boolean
        AND valid_to >= :'start'
        AND (valid_from >= :'start' OR valid_to < :'end')
    UNION ALL
    SELECT found.*
    FROM looked_up
    CROSS JOIN LATERAL (
        SELECT *
        FROM valid
        WHERE valid.id = looked_up.id
        OFFSET 0
    ) AS found
    WHERE current_setting('etl.is_valid_by_key')::boolean
),
lives AS (
    SELECT
        id,
        count(*) FILTER (WHERE begins) AS n_begun,
        count(*) FILTER (WHERE begins) - count(*) FILTER (WHERE ends) AS n_open,
        bit_xor(hashtextextended(id, start_hash)) FILTER (WHERE begins) AS begun,
        bit_xor(CASE WHEN begins THEN start_hash ELSE 0 END # CASE WHEN ends THEN end_hash ELSE 0 END)
            AS unmatched,
        min(valid_from) AS first_start,
        max(valid_to) AS last_end
    FROM examined
    CROSS JOIN LATERAL (
        SELECT
            valid_from >= :'start' AS begins,
            COALESCE(valid_to < :'end', false) AS ends,
            timestamp_hash_extended(valid_from AT TIME ZONE 'UTC', 0) AS start_hash,
            timestamp_hash_extended(valid_to AT TIME ZONE 'UTC', 0) AS end_hash
    ) AS on_the_dates
    GROUP BY id
),
versions AS (
    SELECT
        COALESCE(sum(n_begun), 0) AS n_begun,
        COALESCE(bit_xor(begun), 0) AS begun,
        count(*) FILTER (
            WHERE (n_open, unmatched) <> CASE
                WHEN first_start >= :'start'
                    THEN (1::bigint, timestamp_hash_extended(first_start AT TIME ZONE 'UTC', 0))
                ELSE (0::bigint, 0::bigint)
            END
            OR COALESCE(last_end >= :'end', false)  -- else who has no end would be looked up too
            AND last_end IS DISTINCT FROM LEAST(
                (
                    SELECT min(later.valid_from)  -- alone it is one look into the key
                    FROM crm.users_dim_past AS later
                    WHERE later.id = lives.id AND later.valid_from >= :'end'
                ),
                (
                    SELECT later.valid_from
                    FROM crm.users_dim_valid AS later
                    WHERE later.id = lives.id AND later.valid_from >= :'end'
                )
            )
        ) AS n_astray,
        count(*) FILTER (
            WHERE first_start >= :'start'
            AND EXISTS (  -- on the first dates of all this spares a look for each user
                SELECT
                FROM (  -- those that are not examined, which block ranges tell
                    SELECT valid_from
                    FROM crm.users_dim_past
                    WHERE valid_to < :'start'
                    UNION ALL
                    SELECT valid_from
                    FROM crm.users_dim_past
                    WHERE valid_to >= :'end'
                ) AS others
                WHERE valid_from < :'start'
            )
            AND EXISTS (
                SELECT
                FROM crm.users_dim_past AS earlier
                WHERE earlier.id = lives.id
                    AND earlier.valid_from < :'start'
            )
        ) AS n_without_end_before
    FROM lives
),
events AS (
    SELECT
        count(*) AS n,
        COALESCE(
            bit_xor(
                hashtextextended(id, timestamp_hash_extended(received_at AT TIME ZONE 'UTC', 0))
            ), 0
        ) AS all_of_them
    FROM (
        SELECT id, received_at
        FROM raw.user_events
        WHERE received_at >= :'start'
            AND received_at < :'end'
            AND (:'from_id' = '' OR id COLLATE "C" >= :'from_id')
            AND (:'to_id' = '' OR id COLLATE "C" < :'to_id')
            AND (:'since' = '' OR id IN (SELECT id FROM looked_up))
        GROUP BY id, received_at
    ) AS instants
),
repeats AS (
    SELECT
        count(*) AS n,
        COALESCE(
            bit_xor(
                hashtextextended(id, timestamp_hash_extended(valid_from AT TIME ZONE 'UTC', 0))
            ), 0
        ) AS all_of_them
    FROM crm.user_repeats
    WHERE valid_from >= :'start'
        AND valid_from < :'end'
        AND (:'from_id' = '' OR id COLLATE "C" >= :'from_id')
        AND (:'to_id' = '' OR id COLLATE "C" < :'to_id')
        AND (:'since' = '' OR id IN (SELECT id FROM looked_up))
)
SELECT
    'every instant of a user in raw is a version or a repeat' AS check_name,
    GREATEST(
        abs(events.n - n_begun - repeats.n),
        CASE WHEN events.all_of_them # repeats.all_of_them <> begun THEN 1 ELSE 0 END
    ) AS n_violations
FROM versions
CROSS JOIN events
CROSS JOIN repeats
UNION ALL
SELECT 'where a version ends the next one begins', n_astray
FROM versions
UNION ALL
SELECT 'where a version begins the one before ends', n_without_end_before
FROM versions;
