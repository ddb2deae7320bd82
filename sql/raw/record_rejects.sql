-- The staged rejects; one that was rejected before counts one attempt more.
INSERT INTO raw.rejected_events AS old (
    event_id, imported_at, line, feed, source, payload, code, column_name, error,
    content_type, header, body
)
SELECT DISTINCT ON (event_id)
    event_id, imported_at, line, feed, source, payload, code, column_name, error,
    content_type, header, body
FROM pg_temp.staged_rejected_events
ORDER BY event_id
ON CONFLICT (event_id) DO UPDATE SET
    code = excluded.code,
    column_name = excluded.column_name,
    error = excluded.error,
    attempts = old.attempts + 1,
    last_rejected_at = now(),
    replayed_at = NULL;
