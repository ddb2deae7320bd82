-- The ranges of lines of an import of which there is no receipt.
WITH covered AS (
    SELECT first_line, first_line + n_lines - 1 AS last_line
    FROM raw.receipts
    WHERE imported_at = :'imported_at' AND feed = :'feed'
    UNION ALL
    SELECT :'last_line'::bigint + 1, :'last_line'::bigint + 1
),
steps AS (
    SELECT
        1 + max(last_line) OVER (
            ORDER BY first_line ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS first_missing,
        first_line - 1 AS last_missing
    FROM covered
)
SELECT coalesce(first_missing, 2), last_missing
FROM steps
WHERE last_missing >= coalesce(first_missing, 2)
ORDER BY last_missing;
