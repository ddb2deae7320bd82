-- The date before which days of one of these raw tables have been dropped, or NULL.
SELECT max(before) AS pruned_before
FROM meta.pruned
WHERE feed = ANY(:'inputs'::text[]);
