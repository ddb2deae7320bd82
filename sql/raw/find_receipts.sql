-- The receipts of messages that were settled before, by import and message.
SELECT imported_at, message_id, stored, already_there, rejected, dead
FROM raw.receipts
INNER JOIN unnest(:'imported_at'::timestamptz[], :'message_id'::text[])
    AS wanted (imported_at, message_id) USING (imported_at, message_id);
