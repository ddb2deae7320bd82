-- What a producer says it has published of a file.
INSERT INTO raw.imports (imported_at, feed, source, n_messages, n_rows, last_line, error)
VALUES (
    :'imported_at', :'feed', :'source', :'n_messages', :'n_rows', :'last_line', :'error'
)
ON CONFLICT (imported_at, feed) DO NOTHING;
