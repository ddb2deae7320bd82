-- reports.valuable_users_by_age_group
-- Question: are users with at least 5 VIEWs and at least 10 CLICKs 18 to 49 or 50 to 80 years old?
-- Grain:    one row an age group; all groups have one.
-- Inputs:   raw.user_interactions, raw.web_users, all of them.
-- Rule:     an event that was delivered several times counts once. An age is a number or a range.
--           It is in a group if all of it is; 'outside' if all of it is below 18 or above 80;
--           'straddling' if a part is in a group and another is not; 'unknown' if there is no
--           age, or no such user.
DELETE FROM reports.valuable_users_by_age_group;

INSERT INTO reports.valuable_users_by_age_group (age_group, users)
WITH valuable AS (
    SELECT user_id
    FROM reports.interaction_deliveries
    WHERE repeats IS NULL
    GROUP BY user_id
    HAVING count(*) FILTER (WHERE event_type = 'VIEW') >= 5
        AND count(*) FILTER (WHERE event_type = 'CLICK') >= 10
),
aged AS (
    SELECT
        least(split_part(age, '-', 1)::int, NULLIF(split_part(age, '-', 2), '')::int) AS youngest,
        greatest(split_part(age, '-', 1)::int, NULLIF(split_part(age, '-', 2), '')::int) AS oldest
    FROM valuable
    LEFT JOIN reports.web_users_now USING (user_id)
),
grouped AS (
    SELECT
        CASE
            WHEN youngest IS NULL THEN 'unknown'
            WHEN youngest >= 18 AND oldest <= 49 THEN '18-49'
            WHEN youngest >= 50 AND oldest <= 80 THEN '50-80'
            WHEN oldest < 18 OR youngest > 80 THEN 'outside'
            ELSE 'straddling'
        END AS age_group
    FROM aged
)
SELECT age_group, count(grouped.age_group)
FROM unnest(ARRAY['18-49', '50-80', 'straddling', 'outside', 'unknown']) AS age_group
LEFT JOIN grouped USING (age_group)
GROUP BY age_group;
