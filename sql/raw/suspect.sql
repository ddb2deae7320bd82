-- Count a delivery of a message that was delivered before and not acknowledged.
-- Returns how many such deliveries there were, this one included.
INSERT INTO raw.suspects AS old (message_id, attempts)
VALUES (:'message_id', 1)
ON CONFLICT (message_id) DO UPDATE SET attempts = old.attempts + 1, last_seen = now()
RETURNING attempts;
