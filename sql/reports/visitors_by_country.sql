-- reports.visitors_by_country
-- Question: which country do most visitors come from?
-- Grain:    one row a country.
-- Inputs:   raw.user_interactions, raw.web_users, all of them.
-- Rule:     a visitor is a user id with an interaction, however many there are. Those who do not
--           exist, or whose country nobody knows, are from 'unknown'.
DELETE FROM reports.visitors_by_country;

INSERT INTO reports.visitors_by_country (country, visitors)
SELECT COALESCE(country, 'unknown'), count(*)
FROM (SELECT DISTINCT user_id FROM raw.user_interactions) AS visitors
LEFT JOIN reports.web_users_now USING (user_id)
GROUP BY 1;
