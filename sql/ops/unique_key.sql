-- Whether a table has a valid unique index on just these columns, for all rows.
SELECT EXISTS (
    SELECT
    FROM pg_index
    WHERE indrelid = to_regclass(:'table')
        AND indisunique
        AND indisvalid
        AND indimmediate
        AND indpred IS NULL
        AND (
            SELECT array_agg(attname::text ORDER BY attname::text)
            FROM pg_attribute
            WHERE attrelid = indrelid AND attnum = ANY((indkey::int2[])[:indnkeyatts])
        ) = (SELECT array_agg(name ORDER BY name) FROM unnest(:'columns'::text[]) AS name)
);
