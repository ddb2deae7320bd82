-- What a producer says it has published of a file.
INSERT INTO raw.imports (
    imported_at, feed, source, n_messages, n_rows, last_line, error, fingerprint
)
VALUES (
    :'imported_at', :'feed', :'source', :'n_messages', :'n_rows', :'last_line', :'error',
    :'fingerprint'
)
ON CONFLICT (imported_at, feed) DO NOTHING;
