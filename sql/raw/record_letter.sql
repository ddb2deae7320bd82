-- A dead letter; one that has died before counts its attempts on.
INSERT INTO raw.dead_letters AS old (
    letter_id, feed, message_id, content_type, headers, body, code, error, source, first_line,
    attempts
)
VALUES (
    :'letter_id', :'feed', :'message_id', :'content_type', :'headers', :'body', :'code', :'error',
    :'source', :'first_line', :'attempts'
)
ON CONFLICT (letter_id) DO UPDATE SET
    code = excluded.code,
    error = excluded.error,
    attempts = old.attempts + excluded.attempts,
    last_seen = now(),
    replayed_at = NULL;
