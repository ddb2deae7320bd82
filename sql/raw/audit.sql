-- For each import, what its producer says it has published, and the sum of its receipts.
-- idle_seconds: since a message of the import was settled last; NULL: none was.
-- n_unbalanced: messages whose rows do not add up. is_superseded: a later import of the same file
-- was completed.
WITH settled AS (
    SELECT
        imported_at,
        feed,
        max(source) AS source,
        count(*) AS n_messages,
        sum(n_rows)::bigint AS n_rows,
        sum(stored)::bigint AS stored,
        sum(already_there)::bigint AS already_there,
        sum(rejected)::bigint AS rejected,
        coalesce(sum(n_rows) FILTER (WHERE dead > 0), 0)::bigint AS dead,
        max(settled_at) AS last_settled,
        count(*) FILTER (
            WHERE dead = 0 AND stored + already_there + rejected <> n_rows
        ) AS n_unbalanced
    FROM raw.receipts
    GROUP BY imported_at, feed
)
SELECT
    imported_at,
    feed,
    coalesce(imports.source, settled.source) AS source,
    imports.n_messages AS published_messages,
    coalesce(imports.n_rows, settled.n_rows) AS published,
    coalesce(imports.last_line, 0) AS last_line,
    imports.error,
    coalesce(settled.n_messages, 0) AS settled_messages,
    coalesce(stored, 0) AS stored,
    coalesce(already_there, 0) AS already_there,
    coalesce(rejected, 0) AS rejected,
    coalesce(dead, 0) AS dead,
    coalesce(n_unbalanced, 0) AS n_unbalanced,
    EXISTS (
        SELECT
        FROM raw.imports AS later
        WHERE later.feed = settled.feed
            AND later.source = settled.source
            AND later.imported_at > settled.imported_at
            AND later.error IS NULL
    ) AS is_superseded,
    (
        SELECT count(*)
        FROM raw.rejected_events
        WHERE rejected_events.imported_at = coalesce(imports.imported_at, settled.imported_at)
            AND rejected_events.feed = coalesce(imports.feed, settled.feed)
            AND replayed_at IS NOT NULL
    ) AS replayed,
    coalesce(pruned_rows.n_rows, 0) AS pruned,
    extract(epoch FROM clock_timestamp() - last_settled)::double precision AS idle_seconds
FROM raw.imports
FULL JOIN settled USING (imported_at, feed)
LEFT JOIN raw.pruned_rows USING (imported_at, feed)
ORDER BY imported_at, feed;
