-- Whether a table has a valid unique index on just this column, for all rows.
SELECT EXISTS (
    SELECT
    FROM pg_index
    INNER JOIN pg_attribute
        ON pg_attribute.attrelid = pg_index.indrelid AND pg_attribute.attnum = pg_index.indkey[0]
    WHERE pg_index.indrelid = to_regclass(:'table')
        AND pg_index.indisunique
        AND pg_index.indisvalid
        AND pg_index.indimmediate
        AND pg_index.indpred IS NULL
        AND pg_index.indnkeyatts = 1
        AND pg_attribute.attname = :'column'
);
