-- Rejected rows that can be published again.
SELECT
    event_id, feed, source, imported_at, line, content_type, header,
    coalesce(body, convert_to(payload, 'UTF8')) AS body
FROM raw.rejected_events
WHERE replayed_at IS NULL
    AND content_type IS NOT NULL
    AND (:'feed'::text IS NULL OR feed = :'feed')
    AND (:'code'::text IS NULL OR code = :'code')
    AND (:'since'::timestamptz IS NULL OR last_rejected_at >= :'since')
ORDER BY feed, imported_at, line;
