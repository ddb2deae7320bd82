-- A receipt for each message; if another consumer was faster with one, its receipt stands.
INSERT INTO raw.receipts (
    imported_at, message_id, feed, source, first_line, n_lines,
    stored, already_there, rejected, dead, n_rows
)
SELECT imported_at, message_id, feed, source, first_line, n_lines,
    stored, already_there, rejected, dead, n_rows
FROM unnest(
    :'imported_at'::timestamptz[],
    :'message_id'::text[],
    :'feed'::text[],
    :'source'::text[],
    :'first_line'::bigint[],
    :'n_lines'::bigint[],
    :'stored'::bigint[],
    :'already_there'::bigint[],
    :'rejected'::bigint[],
    :'dead'::bigint[],
    :'n_rows'::bigint[]
) AS new (
    imported_at, message_id, feed, source, first_line, n_lines,
    stored, already_there, rejected, dead, n_rows
)
ON CONFLICT (imported_at, message_id) DO NOTHING;
