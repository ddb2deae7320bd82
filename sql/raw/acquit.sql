-- A suspect was handled after all, one way or the other.
DELETE FROM raw.suspects
WHERE message_id = ANY(:'message_ids'::text[]);
