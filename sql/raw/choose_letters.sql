-- Dead letters that can be published again.
SELECT letter_id, feed, message_id, content_type, headers, body
FROM raw.dead_letters
WHERE replayed_at IS NULL
    AND (:'feed'::text IS NULL OR feed = :'feed')
    AND (:'code'::text IS NULL OR code = :'code')
    AND (:'since'::timestamptz IS NULL OR last_seen >= :'since')
ORDER BY feed, first_seen, letter_id;
