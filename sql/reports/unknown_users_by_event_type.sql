-- reports.unknown_users_by_event_type
-- Question: in which event types do user ids that do not exist occur most often?
-- Grain:    one row an event type.
-- Inputs:   raw.user_interactions, raw.web_users, all of them.
-- Rule:     a user exists if there is a row of web users with the id. An event that was delivered
--           several times counts once.
DELETE FROM reports.unknown_users_by_event_type;

INSERT INTO reports.unknown_users_by_event_type (event_type, events, unknown_user_events)
SELECT event_type, count(*), count(*) FILTER (WHERE web_users.user_id IS NULL)
FROM reports.interaction_deliveries
LEFT JOIN reports.web_users_now AS web_users USING (user_id)
WHERE repeats IS NULL
GROUP BY event_type COLLATE "C", event_type;
