-- Files of which every row has found its place, as they were then.
-- Returns source, fingerprint.
SELECT imports.source, imports.fingerprint
FROM raw.imports
CROSS JOIN LATERAL (
    SELECT COALESCE(sum(receipts.n_rows), 0) AS n_rows, COALESCE(max(receipts.dead), 0) AS dead
    FROM raw.receipts
    WHERE receipts.imported_at = imports.imported_at AND receipts.feed = imports.feed
) AS settled
WHERE imports.feed = :'feed'
    AND imports.source = ANY(:'sources')
    AND imports.fingerprint IS NOT NULL
    AND imports.error IS NULL
    AND imports.n_rows = settled.n_rows
    AND settled.dead = 0;
